"""What is kept of a user: told, deleted, and forgotten when it is old."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from locations.models import Fix, MinuteAverage

AVERAGE_COLUMNS = (
    *("minute", "count", "last_fix_at", "lat", "long", "accuracy", "speed"),
    *("is_gap", "is_fold"),
)

# In one statement, since an average without its fixes would count a repeat once more.
DELETE_USER = """
    WITH fixes AS (DELETE FROM locations_fix WHERE user_id = %(user_id)s RETURNING 1),
    averages AS (DELETE FROM locations_minuteaverage WHERE user_id = %(user_id)s RETURNING 1)
    SELECT (SELECT count(*) FROM averages), (SELECT count(*) FROM fixes)
"""


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
    with connection.cursor() as cursor:
        cursor.execute(DELETE_USER, {"user_id": user_id})
        averages, fixes = cursor.fetchone()
        return averages, fixes


def forget_fixes(days: int) -> int:
    """How many fixes, received more than so many days ago, are no longer known: a repeat of one of
    them would count once more. Their averages stay."""
    old = Fix.objects.filter(received_at__lt=Now() - timedelta(days=days))
    count, _ = old.delete()
    return count
