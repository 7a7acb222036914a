"""Each import's trips are a partition of their own."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg import errors, sql

from explorer.models import Trip
from explorer.partitions import (
    IDS_PER_IMPORT,
    attach_partition,
    create_partition,
    drop_partition,
    index_partition,
)
from imports.engine.leasing import Connection, connect
from imports.engine.records import Staging
from imports.jobs import read_connection_parameters
from tests.factories.imports import ImportFactory

pytestmark = pytest.mark.django_db(transaction=True)

PARENT = "explorer_trip"
COLUMNS = "hvfhs_license_num, pickup_datetime, dropoff_datetime"
VALUES = "'HV0003', '2024-01-01 00:00:00Z', '2024-01-01 01:00:00Z'"


@pytest.fixture
def session() -> Iterator[Connection]:
    with connect(read_connection_parameters(), 0) as session:
        yield session


def create(session: Connection, rows: int = 3) -> Staging:
    record = ImportFactory(dataset="trips")
    staging = Staging(record.pk, f"trips_{record.pk}")
    with session.cursor() as cursor:
        create_partition(cursor, staging, PARENT)
        insert(cursor, staging, rows)
    return staging


def insert(cursor: psycopg.Cursor[Any], staging: Staging, rows: int) -> None:
    query = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM generate_series(1, %s)")
    cursor.execute(query.format(staging.table, sql.SQL(COLUMNS), sql.SQL(VALUES)), [rows])


def attach(session: Connection, staging: Staging, *replaced: Staging) -> None:
    with session.cursor() as cursor:
        index_partition(cursor, staging, PARENT)
        with session.transaction():
            attach_partition(cursor, staging, PARENT, replaced)


def list_partitions() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass",
            [PARENT],
        )
        return {name for (name,) in cursor.fetchall()}


def list_indexes(schema: str, table: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE schemaname = %s AND tablename = %s",
            [schema, table],
        )
        return {name for (name,) in cursor.fetchall()}


def list_scanned(query: Any) -> set[str]:
    """The tables that the plan of a queryset looks at."""
    found: set[str] = set()

    def walk(node: dict[str, Any]) -> None:
        if "Relation Name" in node:
            found.add(node["Relation Name"])
        for part in node.get("Plans", ()):
            walk(part)

    for statement in json.loads(query.explain(format="json")):
        walk(statement["Plan"])
    return found


def test_ids_are_in_the_range_of_their_import(session: Connection) -> None:
    staging = create(session, rows=2_500)

    attach(session, staging)

    ids = sorted(Trip.objects.of_import(staging.import_id).values_list("pk", flat=True))
    first = staging.import_id * IDS_PER_IMPORT
    assert len(set(ids)) == 2_500
    assert first < ids[0]
    assert ids[-1] < first + IDS_PER_IMPORT
    assert {pk >> 32 for pk in ids} == {staging.import_id}


def test_ids_of_loaders_side_by_side_are_never_the_same(session: Connection) -> None:
    staging = create(session, rows=10)
    with connect(read_connection_parameters(), 0) as other, other.cursor() as cursor:
        insert(cursor, staging, 10)
        insert(session.cursor(), staging, 10)

    attach(session, staging)

    assert len(set(Trip.objects.values_list("pk", flat=True))) == 30


def test_rows_are_seen_once_they_are_attached(session: Connection) -> None:
    staging = create(session)
    before = Trip.objects.count()

    attach(session, staging)

    assert (before, Trip.objects.count()) == (0, 3)
    assert staging.name in list_partitions()
    assert set(Trip.objects.values_list("import_record_id", flat=True)) == {staging.import_id}


def test_partition_has_an_index_for_each_of_the_parent(session: Connection) -> None:
    staging = create(session)

    with session.cursor() as cursor:
        index_partition(cursor, staging, PARENT)
        index_partition(cursor, staging, PARENT)
    staged = list_indexes("staging", staging.name)
    attach(session, staging)

    name = staging.name
    assert {f"{name}_pkey", f"{name}_trip_times"} <= staged
    assert list_indexes("public", name) == staged
    assert len(staged) == len(list_indexes("public", PARENT))


@pytest.mark.parametrize("is_indexed", [True, False])
def test_attaching_makes_no_index_that_is_there(session: Connection, *, is_indexed: bool) -> None:
    staging = create(session)
    if is_indexed:
        attach(session, staging)
    else:
        with session.transaction(), session.cursor() as cursor:
            attach_partition(cursor, staging, PARENT, [])

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass", [staging.name]
        )
        assert cursor.fetchone() == (len(list_indexes("public", PARENT)),)


def test_rows_are_not_read_again_to_be_attached(session: Connection) -> None:
    staging = create(session)
    notices: list[str] = []
    session.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
    session.execute("SET client_min_messages = debug1")

    attach(session, staging)

    assert any("is implied by existing constraints" in notice for notice in notices)


@pytest.mark.parametrize(
    ("column", "value"), [("import_id", "0"), ("id", "1"), ("import_id", "NULL"), ("id", "NULL")]
)
def test_row_of_another_import_is_refused(session: Connection, column: str, value: str) -> None:
    staging = create(session, rows=0)
    query = sql.SQL("INSERT INTO {} ({}, {}) VALUES ({}, {})").format(
        staging.table,
        sql.SQL(COLUMNS),
        sql.Identifier(column),
        sql.SQL(VALUES),
        sql.SQL(value),
    )

    with pytest.raises((errors.CheckViolation, errors.NotNullViolation)):
        session.execute(query)


@pytest.mark.parametrize("by", ["ids", "import"])
def test_query_for_one_import_looks_at_no_other(session: Connection, by: str) -> None:
    stagings = [create(session, rows=1_000) for _ in range(3)]
    for staging in stagings:
        attach(session, staging)
    import_id = stagings[1].import_id

    query = (
        Trip.objects.of_import(import_id)
        if by == "ids"
        else Trip.objects.filter(import_record=import_id)
    )

    assert list_scanned(query) == {stagings[1].name}
    assert query.count() == 1_000


def test_trip_is_found_by_its_id_in_one_partition(session: Connection) -> None:
    stagings = [create(session, rows=1_000) for _ in range(3)]
    for staging in stagings:
        attach(session, staging)
    trip = Trip.objects.of_import(stagings[2].import_id).earliest("pk")

    query = Trip.objects.filter(pk=trip.pk)

    assert list_scanned(query) == {stagings[2].name}
    assert query.get() == trip


def test_dropped_partition_goes_with_its_rows_and_its_sequence(session: Connection) -> None:
    kept, gone = create(session), create(session, rows=5)
    attach(session, kept)
    attach(session, gone)

    with session.transaction(), session.cursor() as cursor:
        drop_partition(cursor, gone)
        drop_partition(cursor, gone)

    assert Trip.objects.count() == 3
    assert kept.name in list_partitions()
    assert gone.name not in list_partitions()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname LIKE %s", [f"{gone.name}\\_%"])
        assert cursor.fetchone() == (0,)


def test_replaced_partition_goes_when_the_new_one_comes(session: Connection) -> None:
    old, new = create(session, rows=5), create(session, rows=7)
    attach(session, old)

    attach(session, new, old)

    assert set(Trip.objects.values_list("import_record_id", flat=True)) == {new.import_id}
    assert old.name not in list_partitions()


def test_nothing_changes_where_the_replaced_one_is_looked_at(session: Connection) -> None:
    old, new = create(session, rows=5), create(session, rows=7)
    attach(session, old)

    with psycopg.connect(**read_connection_parameters()) as reader:
        reader.execute("SELECT count(*) FROM explorer_trip")
        with pytest.raises(errors.LockNotAvailable):
            attach(session, new, old)

    assert set(Trip.objects.values_list("import_record_id", flat=True)) == {old.import_id}
    attach(session, new, old)
    assert Trip.objects.count() == 7


def test_attaching_waits_for_no_reader(session: Connection) -> None:
    first, second = create(session), create(session)
    attach(session, first)

    with psycopg.connect(**read_connection_parameters()) as reader:
        reader.execute("SELECT count(*) FROM explorer_trip")
        attach(session, second)

    assert Trip.objects.count() == 6
