"""The second way to the database, for what only reads."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connections
from psycopg import sql

READER = "reader"
LEAST_SECONDS = 0.05
# An answer that is held in memory ends after so much JSON, and says that there is more.
ANSWER_BYTES = 2**24


class TimeLeft:
    """Of the QUERY_SECONDS that all statements of one question have together."""

    def __init__(self) -> None:
        self.ends_at = time.monotonic() + settings.QUERY_SECONDS

    def measure(self, *, keep: float = 0) -> float:
        """Seconds, without the share of all that is kept for later. Never none: 0 would be no
        limit."""
        left = self.ends_at - time.monotonic() - keep * settings.QUERY_SECONDS
        return float(max(left, LEAST_SECONDS))


def execute_within(cursor: Any, statement: sql.Composable, seconds: float) -> None:
    """Runs a statement that has no parameters; raises OperationalError where it takes longer.

    Both statements go in one message, which is one transaction: the limit ends with it.
    """
    limit = sql.SQL("SET LOCAL statement_timeout = {}; ").format(sql.Literal(f"{seconds:.3f}s"))
    cursor.execute(limit + statement)
    cursor.nextset()


@contextmanager
def limit_time(alias: str, seconds: float) -> Iterator[None]:
    """Statements of the connection take no longer than this; longer ones raise OperationalError."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, false)", [f"{seconds:.3f}s"])
        try:
            yield
        finally:
            cursor.execute("RESET statement_timeout")


def has_reader() -> bool:
    """Whether who reads has a role of its own."""
    owner, reader = (settings.DATABASES[alias]["USER"] for alias in ("default", READER))
    return reader not in ("", owner)
