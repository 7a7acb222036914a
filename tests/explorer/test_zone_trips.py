"""Zones as GeoJSON, and how many of the trips that match begin and end in each."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.contrib.gis.geos import GEOSGeometry, MultiPolygon, Point
from django.db import connections
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from config.api.reading import READER
from explorer.models import TaxiZone, Trip
from explorer.zone_trips import TOLERANCE_DEGREES, count_trips
from tests.explorer.conftest import Commit
from tests.explorer.loaded import ZONE_NAMES, Row, ask, store_trips
from tests.factories.explorer import TaxiZoneFactory

pytestmark = pytest.mark.django_db(databases=["default", READER])

PATH = "zones"
ROUND = MultiPolygon(Point(-73.9, 40.7).buffer(0.05, quadsegs=200), srid=4326)
NOWHERE = {"borough": "N/A", "service_zone": None}
FILTERS: list[tuple[dict[str, Any], Any]] = [
    ({}, lambda row: True),
    ({"hvfhs_license_num": "HV0005"}, lambda row: row["hvfhs_license_num"] == "HV0005"),
    ({"tolls__gt": 0}, lambda row: (row["tolls"] or 0) > 0),
    ({"pu_borough": "Queens"}, lambda row: row["pu_borough"] == "Queens"),
    ({"do_zone__isnull": "true"}, lambda row: row["do_zone"] is None),
    ({"pu_location_id": [1, 3]}, lambda row: row["pu_location_id"] in (1, 3)),
    ({"wav_match_flag__exact": " "}, lambda row: row["wav_match_flag"] == " "),
    (
        {"pickup_datetime__gte": "2024-06-01", "trip_time": 60},
        lambda row: (
            row["pickup_datetime"] >= datetime(2024, 6, 1, tzinfo=UTC) and row["trip_time"] == 60
        ),
    ),
    ({"trip_time": 7}, lambda row: False),
    ({"trip_time": 99_999_999_999}, lambda row: False),
]


@pytest.fixture(scope="module")
def trips(commit: Commit) -> list[Row]:
    """Trips, three zones that some of them name, and two where nobody was: one of them is a circle
    of many points, the other has no shape."""
    commit(lambda: TaxiZoneFactory(location_id=7, zone="Round", geometry=ROUND, borough="Bronx"))
    commit(lambda: TaxiZoneFactory(location_id=265, zone="Outside", geometry=None, **NOWHERE))
    return commit(lambda: store_trips(1_000))


def ask_zones(api: APIClient, **parameters: Any) -> dict[int, Row]:
    """The features by their ids."""
    return {feature["id"]: feature for feature in ask(api, PATH, **parameters)["features"]}


def test_zones_are_geojson(api: APIClient, trips: list[Row]) -> None:
    answer = api.get(f"/api/v1/{PATH}/").json()

    assert (answer["type"], answer["count"], answer["next"]) == ("FeatureCollection", 5, None)
    assert [feature["id"] for feature in answer["features"]] == [1, 2, 3, 7, 265]
    for feature in answer["features"]:
        assert list(feature) == ["type", "id", "geometry", "properties"]
        assert feature["type"] == "Feature"
        if feature["id"] == 265:
            assert feature["geometry"] is None
            continue
        assert feature["geometry"]["type"] == "MultiPolygon"
        for [ring] in feature["geometry"]["coordinates"]:
            assert ring[0] == ring[-1]
            assert all(-75 < lon < -73 and 39 < lat < 41 for lon, lat in ring)
            assert sum((b[0] - a[0]) * (b[1] + a[1]) for a, b in pairwise(ring)) != 0


def test_zone_tells_its_names(api: APIClient, trips: list[Row]) -> None:
    zones = ask_zones(api)

    for number, (zone, borough) in ZONE_NAMES.items():
        told = zones[number]["properties"]
        assert (told["location_id"], told["zone"], told["borough"]) == (number, zone, borough)
        assert told["service_zone"] == "Boro Zone"
    assert zones[265]["properties"]["service_zone"] is None


@pytest.mark.parametrize(("filters", "is_left"), FILTERS)
def test_counts_are_of_the_trips_that_match(
    api: APIClient, trips: list[Row], filters: Mapping[str, Any], is_left: Any
) -> None:
    left = [row for row in trips if is_left(row)]
    pickups = Counter(row["pu_location_id"] for row in left)
    dropoffs = Counter(row["do_location_id"] for row in left)

    zones = ask_zones(api, **filters)

    assert sorted(zones) == [1, 2, 3, 7, 265]
    for number, feature in zones.items():
        told = feature["properties"]
        assert (told["pickup_count"], told["dropoff_count"]) == (pickups[number], dropoffs[number])


def test_trips_without_a_zone_or_of_an_unknown_one_are_counted_nowhere(
    api: APIClient, trips: list[Row]
) -> None:
    told = [feature["properties"] for feature in ask_zones(api).values()]

    assert sum(each["pickup_count"] for each in told) == sum(
        row["pu_zone"] is not None for row in trips
    )
    assert sum(each["dropoff_count"] for each in told) == sum(
        row["do_zone"] is not None for row in trips
    )
    assert sum(row["pu_location_id"] is None for row in trips) > 0
    assert sum(row["pu_location_id"] == 264 for row in trips) > 0


def test_location_that_no_zone_has_is_counted_by_its_number(trips: list[Row]) -> None:
    counts = count_trips(Trip.objects.all())

    assert counts.pickups == Counter(
        row["pu_location_id"] for row in trips if row["pu_location_id"] is not None
    )
    assert None not in counts.dropoffs


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"borough": "Queens"}, [2, 3]),
        ({"borough": "queens"}, [2, 3]),
        ({"borough__exact": "queens"}, []),
        ({"zone": "a"}, [1, 2, 3]),
        ({"zone": ["Round", "Outside"]}, [7, 265]),
        ({"location_id": 3}, [3]),
        ({"location_id__gte": 3, "location_id__lt": 265}, [3, 7]),
        ({"service_zone__isnull": "true"}, [265]),
        ({"borough": "Queens", "tolls__gt": 0}, [2, 3]),
        ({"zone": "nowhere"}, []),
    ],
)
def test_zones_are_found_by_their_own_filters(
    api: APIClient, trips: list[Row], filters: Mapping[str, Any], expected: list[int]
) -> None:
    assert list(ask_zones(api, **filters)) == expected


def test_filters_of_zones_leave_the_trips_counts(api: APIClient, trips: list[Row]) -> None:
    everywhere = ask_zones(api, geometry="none")

    assert list(ask_zones(api, geometry="none", borough="Queens").values()) == [
        everywhere[2],
        everywhere[3],
    ]


def test_shapes_are_whole_simplified_or_left_out(api: APIClient, trips: list[Row]) -> None:
    stored = TaxiZone.objects.get(pk=7).geometry
    assert stored is not None

    shapes = {
        form: api.get(f"/api/v1/{PATH}/", {"geometry": form, "zone": "Round"}).json()
        for form in ("full", "simplified", "none")
    }

    [full], [simplified], [none] = (
        [feature["geometry"] for feature in shapes[form]["features"]] for form in shapes
    )
    [[ring]], [[fewer]] = full["coordinates"], simplified["coordinates"]
    assert none is None
    assert len(ring) == stored.num_coords
    assert (
        max(
            abs(value - other)
            for pair, others in zip(ring, stored.coords[0][0], strict=True)
            for value, other in zip(pair, others, strict=True)
        )
        <= 5e-7
    )
    assert 4 <= len(fewer) < len(ring) / 2
    assert ROUND.sym_difference(draw(fewer)).area < TOLERANCE_DEGREES * ROUND.length
    assert api.get(f"/api/v1/{PATH}/", {"zone": "Round"}).json() == shapes["simplified"]


def draw(ring: list[list[float]]) -> MultiPolygon:
    shape = GEOSGeometry(f'{{"type": "MultiPolygon", "coordinates": [[{ring}]]}}')
    assert isinstance(shape, MultiPolygon)
    return shape


def test_pages_hold_every_zone_once(api: APIClient, trips: list[Row]) -> None:
    everywhere = list(ask_zones(api, geometry="none").values())
    parameters: dict[str, Any] = {"page_size": 2, "geometry": "none", "ordering": "-zone"}
    found: list[Row] = []

    while parameters:
        page = ask(api, PATH, **parameters)
        found += page["features"]
        assert page["count"] == 5
        parameters = dict(parse_qsl(urlsplit(page["next"] or "").query))

    assert found == sorted(
        everywhere, key=lambda feature: feature["properties"]["zone"], reverse=True
    )


def test_list_keeps_its_query_count(
    api: APIClient, trips: list[Row], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(3, connection=connections[READER]):
        ask_zones(api)
