"""Django's `migrate`, by one process at a time: two that make the same table are one too many."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connection

LOCK = "hashtextextended('catchment:setting up', 0)"


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Whoever comes second waits, and finds everything done. With its connection ends the lock."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_lock({LOCK})")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_advisory_unlock({LOCK})")


class Command(MigrateCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        with one_at_a_time():
            super().handle(*args, **options)
