"""The second way to the database, for what only reads."""

from django.conf import settings

READER = "reader"


def has_reader() -> bool:
    """Whether who reads has a role of its own."""
    owner, reader = (settings.DATABASES[alias]["USER"] for alias in ("default", READER))
    return reader not in ("", owner)
