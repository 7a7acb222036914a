"""Trips in partitions of their own, one for each import."""

from datetime import UTC, datetime
from typing import Any

from django.db import connection
from psycopg import sql

from explorer.models import Trip
from explorer.partitions import IDS_PER_IMPORT
from imports.models import Import
from tests.factories.imports import ImportFactory

PICKUP = datetime(2024, 1, 1, 5, 21, 47, tzinfo=UTC)
DROPOFF = datetime(2024, 1, 1, 5, 39, 40, tzinfo=UTC)


def make_partition(record: Import) -> None:
    first = record.pk * IDS_PER_IMPORT
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "CREATE TABLE {} PARTITION OF explorer_trip FOR VALUES FROM ({}) TO ({})"
            ).format(
                sql.Identifier(name_partition(record)),
                sql.Literal(first),
                sql.Literal(first + IDS_PER_IMPORT),
            )
        )


def name_partition(record: Import) -> str:
    return f"trips_of_{record.pk}"


def import_trips(*rows: dict[str, Any]) -> list[Trip]:
    """An import of trips: of each row only what the test is about has to be named."""
    record = ImportFactory(dataset="trips")
    make_partition(record)
    usual = {"hvfhs_license_num": "HV0003", "pickup_datetime": PICKUP, "dropoff_datetime": DROPOFF}
    return Trip.objects.bulk_create(
        Trip(id=record.pk * IDS_PER_IMPORT + n, import_record=record, **(usual | row))
        for n, row in enumerate(rows, start=1)
    )
