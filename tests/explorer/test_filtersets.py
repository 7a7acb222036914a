"""Filters of trips: each column by its type, and an import by the range of its ids."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from config.api.reading import READER
from explorer.filtersets import TripFilterSet
from explorer.models import Trip
from tests.explorer.conftest import Commit
from tests.explorer.trips import PICKUP, import_trips, name_partition

pytestmark = pytest.mark.django_db(databases=["default", READER])

URL = "/api/v1/trips/"


def make_trips() -> list[Trip]:
    return import_trips(
        {"hvfhs_license_num": "HV0003", "pu_location_id": 161, "tolls": Decimal("0.0")},
        {"hvfhs_license_num": "HV0005", "pu_location_id": 230, "tolls": Decimal("6.94")},
        {
            "shared_match_flag": "Y",
            "trip_miles": Decimal("0.1234567890123456789"),
            "pickup_datetime": PICKUP + timedelta(days=1),
            "on_scene_datetime": PICKUP,
        },
    )


@pytest.fixture(scope="module", autouse=True)
def imports(commit: Commit) -> list[list[Trip]]:
    """Three imports."""
    others: list[dict[str, Any]] = [{"trip_time": 5}, {"trip_time": None}]
    return commit(lambda: [make_trips(), import_trips(*others), import_trips({})])


@pytest.fixture
def trips(imports: list[list[Trip]]) -> list[Trip]:
    return imports[0]


def list_ids(api: APIClient, query: str) -> list[int]:
    return [row["id"] for row in api.get(f"{URL}?{query}").json()["results"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1, 2]),
        ("hvfhs_license_num=hv0005", [1]),
        ("hvfhs_license_num=0003", [0, 2]),
        ("hvfhs_license_num=%25", []),
        ("shared_match_flag=y", [2]),
        ("shared_match_flag__isnull=true", [0, 1]),
        ("pu_location_id=161", [0]),
        ("pu_location_id=161&pu_location_id=230", [0, 1]),
        ("pu_location_id__gt=161", [1]),
        ("pu_location_id__gte=161", [0, 1]),
        ("pu_location_id__lt=230", [0]),
        ("pu_location_id__lte=230", [0, 1]),
        ("pu_location_id__isnull=true", [2]),
        ("pu_location_id=99999999999", []),
        ("tolls=0", [0]),
        ("tolls=6.940", [1]),
        ("tolls__gt=0&tolls__lt=6.95", [1]),
        ("tolls__lte=6.94", [0, 1]),
        ("tolls__isnull=false", [0, 1]),
        ("trip_miles=0.1234567890123456789", [2]),
        ("trip_miles=0.12345678901234568", []),
        ("trip_miles__lt=0.123456789012345679", [2]),
        ("pickup_datetime=2024-01-01", [0, 1]),
        ("pickup_datetime=2024-01-01T05:21:47Z", [0, 1]),
        ("pickup_datetime__gt=2024-01-01T00:21:47-05:00", [2]),
        ("pickup_datetime__gte=2024-01-02", [2]),
        ("on_scene_datetime__isnull=true", [0, 1]),
        ("hvfhs_license_num=HV&pu_location_id=230&tolls__gte=1", [1]),
    ],
)
def test_filter_finds_what_it_says(
    api: APIClient, trips: list[Trip], query: str, expected: list[int]
) -> None:
    page = api.get(f"{URL}?{query}&import_id={trips[0].import_record_id}").json()

    assert [row["id"] for row in page["results"]] == [trips[i].pk for i in expected]
    assert page["count"] == len(expected)


def test_import_is_found_in_its_partition_alone(api: APIClient, imports: list[list[Trip]]) -> None:
    [trip, *_], _, [lone] = imports
    asked = {"import_id": [str(lone.import_record_id)]}

    plan = TripFilterSet(asked, queryset=Trip.objects.all()).qs.explain()

    assert list_ids(api, f"import_id={lone.import_record_id}") == [lone.pk]
    assert name_partition(lone.import_record) in plan
    assert name_partition(trip.import_record) not in plan


def test_import_can_be_found_by_a_part_of_its_number(
    api: APIClient, imports: list[list[Trip]]
) -> None:
    numbers = [str(trips[0].import_record_id) for trips in imports]
    parts = {numbers[0], *(number[-1] for number in numbers)}  # a digit may stand in several

    for part in parts:
        expected = [
            trip.pk
            for number, trips in zip(numbers, imports, strict=True)
            for trip in trips
            if part in number
        ]
        assert list_ids(api, f"import_id__icontains={part}") == expected


def test_several_imports_can_be_asked_for(api: APIClient, imports: list[list[Trip]]) -> None:
    first, _, [lone] = imports
    asked = f"import_id={lone.import_record_id}&import_id={first[0].import_record_id}"

    assert list_ids(api, asked) == [trip.pk for trip in (*first, lone)]


@pytest.mark.parametrize("path", ["", "export.csv"])
@pytest.mark.parametrize("import_id", [0, 2**31 - 1])
def test_import_that_is_not_there_has_no_trips(api: APIClient, path: str, import_id: int) -> None:
    assert api.get(f"{URL}{path}?import_id={import_id}").status_code == 200
    assert api.get(f"{URL}?import_id={import_id}").json()["results"] == []


@pytest.mark.parametrize("path", ["", "export.csv"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("import_id", "2147483648"),
        ("import_id", "9223372036854775807"),
        ("import_id", "-1"),
        ("import_id", "x"),
        ("import_id__gt", "1"),
        ("import_record", "1"),
        ("tolls", "NaN"),
        ("tolls__gt", "1e999"),
        ("pu_location_id", "1.5"),
        ("pickup_datetime", "yesterday"),
        ("shared_match_flag__isnull", "maybe"),
        ("import_record__url", "x"),
    ],
)
def test_bad_value_is_a_400_that_names_the_parameter(
    api: APIClient, path: str, name: str, value: str
) -> None:
    response = api.get(f"{URL}{path}", {name: value})

    assert response.status_code == 400
    assert [error["attr"] for error in response.json()["errors"]] == [name]


@pytest.mark.parametrize(("lookup", "number"), [("lt", 10**11), ("gt", -(10**11))])
def test_range_beyond_the_column_leaves_null_out(
    api: APIClient, imports: list[list[Trip]], lookup: str, number: int
) -> None:
    timed = imports[1][0]

    assert list_ids(api, f"trip_time__{lookup}={number}") == [timed.pk]
