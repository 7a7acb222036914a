"""The bytes of payloads in a table for each day of UTC, so that a day is dropped at once."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection, migrations, transaction
from psycopg import sql

PARENT = "dropzone_rawbody"
NAME = re.compile(rf"{PARENT}_(\d{{8}})", re.ASCII)
# Whoever receives or reads queues up behind the wait, so it is short.
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '2s'"


class CreatePartitionedModel(migrations.CreateModel):
    """CreateModel for a table that is parted by day, and holds no rows of its own."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        # On the instance: the class's own template serves the tables after this one.
        schema_editor.sql_create_table += " PARTITION BY RANGE (received_on)"
        super().database_forwards(app_label, schema_editor, from_state, to_state)
        del schema_editor.sql_create_table


def name_partition(day: date) -> str:
    return f"{PARENT}_{day:%Y%m%d}"


def make_partition(day: date) -> None:
    """Makes the table of a day where it is not there. Attaching, it waits for nobody who reads or
    writes other days."""
    with transaction.atomic(), connection.cursor() as cursor:
        # Two that make the same one would wait for each other in the catalogue, and one would fail.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [PARENT])
        cursor.execute("SELECT to_regclass(%s) IS NULL", [name_partition(day)])
        if cursor.fetchone() == (True,):
            cursor.execute(
                sql.SQL(
                    """
                    CREATE TABLE {table} (LIKE {parent} INCLUDING ALL);
                    ALTER TABLE {table} ALTER body SET STORAGE EXTERNAL;
                    ALTER TABLE {parent} ATTACH PARTITION {table}
                        FOR VALUES FROM ({first}) TO ({beyond})
                    """
                ).format(
                    table=sql.Identifier(name_partition(day)),
                    parent=sql.Identifier(PARENT),
                    first=sql.Literal(day),
                    beyond=sql.Literal(day + timedelta(days=1)),
                )
            )


def make_next_partitions() -> None:
    """Those of today and tomorrow, before anybody needs them."""
    today = datetime.now(UTC).date()
    for day in (today, today + timedelta(days=1)):
        make_partition(day)


def list_days() -> list[date]:
    """The days whose bytes are kept, the oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass",
            [PARENT],
        )
        found = (NAME.fullmatch(name) for (name,) in cursor.fetchall())
        days = (datetime.strptime(match[1], "%Y%m%d") for match in found if match)
        return sorted(day.replace(tzinfo=UTC).date() for day in days)


def drop_partition(day: date, is_needed: Callable[[date], bool] = lambda day: False) -> bool:
    """False where it is needed, which is asked when nobody else can come to it any more. Raises
    OperationalError where somebody reads or writes for long."""
    table = sql.Identifier(name_partition(day))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_TIMEOUT)
        cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(table))
        if is_needed(day):
            return False
        cursor.execute(sql.SQL("DROP TABLE {}").format(table))
        return True
