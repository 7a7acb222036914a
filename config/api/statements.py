"""Statements of the hot doors: prepared once for each connection, and run in one round trip."""

import threading
from typing import Any

import psycopg
from django.db import connection

_kept = threading.local()


def run_statement(statement: str, parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement that may run twice.

    Where the connection is lost it is made anew and the statement runs once more, though the first
    may have been committed. Django would ask before each whether the connection is still there.
    """
    try:
        return _run(statement, parameters)
    except psycopg.OperationalError:
        if connection.in_atomic_block or not connection.connection.closed:
            raise
        connection.close()
        return _run(statement, parameters)


def _run(statement: str, parameters: Any) -> list[tuple[Any, ...]]:
    connection.ensure_connection()
    return _find_cursor(connection.connection).execute(statement, parameters).fetchall()


def _find_cursor(raw: psycopg.Connection[Any]) -> psycopg.Cursor[Any]:
    """This thread's: a new one would have to learn each parameter's type anew."""
    cursor: psycopg.Cursor[Any] | None = getattr(_kept, "cursor", None)
    if cursor is None or cursor.connection is not raw:
        raw.prepare_threshold = 0  # at once; of what Django itself sends nothing is prepared
        cursor = _kept.cursor = psycopg.Cursor(raw)
    return cursor
