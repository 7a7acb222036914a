"""Trips over the API and in the admin."""

import csv
import io
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import chain
from typing import Any

import pytest
from django.db import connections
from django.http import FileResponse
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from config.api import rows
from config.api.reading import READER
from explorer import admin
from explorer.models import Trip
from explorer.tables import TRIPS
from tests.explorer.conftest import Commit
from tests.explorer.trips import PICKUP, import_trips
from tests.walking import walk

pytestmark = pytest.mark.django_db(databases=["default", READER])

URL = "/api/v1/trips/"
EXPORT = f"{URL}export.csv"
DIGITS = ["0.0", "2.830", "-6.94", "0.1234567890123456789", "100000000000000000000.10"]


@pytest.fixture(scope="module", autouse=True)
def trips(commit: Commit) -> list[Trip]:
    """Two imports, with ties and NULLs in every column that the orderings below name, and one of
    amounts with many digits."""
    minutes = [None, 1, None, 2, 1, 1, 3]
    rows: list[dict[str, Any]] = [
        {
            "on_scene_datetime": PICKUP + timedelta(minutes=n, microseconds=n) if n else None,
            "trip_miles": Decimal(n) / 3 if n else None,
            "trip_time": n,
            "wav_match_flag": "NY "[n - 1] if n else None,
        }
        for n in minutes
    ]
    zones = [161, 230, 161, None, 161]
    amounts = [
        {"tolls": Decimal(text), "pu_location_id": zone}
        for text, zone in zip(DIGITS, zones, strict=True)
    ]
    return commit(lambda: import_trips(*rows) + import_trips(*rows[:5]) + import_trips(*amounts))


def read_export(api: APIClient, query: str = "") -> tuple[FileResponse, bytes]:
    response = api.get(f"{EXPORT}?{query}")
    assert isinstance(response, FileResponse)
    assert response.status_code == 200
    return response, response.getvalue()


def read_rows(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode(), newline="")))


def test_trip_is_shown_with_its_numbers_and_instants(api: APIClient, trips: list[Trip]) -> None:
    trip = next(trip for trip in trips if trip.tolls == Decimal("0.0"))

    row = api.get(f"{URL}{trip.pk}/").json()

    assert row in api.get(URL).json()["results"]
    assert list(row) == list(TRIPS.paths)
    assert row["import_id"] == trip.import_record_id
    assert (row["trip_miles"], row["tolls"], row["tips"]) == (None, 0, None)
    assert (row["pu_location_id"], row["do_location_id"]) == (161, None)
    assert row["pickup_datetime"] == "2024-01-01T05:21:47Z"
    assert row["hvfhs_license_num"] == "HV0003"


@pytest.mark.parametrize("name", ["abc", "0", "99999999999999999999999"])
def test_trip_that_is_not_there_is_a_404(api: APIClient, name: str) -> None:
    assert api.get(f"{URL}{name}/").status_code == 404


@pytest.mark.parametrize("path", [URL, EXPORT])
def test_reading_needs_a_login_where_anonymous_access_is_not_given(
    settings: Settings, path: str
) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()

    assert APIClient().get(path).status_code == 401


def test_list_keeps_its_query_count(
    api: APIClient,
    trips: list[Trip],
    django_assert_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = connections[READER]
    api.get(URL)  # from then on what all pages have in common is known
    with django_assert_num_queries(1, connection=reader):
        api.get(URL)
    with django_assert_num_queries(1, connection=reader):
        api.get(f"{URL}?count=none")
    monkeypatch.setattr(rows, "FEW_ROWS", len(trips) - 1)
    with django_assert_num_queries(5, connection=reader):  # the page, and the count in its time
        api.get(URL)


@pytest.mark.parametrize("query", ["", "trip_time__gte=1", "ordering=-trip_miles&page_size=3"])
def test_many_rows_are_shown_as_few_are(
    api: APIClient, trips: list[Trip], monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    few = api.get(f"{URL}?{query}").json()
    monkeypatch.setattr(rows, "FEW_ROWS", 1)

    assert api.get(f"{URL}?{query}").json() == few


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize(
    "column",
    ["id", "on_scene_datetime", "pickup_datetime", "trip_miles", "trip_time", "wav_match_flag"],
)
@pytest.mark.parametrize("size", [1, 3, 5])
def test_walk_finds_every_trip_once_in_both_directions(
    api: APIClient, trips: list[Trip], column: str, sign: str, size: int
) -> None:
    ordered = Trip.objects.order_by(sign + column, f"{sign}id")
    expected = list(ordered.values_list("id", flat=True))
    onward = f"{URL}?ordering={sign}{column}&page_size={size}"

    pages, last = walk(api, onward, "next")
    back, _ = walk(api, last, "previous")

    assert list(chain(*pages)) == expected
    assert list(chain(*reversed(back))) == expected


def test_export_holds_what_the_list_holds(api: APIClient, trips: list[Trip]) -> None:
    listed = api.get(URL).json()["results"]

    response, body = read_export(api)

    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="trips.csv"'
    assert response.headers["Content-Length"] == str(len(body))
    assert response.headers["X-Row-Count"] == str(len(trips))
    assert response.headers["X-Sha256"] == sha256(body).hexdigest()
    exported = read_rows(body)
    assert list(exported[0]) == list(listed[0])
    for row, shown in zip(exported, listed, strict=True):
        assert row["id"] == str(shown["id"])
        assert row["import_id"] == str(shown["import_id"])
        assert row["on_scene_datetime"] == (shown["on_scene_datetime"] or "")
        assert float(row["trip_miles"] or -1) == (shown["trip_miles"] or -1)
        assert row["wav_match_flag"] == (shown["wav_match_flag"] or "")


def test_export_keeps_every_digit(api: APIClient, trips: list[Trip]) -> None:
    _, body = read_export(api, f"import_id={trips[-1].import_record_id}")

    assert [row["tolls"] for row in read_rows(body)] == DIGITS
    assert {row["tips"] for row in read_rows(body)} == {""}
    assert {row["pickup_datetime"] for row in read_rows(body)} == {"2024-01-01T05:21:47Z"}


def test_export_holds_what_the_filters_find(api: APIClient, trips: list[Trip]) -> None:
    *_, first, _, third, _, _ = trips
    query = f"pu_location_id=161&tolls__lt=1&import_id={first.import_record_id}"

    response, body = read_export(api, query)

    assert response.headers["X-Row-Count"] == "2"
    assert [row["id"] for row in read_rows(body)] == [str(first.pk), str(third.pk)]


@pytest.mark.parametrize("query", ["pu_location_id=5", "pu_location_id=99999999999"])
def test_export_without_rows_is_the_header_alone(
    api: APIClient, trips: list[Trip], query: str
) -> None:
    response, body = read_export(api, query)

    assert response.headers["X-Row-Count"] == "0"
    assert body.startswith(b"id,import_id,hvfhs_license_num,")
    assert body.count(b"\n") == 1


@pytest.mark.parametrize("name", ["page_size", "cursor", "count", "ordering", "colour"])
def test_export_refuses_what_it_does_not_know(api: APIClient, name: str) -> None:
    response = api.get(EXPORT, {name: "1"})

    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/json"
    assert [error["attr"] for error in response.json()["errors"]] == [name]


def test_admin_shows_trips_and_counts_no_more_than_it_must(
    admin_client: Client, trips: list[Trip], monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[str] = []

    def count_rows(_rows: Any, mode: str) -> tuple[int, str]:
        modes.append(mode)
        return 12, "exact"

    monkeypatch.setattr(admin, "count_rows", count_rows)

    page = admin_client.get("/admin/explorer/trip/")
    detail = admin_client.get(f"/admin/explorer/trip/{trips[1].pk}/change/")

    assert page.status_code == detail.status_code == 200
    assert modes == [""]
    assert str(trips[0].pk) in page.content.decode()
    assert admin_client.get("/admin/explorer/trip/add/").status_code == 403
