"""The drill: rows of every kind are dumped, the database is lost, and comes back as it was."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from campaigns import Notes
from django.test import Client
from psycopg import sql
from pytest_django import Settings

from config.management.commands.bootstrap import SAMPLE
from dropzone.jobs import drain
from explorer.samples import write_trips
from imports.datasets import datasets
from imports.jobs import create_import, read_connection_parameters, run_import
from imports.models import Import
from tests.factories.explorer import TaxiZoneFactory
from tests.faults.conftest import MakeCrew
from tests.faults.processes import ROOT, Crew, name_database
from tests.people import make_key

ROWS = 2_000
CHUNK_BYTES = 20_000
# What a restore changes of imports that were running: nobody owns them any more.
OWNERSHIP = ["lease_token", "lease_expires_at", "kicked_at", "claimed_chunks"]


@dataclass
class Drill:
    """An empty database beside the test's own, and commands over either of them."""

    crew: Crew
    parameters: Mapping[str, Any]
    urls: Mapping[str, str]
    notes: Notes

    def run_command(self, *command: str, lost: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env={**self.crew.environment, **(self.urls if lost else {})},
            capture_output=True,
            text=True,
            timeout=120,
        )
        if command[0] == "restore":
            self.notes.count += 1
            self.notes.counts["restored" if done.returncode == 0 else "refused"] += 1
        return done

    def execute(self, statement: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(**self.parameters, autocommit=True) as owner:
            cursor = owner.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def drill(make_crew: MakeCrew, notes: Notes) -> Iterator[Drill]:
    own = read_connection_parameters()
    name = f"{own['dbname']}_drill"
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    create = sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
    crew = make_crew(chunk_bytes=CHUNK_BYTES)
    urls = {
        variable: name_database(*aliases).replace(f"/{own['dbname']}", f"/{name}")
        for variable, aliases in {
            "DATABASE_URL": ("default",),
            "READER_DATABASE_URL": ("default", "reader"),
        }.items()
    }
    with psycopg.connect(**own, autocommit=True) as owner:
        owner.execute(drop)
        owner.execute(create)
        yield Drill(crew, {**own, "dbname": name}, urls, notes)
        owner.execute(drop)


def load_all_kinds(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"ingest"})
    run_import(create_import("footprints", str(SAMPLE)).pk)
    TaxiZoneFactory()
    make_key()
    client = Client()
    fix = '{"timestamp": "2024-07-01 12:00:28", "lat": 52.5, "long": 13.4, "accuracy": 12.5,'
    fix += ' "speed": 1.25, "user_id": "ada"}'
    assert client.put("/location", fix, content_type="application/json").status_code == 200
    payload = '{"time_stamp": "2024-07-01T12:00:00+02:00", "data": [1, 2, 4.5]}'
    for body, status in ((payload, 202), ("{", 400)):
        answer = client.post("/dropzone", body, content_type="application/json")
        assert answer.status_code == status
    drain()


def leave_import_running(crew: Crew, path: Path) -> Import:
    """One whose owner was killed after some chunks."""
    path.write_bytes(b"".join(write_trips(ROWS, seed=2)))
    record = create_import("trips", str(path))
    owner = crew.start("run_import", str(record.pk), faults="before_commit@5=kill")
    owner.wait(60)
    return crew.read(record)


def sum_up(parameters: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """A checksum of every table, also of partitions and staging tables, and where sequences are."""
    found = {}
    with psycopg.connect(**parameters) as owner:
        tables = owner.execute(
            """
            SELECT nspname, relname, relkind FROM pg_class
              JOIN pg_namespace ON pg_namespace.oid = relnamespace
             WHERE nspname IN ('public', 'staging') AND relkind IN ('r', 'S')
            """
        ).fetchall()
        for schema, name, kind in tables:
            place = sql.Identifier(schema, name)
            row: sql.Composable = sql.SQL("item::text")
            if name == "imports_import":
                row = sql.SQL("(to_jsonb(item) - {}::text[])::text").format(sql.Literal(OWNERSHIP))
            query = (
                sql.SQL("SELECT last_value, is_called FROM {}").format(place)
                if kind == "S"
                else sql.SQL(
                    "SELECT count(*), md5(string_agg(md5({row}), '' ORDER BY md5({row})))"
                    " FROM {place} AS item"
                ).format(row=row, place=place)
            )
            [found[f"{schema}.{name}"]] = owner.execute(query).fetchall()
    return found


def test_database_comes_back_as_it_was(drill: Drill, tmp_path: Path, settings: Settings) -> None:
    load_all_kinds(settings)
    for dataset in ("trips", "games"):
        path = tmp_path / f"{dataset}.csv"
        path.write_bytes(b"".join(datasets[dataset].write_sample(300, seed=1, bad=0.01)))
        run_import(create_import(dataset, str(path)).pk)
    running = leave_import_running(drill.crew, tmp_path / "running.csv")
    before = sum_up(read_connection_parameters())
    assert [before[f"public.{name}"][0] for name in ("explorer_game", "explorer_taxizone")] != [
        0,
        0,
    ]
    assert before[f"staging.trips_{running.pk}"][0] > 0

    dumped = drill.run_command("backup", str(tmp_path), lost=False)
    [file] = tmp_path.glob("*.dump")
    restored = drill.run_command("restore", str(file))

    assert (dumped.returncode, dumped.stdout.split()[:2]) == (0, ["wrote", str(file)])
    assert file.stat().st_mode & 0o077 == 0
    assert restored.returncode == 0, restored.stderr
    assert "1 imports were running, and go on" in restored.stdout
    after = sum_up(drill.parameters)
    assert after == before
    drill.notes.counts["tables and sequences compared"] += len(after)

    # What is there is kept, unless it is to go; then nothing of it stays.
    drill.execute("CREATE TABLE stranger (); DELETE FROM explorer_game")
    kept = drill.run_command("restore", str(file))
    assert (kept.returncode, "--force" in kept.stderr) == (1, True)
    assert drill.execute("SELECT count(*) FROM explorer_game") == [(0,)]
    forced = drill.run_command("restore", str(file), "--force")
    assert forced.returncode == 0, forced.stderr
    assert sum_up(drill.parameters) == before

    check_reader(drill)
    check_goes_on(drill, running)


def check_reader(drill: Drill) -> None:
    """Its role may read what it may, and nothing else."""
    with psycopg.connect(drill.urls["READER_DATABASE_URL"]) as reader:
        assert reader.execute("SELECT count(*) > 0 FROM explorer_trip").fetchone() == (True,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("SELECT * FROM auth_user")


def check_goes_on(drill: Drill, running: Import) -> None:
    """The import that was running is taken over, and ends with all of its rows."""
    assert running.status == "running"
    assert drill.execute(
        "SELECT lease_token, lease_expires_at < now() FROM imports_import WHERE id = %s",
        running.pk,
    ) == [(running.lease_token + 1, True)]

    done = drill.run_command("run_import", str(running.pk))

    assert done.returncode == 0, done.stderr
    assert drill.execute(
        "SELECT status, rows_loaded, count(*) FROM imports_import"
        " JOIN explorer_trip ON import_id = imports_import.id"
        " WHERE imports_import.id = %s GROUP BY 1, 2",
        running.pk,
    ) == [("finished", ROWS, ROWS)]


def test_nothing_is_dropped_for_a_file_that_broke_off(drill: Drill, tmp_path: Path) -> None:
    TaxiZoneFactory()
    assert drill.run_command("backup", str(tmp_path / "whole"), lost=False).returncode == 0
    assert drill.run_command("restore", str(tmp_path / "whole")).returncode == 0
    before = sum_up(drill.parameters)
    whole = (tmp_path / "whole").read_bytes()
    (tmp_path / "half").write_bytes(whole[: len(whole) * 9 // 10])
    (tmp_path / "other").write_bytes(b"SELECT 1;")

    told = [
        drill.run_command("restore", str(tmp_path / name), "--force")
        for name in ("half", "other", "gone")
    ]

    assert [done.returncode for done in told] == [1, 1, 1]
    assert "pg_restore failed" in told[0].stderr
    assert sum_up(drill.parameters) == before


def test_nothing_is_restored_while_somebody_is_connected(drill: Drill, tmp_path: Path) -> None:
    file = tmp_path / "whole"
    assert drill.run_command("backup", str(file), lost=False).returncode == 0

    with psycopg.connect(**drill.parameters):
        told = drill.run_command("restore", str(file))

    assert (told.returncode, "1 other connections" in told.stderr) == (1, True)
    assert drill.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_dump_of_another_version_is_told(drill: Drill, tmp_path: Path) -> None:
    first, second = (str(tmp_path / name) for name in ("first", "second"))
    assert drill.run_command("backup", first, lost=False).returncode == 0
    assert "it is of a" not in drill.run_command("restore", first).stdout
    drill.execute(
        "DELETE FROM django_migrations WHERE (app, name) = ('imports', '0004_rows_of_others');"
        "INSERT INTO django_migrations (app, name, applied) VALUES ('imports', '9999_new', now())"
    )
    assert drill.run_command("backup", second).returncode == 0

    told = drill.run_command("restore", second, "--force").stdout

    assert "it is of an older version: run `manage.py migrate` now" in told
    assert "it is of a newer version: run that, not this one" in told


def test_dump_of_older_tables_is_restored_and_then_migrated(drill: Drill, tmp_path: Path) -> None:
    file = str(tmp_path / "old")
    assert drill.run_command("migrate", "imports", "0001").returncode == 0
    assert drill.run_command("backup", file).returncode == 0

    restored = drill.run_command("restore", file, "--force")

    assert restored.returncode == 0, restored.stderr
    assert "it is of an older version: run `manage.py migrate` now" in restored.stdout
    for command in ("migrate", "make_reader"):
        assert drill.run_command(command).returncode == 0
