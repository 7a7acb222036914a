"""The second way to the database, for what only reads."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connections

READER = "reader"


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
