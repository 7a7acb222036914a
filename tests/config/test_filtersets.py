"""Filters by a column's type, for every column there is."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import models
from rest_framework.test import APIClient

from config.api.filtersets import ColumnFilterSet, find_lookups, parse_bbox, parse_number
from footprints.filtersets import FootprintFilterSet, HeatFilterSet
from imports.filtersets import ImportFilterSet, RejectFilterSet
from imports.models import Import
from locations.filtersets import LocationFilterSet
from tests.factories.imports import ImportFactory, RejectFactory

URL = "/api/v1/imports/"
FILTERSETS = [
    *(ImportFilterSet, RejectFilterSet, FootprintFilterSet, HeatFilterSet),
    LocationFilterSet,
]


@pytest.fixture
def records() -> list[Import]:
    days = [datetime(2024, 7, day, 12, tzinfo=UTC) for day in (1, 2, 3)]
    records: list[Import] = [
        ImportFactory(dataset=name, started_at=day, rows_loaded=rows, rows_per_second=rows / 2)
        for name, day, rows in zip(["a", "b", "c"], days, [10, 20, 30], strict=True)
    ]
    odd: Import = ImportFactory(
        dataset="d", started_at=None, force=True, url="https://100%_x.example/"
    )
    return [*records, odd]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "abcd"),
        ("dataset=a", "a"),
        ("dataset=a&dataset=c", "ac"),
        ("rows_loaded=20", "b"),
        ("rows_loaded__gt=20", "c"),
        ("rows_loaded__gte=20", "bc"),
        ("rows_loaded__lt=20", "ad"),
        ("rows_loaded__lte=20", "abd"),
        ("rows_per_second__gte=7.5", "bc"),
        ("started_at=2024-07-02", "b"),
        ("started_at__gt=2024-07-01", "bc"),
        ("started_at__gte=2024-07-02", "bc"),
        ("started_at__lt=2024-07-02", "a"),
        ("started_at__lte=2024-07-02", "ab"),
        ("started_at__gt=2024-07-02T12:00:00Z", "c"),
        ("started_at__gte=2024-07-02T14:00:00%2B02:00", "bc"),
        ("started_at__gte=2024-07-02T12:00:00", "bc"),
        ("started_at__isnull=true", "d"),
        ("started_at__isnull=false", "abc"),
        ("force=true", "d"),
        ("force=0", "abc"),
        ("url=100%25_X", "d"),
        ("url=%25", "d"),
        ("url=.example", "abcd"),
        ("rows_loaded__gt=10&rows_loaded__lt=30", "b"),
    ],
)
def test_filter_finds_what_it_says(
    api: APIClient, records: list[Import], query: str, expected: str
) -> None:
    response = api.get(f"{URL}?{query}&ordering=dataset")

    assert "".join(row["dataset"] for row in response.json()["results"]) == expected


@pytest.mark.django_db
def test_identifier_is_exact_and_its_part_is_asked_for(api: APIClient) -> None:
    first = ImportFactory(pk=12)
    second = ImportFactory(pk=512)

    exact = api.get(f"{URL}?id=12").json()["results"]
    part = api.get(f"{URL}?id__icontains=12&ordering=id").json()["results"]

    assert [row["id"] for row in exact] == [first.pk]
    assert [row["id"] for row in part] == [first.pk, second.pk]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "attr"),
    [
        ("rows_loaded=ten", "rows_loaded"),
        ("rows_loaded=1.5", "rows_loaded"),
        ("rows_loaded=99999999999999999999", "rows_loaded"),
        ("rows_loaded=" + "9" * 900, "rows_loaded"),
        ("rows_loaded=%D9%A3", "rows_loaded"),
        ("rows_per_second=NaN", "rows_per_second"),
        ("rows_per_second__gt=1e999", "rows_per_second__gt"),
        ("rows_per_second__gt=Infinity", "rows_per_second__gt"),
        ("started_at=yesterday", "started_at"),
        ("started_at__lt=2024-02-30", "started_at__lt"),
        ("started_at__lt=9999-12-31", "started_at__lt"),
        ("rows_loaded=%25", "rows_loaded"),
        ("rows_loaded=%25s%25(x)s", "rows_loaded"),
        ("started_at=%25d", "started_at"),
        ("rows_loaded=" + "0" * 21 + "9" * 30, "rows_loaded"),
        ("started_at__isnull=maybe", "started_at__isnull"),
        ("force=2", "force"),
        ("url=%00", "url"),
        ("url=" + "x" * 1001, "url"),
        ("rows_loaded=1&rows_loaded=x", "rows_loaded"),
        ("lease_token=1", "lease_token"),
        ("created_by__password=x", "created_by__password"),
        ("_connector=OR", "_connector"),
        ("pk__in=1", "pk__in"),
    ],
)
def test_bad_value_is_a_400_that_names_the_parameter(api: APIClient, query: str, attr: str) -> None:
    response = api.get(f"{URL}?{query}")

    assert response.status_code == 400
    body = response.json()
    assert body["type"] == "validation_error"
    assert [error["attr"] for error in body["errors"]] == [attr]


@pytest.mark.django_db
def test_more_values_than_can_be_asked_at_once_are_refused(api: APIClient) -> None:
    response = api.get(f"{URL}?" + "&".join(f"id={n}" for n in range(101)))

    assert response.status_code == 400


@pytest.mark.django_db
def test_rejects_are_those_of_the_import_in_the_address(api: APIClient) -> None:
    mine = RejectFactory(code="bad_csv")
    RejectFactory(import_record=mine.import_record, code="other")
    RejectFactory()

    response = api.get(f"{URL}{mine.import_record_id}/rejects/?code=bad_csv")

    assert [row["id"] for row in response.json()["results"]] == [mine.pk]
    assert api.get(f"{URL}999999/rejects/").status_code == 404


@pytest.mark.parametrize("filterset", FILTERSETS)
def test_every_column_is_filterable_or_listed_as_exempt(filterset: type[ColumnFilterSet]) -> None:
    model = filterset.Meta.model  # type: ignore[attr-defined]
    filtered = {str(item.field_name).split("__")[0] for item in filterset.base_filters.values()}

    missing = {field.name for field in model._meta.concrete_fields} - filtered - filterset.exempt

    assert missing == set()


@pytest.mark.django_db
@pytest.mark.parametrize("filterset", FILTERSETS)
def test_every_filter_is_a_query_that_the_database_takes(filterset: type[ColumnFilterSet]) -> None:
    values = {"icontains": "1", "isnull": "true", "in_bbox": "1,2,3,4", "repaired": "true"}

    for name, item in filterset.base_filters.items():
        field = filterset.Meta.model._meta.get_field(str(item.field_name).split("__")[0])  # type: ignore[attr-defined]
        is_time = isinstance(field, models.DateField) and not name.endswith("isnull")
        value = "2024-07-01" if is_time else values.get(name.rpartition("__")[2], "1")
        rows = filterset({name: [value]}, queryset=field.model.objects.all())
        assert rows.is_valid(), (name, rows.errors)
        list(rows.qs)


def test_field_type_without_lookups_is_an_error_not_a_gap() -> None:
    with pytest.raises(TypeError, match="name them in `columns`"):
        find_lookups(models.JSONField(name="notes"))


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("13,52,14,53", [(13, 52, 14, 53)]),
        ("170,-20,-170,-10", [(170, -20, 180, -10), (-180, -20, -170, -10)]),
        ("-180,-90,180,90", [(-180, -90, 180, 90)]),
    ],
)
def test_bbox_across_the_antimeridian_is_two_boxes(text: str, boxes: list[Any]) -> None:
    assert [polygon.extent for polygon in parse_bbox(text)] == boxes


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1,2,3,4", "Polygon"),
        ("1,2,1,4", "LineString"),
        ("1,2,3,2", "LineString"),
        ("1,2,1,2", "Point"),
    ],
)
def test_bbox_without_an_area_is_a_line_or_a_point(text: str, kind: str) -> None:
    [box] = parse_bbox(text)

    assert (box.geom_type, box.valid, box.srid) == (kind, True, 4326)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,2,3",
        "1,2,3,4,5",
        "a,b,c,d",
        "1,5,2,4",
        "-181,0,1,1",
        "0,0,1,91",
        "nan,0,1,1",
        "1,,2,3",
    ],
)
def test_bad_bbox_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"degrees|longitudes"):
        parse_bbox(text)


@pytest.mark.parametrize("text", ["1_000", "٣", "0x10", "", "1e400"])
def test_number_in_an_odd_notation_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="finite number"):
        parse_number(text)
