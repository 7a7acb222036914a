"""Imports, and what others do with the same rows, measured side by side."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from figures import Figure, Line, Section, Table, make_section, write_memory
from machine import CHECKOUT, step
from pgloader_bench import (
    PGLOADER,
    Run,
    Target,
    ensure_pgloader,
    make_pgloader_line,
    run_pgloader,
)
from serving import repeat
from supervisor import Child, Refusal, read_parents, say
from workbench import (
    FILES,
    LOGS,
    LOOK_SECONDS,
    Bench,
    Options,
    call,
    count_rows,
    psql_command,
    query,
    read_memory,
    run_worker,
)

# What a generated file depends on besides its arguments.
GENERATOR = CHECKOUT / "explorer/samples.py"

CLEAN, BAD, PARQUET = "trips.csv", "bad.csv", "trips.parquet"
BAD_SHARE = 0.01
# The files, one import's table, and its log.
DISK_BYTES_PER_ROW = 1_500
STREAM_DISK_SHARE = 1.6
STREAM_BLOCK_ROWS = 100_000

ACTIVE = frozenset({"queued", "running", "publishing", "cancelling"})
ASK_SECONDS = 0.5
KICK_SECONDS = 60.0
CLOCKS_APART_SECONDS = 5.0

TABLE = "bench_trip"
# As an import's partition, with its indexes from the start.
CREATE_TABLE = """
    DROP TABLE IF EXISTS bench_trip;
    CREATE TABLE bench_trip (LIKE explorer_trip INCLUDING ALL,
        CHECK (id >= 4294967296 AND id < 8589934592), CHECK (import_id = 1));
    CREATE SEQUENCE bench_trip_id MINVALUE 4294967297 CACHE 1000 OWNED BY bench_trip.id;
    ALTER TABLE bench_trip
        ALTER id SET DEFAULT nextval('bench_trip_id'), ALTER import_id SET DEFAULT 1
"""
WRITE_PARQUET = """
import duckdb
duckdb.execute("SET enable_progress_bar = false")
duckdb.execute("COPY (FROM read_csv('trips.csv')) TO '/dev/stdout' (FORMAT parquet)")
"""


@dataclass(frozen=True)
class Case:
    """One kind of import: its file, and the other line that its time is held against."""

    name: str
    file: str
    loaders: int
    against: str
    wanted: float


PSQL = "`psql \\copy`"
CSV_ONE, CSV_TWO = "CSV, one loader", "CSV, two loaders"
BESIDE_PGLOADER = f"{CSV_ONE}, beside pgloader"
CASES = (
    Case(CSV_ONE, CLEAN, 1, PSQL, 1.2),
    Case("CSV with 1 % broken rows, one loader", BAD, 1, CSV_ONE, 2.0),
    Case(CSV_TWO, CLEAN, 2, PSQL, 0.75),
    Case("CSV with 1 % broken rows, two loaders", BAD, 2, CSV_TWO, 2.0),
    Case("Parquet, two loaders", PARQUET, 2, CSV_TWO, 1.5),
)


# What is loaded


def make_files(bench: Bench, rows: int) -> Path:
    """The folder of files with so many rows; those of an earlier run are taken as they are."""
    folder = make_clean_file(bench, rows)
    make_file(bench, folder / BAD, *sample_command(bench, rows), "--bad", str(BAD_SHARE))
    make_file(bench, folder / PARQUET, bench.workshop.python, "-c", WRITE_PARQUET)
    return folder


def make_clean_file(bench: Bench, rows: int) -> Path:
    generator = hashlib.sha256(GENERATOR.read_bytes()).hexdigest()[:8]
    folder = FILES / f"{rows}-{generator}"
    folder.mkdir(exist_ok=True)
    make_file(bench, folder / CLEAN, *sample_command(bench, rows))
    return folder


def sample_command(bench: Bench, rows: int) -> tuple[str, ...]:
    manage = (bench.workshop.python, str(CHECKOUT / "manage.py"))
    return (*manage, "make_sample", "trips", "--rows", str(rows), "--seed", "1")


def make_file(bench: Bench, path: Path, *command: str) -> None:
    """Saves what the command prints; the file appears whole or not at all."""
    if path.exists():
        return
    part = path.with_name(f"{path.name}.part")
    save = ("sh", "-c", 'exec "$@" > "$0"', str(part))
    program = bench.workshop.program("make_sample", *save, *command)
    with step(f"{path.parent.name}/{path.name}"):
        bench.workshop.run(replace(program, folder=path.parent))
    part.replace(path)


def read_columns(bench: Bench, file: Path) -> str:
    """The table's columns in the order of the file."""
    with file.open() as lines:
        header = next(lines).strip().split(",")
    datasets = call(bench, "GET", "/api/v1/datasets/")["results"]
    trips = next(dataset for dataset in datasets if dataset["name"] == "trips")
    fields = {column["name"]: column["field"] for column in trips["columns"]}
    return ", ".join(fields[name] for name in header)


# Measuring


def measure_imports(bench: Bench, options: Options, *, with_pgloader: bool) -> Section:
    folder = make_files(bench, options.rows)
    has_pgloader = with_pgloader and ensure_pgloader(bench.workshop)
    figures: dict[str, list[Figure]] = {}
    runs: list[Run] = []
    for number in range(1, options.rounds + 1):
        say(f"Round {number} of {options.rounds}")
        for name, figure in measure_round(bench, folder, options.rows):
            figures.setdefault(name, []).append(figure)
        if has_pgloader:
            runs.append(measure_pgloader(bench, folder, options.rows))
    lines = make_lines(figures)
    if with_pgloader:
        beside = replace(lines[1], name=BESIDE_PGLOADER, against=PGLOADER, wanted=1.0)
        lines += [make_pgloader_line(runs, options.rows), beside]
    size = (folder / CLEAN).stat().st_size
    what = f"{options.rows:,} rows ({size / 1e6:,.0f} MB as CSV), rounds: {options.rounds}."
    return make_section(what, [Table(lines)], write_memory(summarise_memory(figures)))


def measure_round(bench: Bench, folder: Path, rows: int) -> Iterator[tuple[str, Figure]]:
    """Each in turn, so that a slow minute of the machine does not hit one of them alone."""
    yield PSQL, Figure(measure_psql(bench, folder, rows))
    for loaders, cases in itertools.groupby(CASES, key=lambda case: case.loaders):
        with run_worker(bench, loaders) as worker:
            for case in cases:
                source = f"{folder.name}/{case.file}"
                yield case.name, measure_import(bench, worker, case, source, rows)


def measure_psql(bench: Bench, folder: Path, rows: int) -> float:
    columns = read_columns(bench, folder / CLEAN)
    copy = (
        f"\\copy {TABLE} ({columns}) FROM '{CLEAN}'"
        f" WITH (FORMAT csv, HEADER, FORCE_NULL ({columns}))"
    )
    make_table(bench)
    command = (*psql_command(bench), "-c", copy)
    zone = {"PGTZ": "America/New_York"}
    program = replace(bench.workshop.program("psql", *command, **zone), folder=folder)
    with step(PSQL):
        began = time.monotonic()
        bench.workshop.run(program)
        seconds = time.monotonic() - began
    check_count(PSQL, count_rows(bench, TABLE), rows)
    query(bench, f"DROP TABLE {TABLE}")
    return seconds


def measure_pgloader(bench: Bench, folder: Path, rows: int) -> Run:
    file = folder / CLEAN
    make_table(bench)
    run = run_pgloader(bench, file, Target(TABLE, read_columns(bench, file)), rows)
    query(bench, f"DROP TABLE {TABLE}")
    return run


def make_table(bench: Bench) -> None:
    query(bench, CREATE_TABLE)
    query(bench, "CHECKPOINT")


def measure_import(bench: Bench, worker: Child, case: Case, source: str, rows: int) -> Figure:
    assert worker.pid is not None  # noqa: S101 (it has just answered)
    query(bench, "CHECKPOINT")
    idle_bytes = read_memory(worker.pid, "VmRSS")
    watch = Watch(worker.pid)
    with step(case.name):
        began = time.monotonic()
        order = {
            "dataset": "trips",
            "url": f"http://127.0.0.1:{bench.files}/{source}",
            "force": True,
        }
        record = follow(bench, watch, call(bench, "POST", "/api/v1/imports/", order))
        wall_seconds = time.monotonic() - began
    check_import(case, record, rows)
    check_count(case.name, count_rows(bench, "explorer_trip"), record["rows_loaded"])
    seconds = read_seconds(record)
    check_clock(case, seconds, wall_seconds)
    while read_memory(watch.horse, "VmRSS"):
        bench.supervisor.pump(LOOK_SECONDS)
    call(bench, "DELETE", f"/api/v1/imports/{record['id']}/")
    return Figure(seconds, watch.peak_bytes, idle_bytes)


@dataclass
class Watch:
    """The memory of the process that a worker forks for each job."""

    worker: int
    horse: int = 0
    peak_bytes: int = 0

    def look(self) -> bool:
        """False once the process is gone."""
        if not self.horse:
            children = (pid for pid, parent in read_parents().items() if parent == self.worker)
            self.horse = next(children, 0)
            return True
        peak_bytes = read_memory(self.horse, "VmHWM")
        self.peak_bytes = max(self.peak_bytes, peak_bytes)
        return peak_bytes > 0


def follow(bench: Bench, watch: Watch, record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Waits for the end of an import, and asks seldom, so that the asking costs nothing."""
    address = f"/api/v1/imports/{record['id']}/"
    began = time.monotonic()
    while record["status"] in ACTIVE:
        is_there = pump_and_look(bench, watch)
        record = call(bench, "GET", address)
        is_late = not watch.horse and time.monotonic() - began > KICK_SECONDS
        if record["status"] in ACTIVE and (is_late or not is_there):
            raise Refusal(f"Nobody works on an import that is {record['status']}; see {LOGS}.")
    return record


def pump_and_look(bench: Bench, watch: Watch) -> bool:
    """Looks at the memory for a while, and less long where the process ends meanwhile."""
    end = time.monotonic() + ASK_SECONDS
    is_there = watch.look()
    while is_there and time.monotonic() < end:
        bench.supervisor.pump(LOOK_SECONDS)
        is_there = watch.look()
    return is_there


def read_seconds(record: Mapping[str, Any]) -> float:
    created_at = datetime.datetime.fromisoformat(record["created_at"])
    ended_at = datetime.datetime.fromisoformat(record["ended_at"])
    return (ended_at - created_at).total_seconds()


def check_import(case: Case, record: Mapping[str, Any], rows: int) -> None:
    if record["status"] != "finished":
        raise Refusal(f"{case.name}: the import ended as {record['status']}: {record['error']}.")
    loaded, rejected = record["rows_loaded"], record["rows_rejected"]
    if loaded + rejected != rows or bool(rejected) != (case.file == BAD):
        raise Refusal(f"{case.name}: {loaded} rows loaded and {rejected} rejected, of {rows}.")


def check_count(name: str, found: int, expected: int) -> None:
    if found != expected:
        raise Refusal(f"{name}: the table has {found} rows, not {expected}.")


def check_clock(case: Case, seconds: float, wall_seconds: float) -> None:
    """The database's clock against ours, which also waits for the last answer."""
    if not seconds <= wall_seconds <= seconds + CLOCKS_APART_SECONDS:
        told = f"{seconds:.1f} s by the import's times"
        raise Refusal(f"{case.name}: {told}, {wall_seconds:.1f} s by the clock.")


def measure_stream(bench: Bench, gigabytes: float) -> Section:
    folder = make_clean_file(bench, STREAM_BLOCK_ROWS)
    size = int(gigabytes * 1e9)
    rows = repeat((folder / CLEAN).read_bytes(), size).row_count
    case = Case(f"CSV of {gigabytes:g} GB, two loaders", CLEAN, 2, "", 0)
    with run_worker(bench, case.loaders) as worker:
        source = f"repeated/{size}/{folder.name}/{CLEAN}"
        figure = measure_import(bench, worker, case, source, rows)
    return make_section(f"{rows:,} rows.", [], write_memory({case.name: figure}))


# Telling


def make_lines(figures: Mapping[str, Sequence[Figure]]) -> list[Line]:
    seconds = {name: tuple(f.seconds for f in found) for name, found in figures.items()}
    cases = [Line(c.name, seconds[c.name], c.against, c.wanted) for c in CASES]
    return [Line(PSQL, seconds[PSQL]), *cases]


def summarise_memory(figures: Mapping[str, Sequence[Figure]]) -> dict[str, Figure]:
    """The largest of all rounds."""
    return {
        name: Figure(0, max(f.peak_bytes for f in found), max(f.idle_bytes for f in found))
        for name, found in figures.items()
        if name != PSQL
    }
