"""Who works on an import: a lease with a fence, kept in PostgreSQL by the database's clock.

An import is owned through its `lease_token`, which only grows. Whoever holds the newest token may
commit; anybody else's transaction finds its token gone and rolls back.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import psycopg
from psycopg import errors, sql

logger = logging.getLogger(__name__)

# More often than the lease asks for: people watch the figures that it writes.
HEARTBEAT_SECONDS = 1.0
LEASE = "20 seconds"
# A paused or orphaned owner must neither hold its locks for ever nor work for nobody.
SESSION = "-c idle_in_transaction_session_timeout=5s -c client_connection_check_interval=500ms"


class LeaseLost(Exception):
    """Somebody else owns the import now, or it was cancelled: stop without a trace."""


@dataclass(frozen=True)
class Lease:
    import_id: int
    token: int


Connection = psycopg.Connection[tuple[Any, ...]]


def connect(database: Mapping[str, Any], import_id: int) -> Connection:
    """A connection of its own for the owner of an import, in autocommit: psycopg's `transaction()`
    is a real one only there. Its name lets a successor end it."""
    session = {"autocommit": True, "application_name": name_owner(import_id)}
    options = f"{database.get('options', '')} {SESSION}"
    return psycopg.connect(**{**database, **session, "options": options})


def name_owner(import_id: int) -> str:
    """The `application_name` of all connections that work on an import."""
    return f"catchment:import:{import_id}:"


def claim_import(connection: Connection, import_id: int) -> Lease | None:
    """Takes an import that waits, or whose owner fell silent; None where there is nothing to do."""
    while True:
        try:
            return _take(connection, import_id)
        except errors.LockNotAvailable:
            _end_backends(connection, import_id)


def _take(connection: Connection, import_id: int) -> Lease | None:
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '100ms'")
        # FOR UPDATE is what conflicts with the FOR KEY SHARE of a chunk that is being committed.
        cursor.execute(
            """
            SELECT 1 FROM imports_import
             WHERE id = %s AND (status = 'queued' OR (
                   status IN ('running', 'publishing') AND lease_expires_at < clock_timestamp()))
               FOR UPDATE
            """,
            [import_id],
        )
        if cursor.fetchone() is None:
            return None
        cursor.execute(
            """
            UPDATE imports_import
               SET status = 'running', lease_token = lease_token + 1,
                   lease_expires_at = clock_timestamp() + %s::interval,
                   started_at = coalesce(started_at, clock_timestamp()), kicked_at = NULL
             WHERE id = %s RETURNING lease_token
            """,
            [LEASE, import_id],
        )
        [(token,)] = cursor.fetchall()
        return Lease(import_id, token)


def _end_backends(connection: Connection, import_id: int) -> None:
    connection.execute(
        """
        SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
         WHERE application_name LIKE %s AND pid <> pg_backend_pid()
        """,
        [f"{name_owner(import_id)}%"],
    )


def hold_import(cursor: psycopg.Cursor[Any], lease: Lease) -> None:
    """Locks the import's row until the transaction ends. Raises LeaseLost where it is not ours."""
    cursor.execute(
        "SELECT 1 FROM imports_import WHERE id = %s AND lease_token = %s FOR UPDATE",
        [lease.import_id, lease.token],
    )
    if cursor.fetchone() is None:
        raise LeaseLost


def update_import(connection: Connection, lease: Lease, values: Mapping[str, object]) -> None:
    """Renews the lease and sets columns of the import's row. Raises LeaseLost where it is not ours
    any more, or where the import has ended."""
    columns = sql.SQL("").join(sql.SQL(", {} = %s").format(sql.Identifier(name)) for name in values)
    query = sql.SQL(
        """
        UPDATE imports_import SET lease_expires_at = clock_timestamp() + %s::interval {}
         WHERE id = %s AND lease_token = %s AND status IN ('running', 'publishing')
        """
    )
    cursor = connection.execute(
        query.format(columns), [LEASE, *values.values(), lease.import_id, lease.token]
    )
    if cursor.rowcount == 0:
        raise LeaseLost


def end_import(connection: Connection, lease: Lease, values: Mapping[str, object]) -> None:
    """Sets the columns of an import that ends now, by the database's clock. Raises LeaseLost."""
    [now] = connection.execute("SELECT clock_timestamp()").fetchall()[0]
    update_import(connection, lease, {**values, "ended_at": now})


class Heartbeat(threading.Thread):
    """Renews a lease and shows `read_progress()` once a second, on a connection of its own.

    A thread, because one chunk may take longer than the lease. `check()` raises LeaseLost in the
    owner's thread once the lease is gone, and where the heart could not beat.
    """

    def __init__(
        self,
        database: Mapping[str, Any],
        lease: Lease,
        read_progress: Callable[[], Mapping[str, object]],
    ) -> None:
        super().__init__(name=f"heartbeat of import {lease.import_id}", daemon=True)
        self._database = database
        self._lease = lease
        self._read_progress = read_progress
        self._stop_asked = threading.Event()
        self._is_lost = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_asked.set()
        self.join()

    def check(self) -> None:
        if self._is_lost:
            raise LeaseLost

    def run(self) -> None:
        try:
            with connect(self._database, self._lease.import_id) as connection:
                while not self._stop_asked.wait(HEARTBEAT_SECONDS):
                    update_import(connection, self._lease, self._read_progress())
        except LeaseLost:
            self._is_lost = True
        except Exception:
            logger.exception("%s stopped", self.name)
            self._is_lost = True
