"""Who works on an import: a lease with a fence, kept in PostgreSQL by the database's clock.

An import is owned through its `lease_token`, which only grows. Whoever holds the newest token may
commit; anybody else's transaction finds its token gone and rolls back.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import psycopg
from psycopg import errors, sql

logger = logging.getLogger(__name__)

# How often the owner looks whether it still is, and how often it writes its figures, which is more
# often than the lease asks for: people watch them.
POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 1.0
LEASE_SECONDS = 20.0
CONNECT_SECONDS = 5
# Waits between attempts at what a failing or restarting server refused.
DATABASE_PAUSES = (0.1, 0.3, 1.0, 2.0, 3.0, 5.0, 8.0)
# A paused or orphaned owner must neither hold its locks for ever nor work for nobody.
# COPY reads `01/02/2024` by the date style, whatever the server's is.
SESSION = (
    "-c idle_in_transaction_session_timeout=5s -c client_connection_check_interval=500ms"
    " -c datestyle=ISO,MDY"
)
# Without an answer the network's own patience would last for two hours.
UNANSWERED_MILLISECONDS = 20_000


class LeaseLost(Exception):
    """Somebody else owns the import now, or it was cancelled: stop without a trace."""


T = TypeVar("T")


@dataclass(frozen=True)
class Lease:
    """`is_loaded`: the owner before was publishing already, and nothing is left to be read."""

    import_id: int
    token: int
    is_loaded: bool = False


Connection = psycopg.Connection[tuple[Any, ...]]


def connect(
    database: Mapping[str, Any], import_id: int, token: int = 0, *, time_zone: str = "UTC"
) -> Connection:
    """A connection of its own for the owner of an import. Its name lets a successor end it."""
    return _connect(database, f"{name_owner(import_id)}{token}", time_zone)


def connect_aside(database: Mapping[str, Any]) -> Connection:
    """A connection for whoever claims or cancels imports, which are not ended as their owners'
    are."""
    return _connect(database, "catchment:aside", "UTC")


def _connect(database: Mapping[str, Any], name: str, time_zone: str) -> Connection:
    """In autocommit: psycopg's `transaction()` is a real one only there."""
    session = {
        "connect_timeout": CONNECT_SECONDS,
        "tcp_user_timeout": UNANSWERED_MILLISECONDS,
        "client_encoding": "UTF8",
        **database,
        "autocommit": True,
        "application_name": name,
        "options": f"{database.get('options', '')} {SESSION} -c timezone={time_zone}",
    }
    return psycopg.connect(**session)


def name_owner(import_id: int) -> str:
    """What the `application_name` of all connections that work on an import begins with."""
    return f"catchment:import:{import_id}:"


def is_transient(error: BaseException) -> bool:
    """Whether a failing server, or its restart, may be all that is wrong."""
    if not isinstance(error, psycopg.Error):
        return False
    state = error.sqlstate or ""
    is_known = state.startswith(("08", "53", "57P0")) or state in {"40001", "40P01", "25P03"}
    # Without a state the connection broke.
    return is_known or (not state and isinstance(error, psycopg.OperationalError))


def with_database(
    database: Mapping[str, Any],
    lease: Lease,
    action: Callable[[Connection], T],
    stop: threading.Event,
) -> T:
    """Does `action` over a connection of its own, and again where the server failed: it must be
    safe to do twice. Raises what the last attempt raised, or LeaseLost once `stop` is set."""
    for pause in (*DATABASE_PAUSES, None):
        try:
            with connect(database, lease.import_id, lease.token) as connection:
                return action(connection)
        except psycopg.Error as error:
            if pause is None or not is_transient(error):
                raise
            logger.warning("import %d: tried again: %s", lease.import_id, error)
        if stop.wait(pause):
            raise LeaseLost
    raise AssertionError("the last attempt returns or raises")


def claim_import(connection: Connection, import_id: int) -> Lease | None:
    """Takes an import that waits, or whose owner fell silent; None where there is nothing to do."""
    while True:
        try:
            lease = _take(connection, import_id)
        except errors.LockNotAvailable:
            end_backends(connection, import_id)
            continue
        if lease is not None and lease.token > 1:
            end_backends(connection, import_id)  # of the owner before, should it still be working
        return lease


def _take(connection: Connection, import_id: int) -> Lease | None:
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '100ms'")
        # FOR UPDATE is what conflicts with the FOR KEY SHARE of a chunk that is being committed.
        cursor.execute(
            """
            SELECT status FROM imports_import
             WHERE id = %s AND (status = 'queued' OR (
                   status IN ('running', 'publishing') AND lease_expires_at < clock_timestamp()))
               FOR UPDATE
            """,
            [import_id],
        )
        row = cursor.fetchone()
        if row is None:
            return None
        is_loaded = row[0] == "publishing"
        cursor.execute(
            """
            UPDATE imports_import
               SET status = %s, lease_token = lease_token + 1,
                   lease_expires_at = clock_timestamp() + make_interval(secs => %s),
                   started_at = coalesce(started_at, clock_timestamp()), kicked_at = NULL,
                   barren_claims = CASE claimed_chunks WHEN ledger.chunks
                                   THEN barren_claims + 1 ELSE 0 END,
                   claimed_chunks = ledger.chunks
              FROM (SELECT count(*) AS chunks FROM imports_chunk WHERE import_id = %s) AS ledger
             WHERE id = %s RETURNING lease_token
            """,
            ["publishing" if is_loaded else "running", LEASE_SECONDS, import_id, import_id],
        )
        [(token,)] = cursor.fetchall()
        return Lease(import_id, token, is_loaded)


def end_backends(connection: Connection, import_id: int) -> None:
    """Ends all connections that work on the import, but for this one."""
    connection.execute(
        """
        SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
         WHERE application_name LIKE %s AND datname = current_database()
           AND pid <> pg_backend_pid()
        """,
        [f"{name_owner(import_id)}%"],
    )


def check_lease(connection: Connection, lease: Lease) -> None:
    """Raises LeaseLost where the import has another owner. Whoever passes and is replaced later has
    this connection ended by its successor (`end_backends`)."""
    query = "SELECT 1 FROM imports_import WHERE id = %s AND lease_token = %s"
    if connection.execute(query, [lease.import_id, lease.token]).fetchone() is None:
        raise LeaseLost


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
        UPDATE imports_import
           SET lease_expires_at = clock_timestamp() + make_interval(secs => %s) {}
         WHERE id = %s AND lease_token = %s AND status IN ('running', 'publishing')
        """
    )
    cursor = connection.execute(
        query.format(columns), [LEASE_SECONDS, *values.values(), lease.import_id, lease.token]
    )
    if cursor.rowcount == 0:
        raise LeaseLost


def end_import(connection: Connection, lease: Lease, values: Mapping[str, object]) -> None:
    """Sets the columns of an import that ends now, by the database's clock. Raises LeaseLost."""
    [now] = connection.execute("SELECT clock_timestamp()").fetchall()[0]
    update_import(connection, lease, {**values, "ended_at": now})


def release_import(connection: Connection, lease: Lease) -> None:
    """Lets the lease run out at once, so that a successor need not wait. An owner that was told to
    stop did not fall silent: nobody shall take the import for one that kills its owners."""
    connection.execute(
        """
        UPDATE imports_import
           SET lease_expires_at = clock_timestamp() - interval '1 ms', claimed_chunks = -1
         WHERE id = %s AND lease_token = %s AND status IN ('running', 'publishing')
        """,
        [lease.import_id, lease.token],
    )


class Heartbeat(threading.Thread):
    """Renews a lease and writes `read_progress()`, on a connection of its own.

    A thread, because one chunk may take longer than the lease. It looks four times a second whether
    the lease is still its own; once it is gone, or could not be renewed for as long as it lasts,
    `on_lost()` is called, again and again until the owner has stopped.
    """

    def __init__(
        self,
        database: Mapping[str, Any],
        lease: Lease,
        *,
        read_progress: Callable[[], Mapping[str, object]],
        on_lost: Callable[[], None],
    ) -> None:
        super().__init__(name=f"heartbeat of import {lease.import_id}", daemon=True)
        self._database = database
        self._lease = lease
        self._read_progress = read_progress
        self._on_lost = on_lost
        self._stop_asked = threading.Event()
        self._context = copy_context()  # what the log tells of an import is bound to its thread
        self._renewed_at = time.monotonic()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_asked.set()
        self.join()

    def run(self) -> None:
        self._context.run(self._run)

    def _run(self) -> None:
        try:
            self._beat()
        except Exception as error:
            if not isinstance(error, LeaseLost):
                logger.exception("%s stopped", self.name)
            while not self._stop_asked.wait(POLL_SECONDS):
                self._on_lost()

    def _beat(self) -> None:
        """Goes on over a restart of the server, which takes less time than the lease lasts."""
        while not self._stop_asked.is_set():
            try:
                with connect(
                    self._database, self._lease.import_id, self._lease.token
                ) as connection:
                    self._beat_over(connection)
            except psycopg.Error as error:
                is_late = time.monotonic() - self._renewed_at > LEASE_SECONDS
                if is_late or not is_transient(error):
                    raise
                self._stop_asked.wait(POLL_SECONDS)

    def _beat_over(self, connection: Connection) -> None:
        while not self._stop_asked.wait(POLL_SECONDS):
            if time.monotonic() - self._renewed_at < HEARTBEAT_SECONDS:
                check_lease(connection, self._lease)
                continue
            update_import(connection, self._lease, self._read_progress())
            self._renewed_at = time.monotonic()
