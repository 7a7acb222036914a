"""The database as one file: dumped while everything runs, restored while nothing does."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import DatabaseError, ProgrammingError, connection, transaction
from psycopg.conninfo import make_conninfo

from config.api.reading import READER
from imports.jobs import read_connection_parameters
from imports.models import Import

# Of whom the tables are, and who may read them, is another thing in another cluster.
NOBODYS = ("--no-owner", "--no-privileges")
SERVERS = Path("/usr/lib/postgresql")
PROGRAM_FOLDER = re.compile(r"/usr/lib/postgresql/(\d+)/bin", re.ASCII)
SHOWN_CHARACTERS = 2_000
LONGEST_WAIT_SECONDS = 1
LEFT = "The database is empty now; the file is as it was."

# What is not of an extension, as statements that drop it. Partitions go with their table, and
# sequences with their column.
DROP_TABLES = """
    SELECT format('DROP %s IF EXISTS %I.%I CASCADE',
                  CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
                               WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, nspname, relname)
      FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE nspname IN ('public', 'staging') AND relkind IN ('r', 'p', 'v', 'm', 'S')
       AND NOT relispartition
       AND NOT EXISTS (SELECT 1 FROM pg_depend
                        WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid
                          AND (deptype = 'e' OR relkind = 'S' AND deptype IN ('a', 'i')))
"""
DROP_FUNCTIONS = """
    SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', oid::regprocedure)
      FROM pg_proc
     WHERE pronamespace = 'public'::regnamespace
       AND NOT EXISTS (SELECT 1 FROM pg_depend
                        WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid
                          AND deptype = 'e')
"""
COMPANY = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND backend_type = 'client backend'
       AND pid <> pg_backend_pid() AND usename IN (current_user, %s)
"""


class BackupError(Exception):
    """It cannot be done; says why, and what can be done."""


# To a file


def write_backup(target: Path) -> Path:
    """Dumps the database into a new file, or into one in a folder that is named by the time;
    returns its path. Raises BackupError; then there is no file.

    It is one snapshot: of an import that runs, the ledger and the rows that it names.
    """
    name = f"catchment-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.dump"
    path = target / name if target.is_dir() else target
    try:
        # Reserved, so that nothing is overwritten; a dump that is not whole has another name.
        path.open("xb").close()
    except FileExistsError:
        raise BackupError(f"{path} exists: nothing is overwritten") from None
    except OSError as error:
        raise BackupError(f"{path}: {error.strerror}") from error
    try:
        _dump_beside(path)
    except BaseException:
        path.unlink()
        raise
    return path


def _dump_beside(path: Path) -> None:
    # Made for its owner alone: there are names, addresses and hashed passwords in it.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.", delete=False) as part:
        try:
            run_client("pg_dump", ["--format=custom", *NOBODYS, *_reach()], output=part)
            os.fsync(part.fileno())
            Path(part.name).replace(path)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise


# From a file


def restore_backup(path: Path, *, is_forced: bool) -> int:
    """Brings back what a dump holds, whole or not at all, and returns how many imports were running
    when it was made: they are taken over and go on. With `is_forced` what is in the database is
    dropped before. Raises BackupError."""
    check_file(path)
    refuse_company()
    try:
        if list_contents() and not is_forced:
            raise BackupError("The database is not empty: --force drops all that is in it.")
        empty_database()
        _fill_from(path)
        running = _fence_owners()
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # a dump holds no statistics
    except DatabaseError as error:
        raise BackupError(str(error)) from error
    return running


def check_file(path: Path) -> None:
    """Reads all of it before anything is dropped: one that broke off is not noticed earlier."""
    if not path.is_file():
        raise BackupError(f"{path} is no file")
    with tempfile.TemporaryFile() as listed:
        run_client("pg_restore", ["--list", str(path)], output=listed)
        listed.seek(0)
        if f" TABLE public {Import._meta.db_table} ".encode() not in listed.read():
            raise BackupError(f"{path} is a dump of another database: it has no imports")
    run_client("pg_restore", ["--file=/dev/null", str(path)])


def _fill_from(path: Path) -> None:
    """Says what is left where it fails, or is broken off by Ctrl-C."""
    options = ["--single-transaction", "--no-comments", *NOBODYS, *_reach(), str(path)]
    try:
        run_client("pg_restore", options)
    except BackupError as error:
        raise BackupError(f"{error}\n{LEFT}") from error
    except KeyboardInterrupt:
        raise BackupError(f"pg_restore was broken off.\n{LEFT}") from None


def _fence_owners() -> int:
    """How many imports were running; 0 in tables of an older version, whose owners this one's
    database will not let in."""
    try:
        with transaction.atomic():
            return Import.objects.fence_owners()
    except ProgrammingError:
        return 0


def refuse_company() -> None:
    with connection.cursor() as cursor:
        cursor.execute(COMPANY, [settings.DATABASES[READER]["USER"]])
        [(count,)] = cursor.fetchall()
    if count:
        raise BackupError(
            f"{count} other connections to the database: stop web, workers and sweeper before."
        )


def list_contents() -> list[str]:
    """The statements that drop what is in the database, but for its extensions."""
    with connection.cursor() as cursor:
        cursor.execute(DROP_TABLES)
        statements = [statement for (statement,) in cursor.fetchall()]
        cursor.execute(DROP_FUNCTIONS)
        return statements + [statement for (statement,) in cursor.fetchall()]


def empty_database() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in list_contents():
            cursor.execute(statement)
        cursor.execute("DROP SCHEMA IF EXISTS staging CASCADE")


# PostgreSQL's programs


def run_client(name: str, options: Sequence[str], output: IO[bytes] | None = None) -> None:
    """Runs one of PostgreSQL's programs, which ends with this one: left alone it would go on, and
    commit. Its password is in its environment: whoever may list processes sees the options of all.
    Raises BackupError with what it complains of."""
    password = str(settings.DATABASES["default"]["PASSWORD"])
    environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    command = ["setpriv", "--pdeathsig", "KILL", "--", find_client(name), *options]
    with (
        _sigterm_as_ctrl_c(),
        subprocess.Popen(  # noqa: S603 (PostgreSQL's own)
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output or subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as client,
    ):
        try:
            complaints = _read_complaints(client)
        except BaseException:
            # After Ctrl-C subprocess waits for nothing: it would still be there, and be told gone.
            client.kill()
            client.wait()
            raise
    if client.returncode != 0:
        complaint = complaints.decode(errors="replace").strip()[-SHOWN_CHARACTERS:]
        raise BackupError(f"{name} failed: {complaint}")


def _read_complaints(client: subprocess.Popen[bytes]) -> bytes:
    """All of them, once it has ended. A signal that comes just before a wait is noticed after it:
    so none is long."""
    while True:
        try:
            _, complaints = client.communicate(timeout=LONGEST_WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return complaints


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """So that what was begun is cleared away, and told."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def find_client(name: str) -> str:
    """The program of the server's own version, where Debian keeps several; else the newest, else
    that on the path. Raises BackupError."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int / 10000")
        [(major,)] = cursor.fetchall()
    found = {
        int(match[1]): folder / name
        for folder in SERVERS.glob("*/bin")
        if (match := PROGRAM_FOLDER.fullmatch(str(folder))) and (folder / name).exists()
    }
    path = found.get(major) or (found and found[max(found)]) or shutil.which(name)
    if not path:
        msg = f"{name} is missing: install Debian's postgresql-client-{major}, or the like"
        raise BackupError(msg)
    return str(path)


def _reach() -> list[str]:
    parameters = {**read_connection_parameters()}
    parameters.pop("password", None)
    return ["--no-password", "--dbname", make_conninfo(**parameters)]
