"""Backups that cannot be made; the drill is in tests/faults/test_restoring.py."""

import os
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from config import backups

pytestmark = pytest.mark.django_db


def run(*arguments: object) -> None:
    call_command("backup", *map(str, arguments))


def restore(*arguments: object) -> None:
    call_command("restore", *map(str, arguments))


def write_program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "old"
    file.write_text("as it was")

    with pytest.raises(CommandError, match="exists: nothing is overwritten"):
        run(file)

    assert file.read_text() == "as it was"


def test_dump_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = write_program(tmp_path / "pg_dump", "echo half; echo no room >&2; exit 1")
    monkeypatch.setattr(backups, "find_client", lambda name: str(broken))
    (tmp_path / "folder").mkdir()

    with pytest.raises(CommandError, match="pg_dump failed: no room"):
        run(tmp_path / "folder" / "new")

    assert list((tmp_path / "folder").iterdir()) == []


def test_dump_that_is_told_to_end_leaves_neither_file_nor_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than a pipe holds: it goes on once its complaints are read, thus once it is waited for.
    slow = write_program(
        tmp_path / "pg_dump",
        f"echo $$ > {tmp_path}/pid; head -c 200000 /dev/zero >&2; kill $PPID; exec sleep 60",
    )
    monkeypatch.setattr(backups, "find_client", lambda name: str(slow))
    (tmp_path / "folder").mkdir()

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "folder")

    assert list((tmp_path / "folder").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="gone/new: No such file"):
        run(tmp_path / "gone" / "new")


def test_program_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "SERVERS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CommandError, match=r"pg_dump is missing: install .*postgresql-client-"):
        run(tmp_path / "new")


def test_password_is_no_option_of_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    spy = write_program(tmp_path / "pg_dump", f'echo "$@" > {tmp_path}/told; echo "$PGPASSWORD"')
    monkeypatch.setattr(backups, "find_client", lambda name: str(spy))
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", "top secret")
    monkeypatch.setattr(
        backups, "read_connection_parameters", lambda: {"dbname": "x", "password": "top secret"}
    )

    run(tmp_path / "new")

    assert "secret" not in (tmp_path / "told").read_text()
    assert (tmp_path / "new").read_text() == "top secret\n"


def test_file_that_is_not_there_is_not_restored(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="gone is no file"):
        restore(tmp_path / "gone")


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nobody were there, and nothing."""
    monkeypatch.setattr(backups, "refuse_company", lambda: None)
    monkeypatch.setattr(backups, "list_contents", list)
    monkeypatch.setattr(backups, "empty_database", lambda: None)


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("echo no room >&2; exit 1", "pg_restore failed: no room"),
        ("kill -INT $PPID; sleep 60", "pg_restore was broken off"),
        ("kill -TERM $PPID; sleep 60", "pg_restore was broken off"),
    ],
)
def test_restore_that_fails_tells_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, told: str
) -> None:
    script = f"""case "$*" in
      --list*) echo "; 1 2 TABLE public imports_import me" ;;
      *single-transaction*) {fault} ;;
    esac"""
    program = write_program(tmp_path / "pg_restore", script)
    monkeypatch.setattr(backups, "find_client", lambda name: str(program))
    (tmp_path / "dump").touch()

    with pytest.raises(CommandError, match=f"{told}[^|]*The database is empty now"):
        restore(tmp_path / "dump")


@pytest.mark.usefixtures("empty")
def test_dump_of_another_database_is_refused_before_anything_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = write_program(tmp_path / "pg_restore", 'echo "; 1 2 TABLE public mine me"')
    monkeypatch.setattr(backups, "find_client", lambda name: str(program))
    monkeypatch.setattr(backups, "empty_database", lambda: pytest.fail("dropped"))
    (tmp_path / "dump").touch()

    with pytest.raises(CommandError, match="is a dump of another database"):
        restore("--force", tmp_path / "dump")
