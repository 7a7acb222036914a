"""JSON Lines and Parquet hold what the rows hold."""

import json
from datetime import UTC, date, datetime
from tempfile import TemporaryFile

import pytest
from django.db.models import DateField, TextField, Value
from django.db.models.functions import Cast
from django.http import FileResponse

from config.api import parquet
from config.api.exports import export_rows
from config.api.parquet import pack_lines
from config.api.spooling import FORMS, JSON_LINES, PARQUET, Form, Spooled
from imports.models import Import, Reject
from tests.exported import query_parquet, read_export, read_types
from tests.factories.footprints import FootprintFactory
from tests.factories.imports import ImportFactory, RejectFactory

pytestmark = pytest.mark.django_db

TEXTS = (
    "=1+1",
    "",
    ' "quoted", é\r\nand more\n',
    "a lone \r within",
    "\N{NEXT LINE}\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}\v\f",
    "\x01\x02\x1f\x7f\\\\N\\.\\n",
    "\N{GRINNING FACE}",
    'null true 1 {"a": [1]}',
    "2024-01-01T00:00:00Z",
    "a\r\n\"'," * 200_000,
)
plain_forms = pytest.mark.parametrize("form", [JSON_LINES, PARQUET], ids=["jsonl", "parquet"])


def export_rejects(form: Form, *order: str) -> FileResponse:
    rows = Reject.objects.order_by(*order or ["id"])
    return export_rows(rows, columns={"id": "id", "text": "raw"}, form=form, stem="rejects")


def export_import(record: Import, form: Form) -> FileResponse:
    rows = Import.objects.filter(pk=record.pk).annotate(
        day=Cast("started_at", DateField()), nothing=Value(None, TextField())
    )
    names = ("created_by_id", "force", "rows_per_second", "started_at", "ended_at", "day")
    columns = {name: name for name in (*names, "dataset", "error_code", "nothing")}
    return export_rows(rows, columns=columns, form=form, stem="imports")


@pytest.fixture
def record() -> Import:
    return ImportFactory(
        force=True,
        rows_per_second=-0.1,
        started_at=datetime(2024, 7, 1, 4, 0, 28, 8_000, tzinfo=UTC),
        ended_at=datetime(2024, 7, 1, 5, tzinfo=UTC),
        error_code="",
    )


@plain_forms
def test_text_stands_as_it_is(form: Form) -> None:
    for text in TEXTS:
        RejectFactory(raw=text)

    rows = read_export(export_rejects(form))

    assert [row["text"] for row in rows] == list(TEXTS)


def test_line_is_an_object_with_the_columns_in_their_order(record: Import) -> None:
    body = export_import(record, JSON_LINES).getvalue().decode()

    assert body == (
        '{"created_by_id":null,"force":true,"rows_per_second":-0.1,'
        '"started_at":"2024-07-01T04:00:28.008Z","ended_at":"2024-07-01T05:00:00Z",'
        '"day":"2024-07-01","dataset":"footprints","error_code":"","nothing":null}\n'
    )


def test_parquet_has_the_types_of_the_columns(record: Import) -> None:
    response = export_import(record, PARQUET)
    assert read_types(response) == {
        "created_by_id": "BIGINT",
        "force": "BOOLEAN",
        "rows_per_second": "DOUBLE",
        "started_at": "TIMESTAMP WITH TIME ZONE",
        "ended_at": "TIMESTAMP WITH TIME ZONE",
        "day": "DATE",
        "dataset": "VARCHAR",
        "error_code": "VARCHAR",
        "nothing": "VARCHAR",
    }

    [row] = read_export(export_import(record, PARQUET))

    assert list(row.values()) == [
        None,
        True,
        -0.1,
        record.started_at,
        record.ended_at,
        date(2024, 7, 1),
        "footprints",
        "",
        None,
    ]


@pytest.mark.parametrize("form", FORMS, ids=[form.suffix for form in FORMS])
def test_shape_is_an_object_in_json_lines_and_its_text_elsewhere(form: Form) -> None:
    footprint = FootprintFactory(lon=13.123456789012345, lat=-0.1)
    columns = {"shape": "geometry", "repairs": "repairs"}

    response = export_rows(
        type(footprint).objects.all(), columns=columns, form=form, stem="footprints"
    )

    [row] = read_export(response)
    shape, repairs = row["shape"], row["repairs"]
    if form is not JSON_LINES:
        shape, repairs = json.loads(shape), json.loads(repairs)
    assert shape == json.loads(footprint.geometry.json)
    assert repairs == []


@plain_forms
def test_form_without_rows_is_a_file_all_the_same(form: Form) -> None:
    response = export_rejects(form)

    assert response.headers["X-Row-Count"] == "0"
    assert read_export(response) == []


def test_parquet_without_rows_has_its_columns() -> None:
    assert read_types(export_rejects(PARQUET)) == {"id": "BIGINT", "text": "VARCHAR"}


def test_parquet_keeps_the_order_over_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", 2048)
    record = ImportFactory()
    rejects = [RejectFactory.build(import_record=record, raw=str(n)) for n in range(10_000)]
    Reject.objects.bulk_create(rejects)

    response = export_rejects(PARQUET, "-id")

    body = response.getvalue()
    assert [row["text"] for row in query_parquet(body, "SELECT * FROM read_parquet(?)")] == [
        str(n) for n in reversed(range(10_000))
    ]
    [found] = query_parquet(body, "SELECT num_row_groups FROM parquet_file_metadata(?)")
    assert found["num_row_groups"] > 1


def test_parquet_with_fewer_rows_than_were_spooled_is_an_error() -> None:
    with TemporaryFile() as lines, TemporaryFile() as file:
        lines.write(b'{"id":1}\n')

        with pytest.raises(RuntimeError, match="1 of 2 rows"):
            pack_lines(lines, Spooled(2, longest_bytes=9), types={"id": "BIGINT"}, file=file)
