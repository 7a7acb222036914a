"""Exports are whole files, or errors."""

import csv
import gc
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from threading import BoundedSemaphore

import psycopg
import pytest
from django.core.signals import request_finished
from django.db import close_old_connections, connections
from django.db.models import F, IntegerField, TextField, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Concat
from django.http import FileResponse
from pytest_django import Settings
from rest_framework.test import APIClient

from config.api import exports
from config.api.exports import TooManyExports, export_csv
from config.api.reading import READER
from config.api.streaming import BLOCK_BYTES
from explorer.models import Trip
from explorer.views import TripExportView
from imports.models import Import, Reject
from tests.explorer.trips import import_trips
from tests.factories.imports import ImportFactory, RejectFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/trips/export.csv"
COLUMNS = {"id": "id", "text": "raw"}


@pytest.fixture(autouse=True)
def slots(monkeypatch: pytest.MonkeyPatch) -> BoundedSemaphore:
    """One export at a time."""
    slots = BoundedSemaphore(1)
    monkeypatch.setattr(exports, "SLOTS", slots)
    return slots


@pytest.fixture
def kept_connection() -> Iterator[None]:
    """The end of an answer does not close the test's connection."""
    request_finished.disconnect(close_old_connections)
    yield
    request_finished.connect(close_old_connections)


def is_free(slots: BoundedSemaphore) -> bool:
    if slots.acquire(blocking=False):
        slots.release()
        return True
    return False


def export_rejects() -> FileResponse:
    return export_csv(Reject.objects.order_by("id"), COLUMNS, "rejects.csv")


def read_rows(response: FileResponse) -> list[list[str]]:
    _, *rows = csv.reader(io.StringIO(response.getvalue().decode(), newline=""))
    return rows


def test_export_tells_its_name_length_checksum_and_row_count() -> None:
    reject = RejectFactory(raw="a,b")

    response = export_rejects()

    body = response.getvalue()
    assert body == f'id,text\n{reject.pk},"a,b"\n'.encode()
    assert dict(response.headers) == {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": 'attachment; filename="rejects.csv"',
        "Content-Length": str(len(body)),
        "X-Row-Count": "1",
        "X-Sha256": sha256(body).hexdigest(),
    }


def test_export_of_many_blocks_is_whole() -> None:
    RejectFactory.create_batch(30, raw="é" * 5_000)

    response = export_rejects()

    body = response.getvalue()
    assert len(body) > 4 * BLOCK_BYTES
    assert response.headers["Content-Length"] == str(len(body))
    assert response.headers["X-Sha256"] == sha256(body).hexdigest()
    assert [text for _, text in csv.reader(body.decode().splitlines()[1:])] == ["é" * 5_000] * 30


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("a=1", "a=1"),
        ("'=1", "'=1"),
        (' "quoted", é\r\nand more', ' "quoted", é\r\nand more'),
        ("%s {rows} \\N", "%s {rows} \\N"),
        ("", ""),
    ],
)
def test_text_is_exported_as_it_is_but_for_formulas(text: str, expected: str) -> None:
    RejectFactory(raw=text)

    [[_, cell]] = read_rows(export_rejects())

    assert cell == expected


def test_cells_are_written_by_the_type_of_their_column() -> None:
    record = ImportFactory(
        force=True,
        rows_per_second=-0.5,
        started_at=datetime(2024, 7, 1, 4, 0, 28, 8_000, tzinfo=UTC),
        ended_at=datetime(2024, 7, 1, 5, tzinfo=UTC),
    )
    rows = Import.objects.filter(pk=record.pk).annotate(
        formula=Concat(Value("="), "dataset", output_field=TextField())
    )
    sources = ("force", "rows_per_second", "started_at", "ended_at", "created_by_id", "formula")

    response = export_csv(rows, {source: source for source in sources}, "imports.csv")

    assert read_rows(response) == [
        [
            "true",
            "-0.5",
            "2024-07-01T04:00:28.008Z",
            "2024-07-01T05:00:00Z",
            "",
            "'=footprints",
        ]
    ]


def test_null_and_empty_text_can_be_told_apart() -> None:
    record = ImportFactory(error_code="")
    columns = {"code": "error_code", "by": "created_by_id"}

    response = export_csv(Import.objects.filter(pk=record.pk), columns, "imports.csv")

    assert response.getvalue() == b'code,by\n"",\n'


def test_filter_that_no_row_can_pass_makes_a_header() -> None:
    response = export_csv(Reject.objects.none(), COLUMNS, "rejects.csv")

    assert response.getvalue() == b"id,text\n"
    assert response.headers["X-Row-Count"] == "0"


def test_query_that_fails_midway_is_an_error_and_frees_its_slot(slots: BoundedSemaphore) -> None:
    for line in range(1, 5):
        RejectFactory(line=line, raw="x" * BLOCK_BYTES)
    rows = Reject.objects.annotate(share=100 / (F("line") - 4)).order_by("id")

    with pytest.raises(psycopg.errors.DivisionByZero):
        export_csv(rows, COLUMNS | {"share": "share"}, "rejects.csv")

    assert is_free(slots)


def test_failure_is_told_in_json_whatever_was_asked_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read"})
    import_trips(*({"trip_time": seconds} for seconds in range(5)))
    rows = Trip.objects.alias(share=100 / (F("trip_time") - 4)).filter(share__lt=0)
    monkeypatch.setattr(TripExportView, "queryset", rows)

    response = APIClient(raise_request_exception=False).get(URL, headers={"accept": "text/csv"})

    assert response.status_code == 500
    assert response.json()["type"] == "server_error"


@pytest.mark.parametrize("accept", ["text/csv", "text/html", "application/json", "*/*"])
def test_file_comes_whatever_is_asked_for(api: APIClient, accept: str) -> None:
    response = api.get(URL, headers={"accept": accept})

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"


def test_more_exports_than_may_run_are_told_to_come_back(api: APIClient) -> None:
    api.raise_request_exception = False
    running = api.get(URL)

    refused = api.get(URL)
    running.getvalue()
    accepted = api.get(URL)

    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "10"
    assert [error["code"] for error in refused.json()["errors"]] == ["too_many_exports"]
    assert accepted.status_code == 200


@pytest.mark.usefixtures("kept_connection")
def test_slot_is_freed_once_when_the_answer_is_closed_before_its_end(
    slots: BoundedSemaphore,
) -> None:
    response = export_rejects()
    with pytest.raises(TooManyExports):
        export_rejects()

    response.close()
    response.close()

    assert is_free(slots)


def test_slot_is_free_when_the_answer_is_forgotten(slots: BoundedSemaphore) -> None:
    export_rejects()
    gc.collect()

    assert is_free(slots)


@pytest.mark.django_db(transaction=True, databases=["default", READER])
def test_export_may_take_longer_than_the_readers_other_queries() -> None:
    import_trips({})
    waits = RawSQL("(SELECT count(*) FROM pg_sleep(0.2))", (), output_field=IntegerField())
    trips = Trip.objects.using(READER).annotate(waits=waits)
    with connections[READER].cursor() as cursor:
        cursor.execute("SET statement_timeout = '50ms'")

        response = export_csv(trips, {"waits": "waits"}, "trips.csv")

        assert read_rows(response) == [["1"]]
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("50ms",)
