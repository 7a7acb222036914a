"""Exports are whole files, or errors."""

import csv
import gc
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from threading import BoundedSemaphore
from typing import IO

import psycopg
import pytest
from django.core.signals import request_finished
from django.db import close_old_connections, connections
from django.db.models import F, IntegerField, QuerySet, TextField, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Concat
from django.http import FileResponse
from pytest_django import Settings
from rest_framework.test import APIClient

from config.api import exports, parquet
from config.api.exports import TooManyExports, export_rows
from config.api.reading import READER
from config.api.spooling import CSV, FORMS, Form
from config.api.streaming import BLOCK_BYTES
from explorer.models import Trip
from explorer.views import TripExportView
from imports.models import Import, Reject
from tests.explorer.trips import import_trips
from tests.factories.imports import ImportFactory, RejectFactory

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", READER])

URL = "/api/v1/trips/export.csv"
every_form = pytest.mark.parametrize("form", FORMS, ids=[form.suffix for form in FORMS])
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


def open_full_disk() -> IO[bytes]:
    return Path("/dev/full").open("w+b")


def export_rejects(form: Form = CSV) -> FileResponse:
    rows = Reject.objects.order_by("id")
    return export_rows(rows, columns=COLUMNS, form=form, stem="rejects")


def export_imports(rows: QuerySet[Import], columns: dict[str, str]) -> FileResponse:
    return export_rows(rows, columns=columns, form=CSV, stem="imports")


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

    response = export_imports(rows, {source: source for source in sources})

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

    response = export_imports(Import.objects.filter(pk=record.pk), columns)

    assert response.getvalue() == b'code,by\n"",\n'


def test_filter_that_no_row_can_pass_makes_a_header() -> None:
    rows = Reject.objects.none()

    response = export_rows(rows, columns=COLUMNS, form=CSV, stem="rejects")

    assert response.getvalue() == b"id,text\n"
    assert response.headers["X-Row-Count"] == "0"


@every_form
def test_query_that_fails_midway_is_an_error_and_frees_its_slot(
    slots: BoundedSemaphore, form: Form
) -> None:
    for line in range(1, 5):
        RejectFactory(line=line, raw="x" * BLOCK_BYTES)
    rows = Reject.objects.annotate(share=100 / (F("line") - 4)).order_by("id")

    with pytest.raises(psycopg.errors.DivisionByZero):
        export_rows(rows, columns=COLUMNS | {"share": "share"}, form=form, stem="rejects")

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


@every_form
def test_form_is_told_with_the_checksum_of_what_is_sent(form: Form) -> None:
    RejectFactory.create_batch(3, raw="é" * BLOCK_BYTES)

    response = export_rejects(form)

    body = response.getvalue()
    assert dict(response.headers) == {
        "Content-Type": form.content_type,
        "Content-Disposition": f'attachment; filename="rejects.{form.suffix}"',
        "Content-Length": str(len(body)),
        "X-Row-Count": "3",
        "X-Sha256": sha256(body).hexdigest(),
    }


@pytest.mark.django_db(transaction=True, databases=["default", READER])
@every_form
def test_full_disk_is_told_and_frees_the_slot(
    api: APIClient, slots: BoundedSemaphore, monkeypatch: pytest.MonkeyPatch, form: Form
) -> None:
    import_trips({"trip_time": 1})
    monkeypatch.setattr(exports, "TemporaryFile", open_full_disk)
    api.raise_request_exception = False

    response = api.get(f"/api/v1/trips/export.{form.suffix}")

    assert response.status_code == 503
    assert [error["code"] for error in response.json()["errors"]] == ["disk_full"]
    assert is_free(slots)


@pytest.mark.django_db(transaction=True, databases=["default", READER])
def test_disk_without_room_for_the_lines_of_parquet_is_told(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_trips({"trip_time": 1})
    monkeypatch.setattr(parquet, "TemporaryFile", open_full_disk)
    api.raise_request_exception = False

    response = api.get("/api/v1/trips/export.parquet")

    assert [error["code"] for error in response.json()["errors"]] == ["disk_full"]


@pytest.mark.django_db(databases=["default", READER])
@pytest.mark.parametrize("accept", ["text/csv", "text/html", "application/json", "*/*"])
def test_file_comes_whatever_is_asked_for(api: APIClient, accept: str) -> None:
    response = api.get(URL, headers={"accept": accept})

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"


@pytest.mark.django_db(databases=["default", READER])
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


@every_form
def test_export_may_take_longer_than_the_readers_other_queries(form: Form) -> None:
    import_trips({})
    waits = RawSQL("(SELECT count(*) FROM pg_sleep(0.2))", (), output_field=IntegerField())
    trips = Trip.objects.using(READER).annotate(waits=waits)
    with connections[READER].cursor() as cursor:
        cursor.execute("SET statement_timeout = '50ms'")

        response = export_rows(trips, columns={"waits": "waits"}, form=form, stem="trips")

        assert response.headers["X-Row-Count"] == "1"
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("50ms",)
