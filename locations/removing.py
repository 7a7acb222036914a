"""What is kept of a user: told, deleted, and forgotten when it is old."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from config.api.auditing import note_many
from locations.models import AVERAGE_COLUMNS, Fix, MinuteAverage

# Whoever stores a fix now waits: a key without its average would hide a repeat for ever.
LOCK = "LOCK TABLE locations_fix IN SHARE ROW EXCLUSIVE MODE"


def write_user(user_id: str) -> Iterator[str]:
    """All that is kept of the user as JSON, in pieces: `averages` by minute (UTC, degrees of
    EPSG:4326, metres, metres a second) and the timestamps of the `fixes` they are made of."""
    averages = MinuteAverage.objects.filter(user_id=user_id).order_by("minute")
    fixes = Fix.objects.filter(user_id=user_id).order_by("submitted", "has_offset")
    yield f'{{"user_id": {json.dumps(user_id)}, "averages": ['
    yield from _write_rows(averages.values(*AVERAGE_COLUMNS))
    yield '], "fixes": ['
    yield from _write_rows(fixes.values("submitted", "has_offset", "received_at"))
    yield "]}\n"


def _write_rows(rows: QuerySet[Any, Any]) -> Iterator[str]:
    glue = "\n"
    for row in rows.iterator():
        yield glue + json.dumps(row, default=datetime.isoformat)
        glue = ",\n"


def delete_user(user_id: str) -> tuple[int, int]:
    """How many averages and how many fixes of the user are gone."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK)
        fixes, _ = Fix.objects.filter(user_id=user_id).delete()
        averages, _ = MinuteAverage.objects.filter(user_id=user_id).delete()
        counts = {"averages": averages, "fixes": fixes}
        note_many("delete", MinuteAverage, f"locations of {user_id}", **counts)
        return averages, fixes


def forget_fixes(days: int) -> int:
    """How many fixes, received more than so many days ago, are no longer known: a repeat of one of
    them would count once more. Their averages stay."""
    old = Fix.objects.filter(received_at__lt=Now() - timedelta(days=days))
    with transaction.atomic():
        count, _ = old.delete()
        note_many("forget", Fix, f"fixes received more than {days} days ago", fixes=count)
    return count
