"""Imports that are larger than any test could load: their beginning stands in the ledger alone."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from campaigns import Notes
from django.db import connection
from psycopg import Cursor, sql
from rest_framework.test import APIClient

from explorer.models import Trip
from explorer.partitions import IDS_PER_IMPORT
from explorer.samples import HEADER
from imports.choices import Status
from imports.datasets import _registered, datasets
from imports.engine.cutting import CHUNK_BYTES
from imports.engine.records import Column, Dataset, Staging
from imports.jobs import create_import, resume_import, run_import
from imports.models import Import
from tests.faults.numbered import (
    Difference,
    compare_rows,
    list_rows,
    note_difference,
    write_numbered,
)
from tests.faults.sizes import read_sizes
from tests.faults.sources import Page, Sources, Stream

FILE_BYTES = 290 * 10**9
FILE_ROWS = 2 * 10**9
LAST_ROWS = 1_000
CHUNK_COUNT = FILE_BYTES // CHUNK_BYTES
PATH = "/large.csv"
BROKEN = b"no trip\n"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("loopback")]


def grow(header: bytes, block: bytes) -> Page:
    return Page(Stream.grow(header, block, at_least=FILE_BYTES), etag='"large"')


def prepare_import(dataset: Dataset, url: str, page: Page, chunk_rows: int) -> Import:
    """An import that failed when all but the file's last block was loaded, or so its ledger says:
    `chunk_rows` rows by each chunk."""
    stream = page.stream
    loaded_bytes = stream.size - len(stream.block)
    record = create_import(
        dataset.name,
        url,
        status=Status.FAILED,
        error_code="source_unreliable",
        ended_at="2026-01-01T00:00:00Z",
        etag=page.etag,
        form="csv",
        header=stream.head.decode().strip().split(","),
        rows_start=len(stream.head),
        bytes_total=stream.size,
        bytes_done=loaded_bytes,
    )
    with connection.cursor() as cursor:
        dataset.create_staging(cursor.cursor, dataset.staging(record.pk))
        cursor.execute(
            """
            INSERT INTO imports_chunk (import_id, seq, byte_start, byte_end, line_start, line_end,
                                       row_count, reject_count, crc32)
            SELECT %(import)s, n, %(begin)s + n * %(size)s,
                   CASE WHEN n = %(last)s THEN %(end)s ELSE %(begin)s + (n + 1) * %(size)s END,
                   2 + n * %(lines)s, 2 + (n + 1) * %(lines)s, %(rows)s, 0, 0
              FROM generate_series(0::bigint, %(last)s) AS n
            """,
            {
                "import": record.pk,
                "begin": len(stream.head),
                "end": loaded_bytes,
                "size": CHUNK_BYTES,
                "last": CHUNK_COUNT - 2,
                "lines": FILE_ROWS // CHUNK_COUNT,
                "rows": chunk_rows,
            },
        )
    return record


def resume(record: Import) -> Import:
    assert resume_import(record.pk)
    run_import(record.pk)
    record.refresh_from_db()
    return record


def test_trips_go_on_behind_290_gb_and_two_billion_rows(
    sources: Sources, api: APIClient, notes: Notes
) -> None:
    trips = datasets["trips"]
    page = grow(HEADER, write_numbered(LAST_ROWS).removeprefix(HEADER) + BROKEN)
    stream = page.stream
    record = prepare_import(trips, sources.serve(PATH, page), page, chunk_rows=0)
    first = record.pk * IDS_PER_IMPORT
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT setval(%s, %s)", [f"staging.trips_{record.pk}_id", first + FILE_ROWS]
        )

    record = resume(record)

    notes.count += 1
    [request] = sources.requests
    assert (request.range, request.if_range) == (
        f"bytes={stream.size - len(stream.block)}-",
        page.etag,
    )
    assert (record.status, record.error_detail) == (Status.FINISHED, "")
    assert (record.rows_loaded, record.rows_rejected) == (LAST_ROWS, 1)
    difference = compare_rows(list_rows(record), LAST_ROWS)
    note_difference(notes, LAST_ROWS, difference)
    assert difference == Difference(0, 0, 0)
    ids = Trip.objects.filter(pk__gt=first + FILE_ROWS, pk__lt=first + IDS_PER_IMPORT)
    assert ids.count() == LAST_ROWS
    reject = api.get(f"/api/v1/imports/{record.pk}/rejects/").json()["results"][0]
    assert reject["line"] > FILE_ROWS * 0.99
    assert reject["byte_offset"] == stream.size - len(BROKEN)
    shown = api.get(f"/api/v1/imports/{record.pk}/").json()
    assert shown["bytes_done"] == shown["bytes_total"] == stream.size > FILE_BYTES


# A table of two billion rows would not fit on the disk; a view of as many can be counted like one.

CREATE_NUMBERS = sql.SQL(
    """
    CREATE TABLE numbers (number bigint);
    CREATE FUNCTION insert_number() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO numbers VALUES (new.number); RETURN new; END $$;
    CREATE VIEW {view} AS
        SELECT number FROM numbers
         UNION ALL
        SELECT chunk * 1000000 + row
          FROM generate_series(1::bigint, {chunk_count}) AS chunk,
               generate_series(1::bigint, {chunk_rows}) AS row;
    CREATE TRIGGER insert_number INSTEAD OF INSERT ON {view}
        FOR EACH ROW EXECUTE FUNCTION insert_number()
    """
)


def make_numbers(chunk_rows: int) -> Dataset:
    """A dataset whose staging table has `chunk_rows` rows for each chunk of a preset ledger."""

    def create_staging(cursor: Cursor[Any], staging: Staging) -> None:
        cursor.execute(
            CREATE_NUMBERS.format(
                view=staging.table,
                chunk_count=sql.Literal(CHUNK_COUNT - 1),
                chunk_rows=sql.Literal(chunk_rows),
            )
        )

    def publish(cursor: Cursor[Any], staging: Staging, replaced: Sequence[Staging]) -> None:
        cursor.execute(
            sql.SQL("ALTER VIEW {} SET SCHEMA public; ALTER VIEW {} RENAME TO all_numbers").format(
                staging.table, sql.Identifier(staging.name)
            )
        )

    return Dataset(
        name="numbers",
        table="numbers",
        columns=(Column("number", "bigint"),),
        create_staging=create_staging,
        publish=publish,
        discard=lambda cursor, staging: None,
        write_sample=lambda rows, **options: iter(()),
    )


@pytest.fixture
def no_numbers(transactional_db: None) -> Iterator[None]:
    """Whatever numbers a test makes are gone after it."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE numbers CASCADE; DROP FUNCTION insert_number CASCADE")


@pytest.mark.usefixtures("no_numbers")
def test_two_billion_rows_are_counted_and_published(
    sources: Sources, monkeypatch: pytest.MonkeyPatch, notes: Notes
) -> None:
    chunk_rows = max(1, read_sizes("size").rows // CHUNK_COUNT)
    numbers = make_numbers(chunk_rows)
    monkeypatch.setitem(_registered, "numbers", numbers)
    page = grow(b"number\n", b"".join(b"%d\n" % -n for n in range(1, LAST_ROWS + 1)))
    record = prepare_import(numbers, sources.serve(PATH, page), page, chunk_rows)

    record = resume(record)

    row_count = (CHUNK_COUNT - 1) * chunk_rows + LAST_ROWS
    assert (record.status, record.error_detail) == (Status.FINISHED, "")
    assert (record.rows_loaded, record.rows_added) == (row_count, row_count)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), min(number) FROM all_numbers WHERE number < 0")
        assert cursor.fetchone() == (LAST_ROWS, -LAST_ROWS)
    assert record.started_at
    assert record.ended_at
    took = (record.ended_at - record.started_at).total_seconds()
    notes.count += 1
    notes.remarks += [f"a ledger of {page.stream.size:,} bytes and {row_count:,} rows"]
    notes.measure("s until an import of many rows was published", [took])
