"""Locations over the API and in the admin."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

import mapbox_vector_tile
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import FileResponse
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from locations.models import MinuteAverage, select_latest
from locations.tracks import cut_line
from tests.factories.locations import MINUTE, MinuteAverageFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/locations/"


@pytest.fixture
def averages() -> list[MinuteAverage]:
    """Ada on three minutes of two days around Berlin, Bob on one in New York."""
    return [
        MinuteAverageFactory(user_id="ada", minute=MINUTE, at_lat=52.5, at_long=13.4, count=2),
        MinuteAverageFactory(
            user_id="ada", minute=MINUTE + timedelta(minutes=1), at_lat=52.6, at_long=13.5
        ),
        MinuteAverageFactory(user_id="ada", minute=MINUTE + timedelta(days=1), is_gap=True),
        MinuteAverageFactory(
            user_id="Bob", minute=MINUTE, at_lat=40.7, at_long=-74.0, is_fold=True
        ),
    ]


def read_ids(api: APIClient, path: str) -> list[int]:
    response = api.get(URL + path)
    assert response.status_code == 200, response.content
    return [feature["id"] for feature in response.json()["features"]]


def test_locations_are_points(api: APIClient, averages: list[MinuteAverage]) -> None:
    page = api.get(URL).json()

    assert page["type"] == "FeatureCollection"
    assert page["count"] == 4
    assert page["features"][0] == {
        "id": averages[0].pk,
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [13.4, 52.5]},
        "properties": {
            "user_id": "ada",
            "minute": "2024-07-01T10:00:00Z",
            "count": 2,
            "accuracy": 12.5,
            "speed": 1.25,
            "is_gap": False,
            "is_fold": False,
            "last_fix_at": "2024-07-01T10:00:00Z",
        },
    }
    assert api.get(f"{URL}{averages[0].pk}/").json() == page["features"][0]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("user_id=ada", [0, 1, 2]),
        ("user_id=Ada", []),
        ("user_id=ada&user_id=Bob", [0, 1, 2, 3]),
        ("user_id__icontains=b", [3]),
        ("minute=2024-07-01", [0, 1, 3]),
        ("minute__gte=2024-07-01T10:01:00Z", [1, 2]),
        ("minute__lt=2024-07-01T10:01:00Z", [0, 3]),
        ("in_bbox=13,52,14,53", [0, 1, 2]),
        ("in_bbox=13.45,52,14,53", [1]),
        ("in_bbox=170,-90,-60,90", [3, 4]),
        ("in_bbox=-180,-90,-70,90", [3, 4]),
        ("in_bbox=170,0,180,90", [4]),
        ("in_bbox=-180,20,-70,30", []),
        ("count=2", None),
        ("count__gte=2", [0]),
        ("count=none", [0, 1, 2, 3]),
        ("lat__gte=52.6", [1]),
        ("long=13.4", [0, 2]),
        ("is_gap=true", [2]),
        ("is_fold=true", [3]),
        ("ordering=-minute&user_id=ada", [2, 1, 0]),
    ],
)
def test_locations_are_filtered(
    api: APIClient, averages: list[MinuteAverage], query: str, expected: list[int] | None
) -> None:
    if "in_bbox" in query:
        averages = [*averages, MinuteAverageFactory(at_lat=10, at_long=180)]
    if expected is None:
        assert api.get(f"{URL}?{query}").status_code == 400
        return
    assert read_ids(api, f"?{query}") == [averages[place].pk for place in expected]


@pytest.mark.parametrize(
    "path", ["", "latest/", "tracks/", "export.csv", "tiles.json", "tiles/0/0/0.mvt"]
)
def test_unknown_parameter_is_named(api: APIClient, path: str) -> None:
    response = api.get(f"{URL}{path}?colour=red")

    assert response.status_code == 400
    assert response.json()["errors"][0]["attr"] == "colour"


@pytest.mark.parametrize(
    "path", ["", "latest/", "tracks/", "export.csv", "tiles.json", "tiles/0/0/0.mvt"]
)
def test_reading_needs_a_login_where_it_is_not_open(settings: Settings, path: str) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"ingest"})

    assert APIClient().get(URL + path).status_code == 401


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [3, 2]),
        ("user_id=ada", [2]),
        ("minute__lt=2024-07-02", [3, 1]),
        ("in_bbox=13.3,52.4,13.45,52.55", [2]),
        ("is_gap=false&user_id=ada", [1]),
        ("user_id=nobody", []),
    ],
)
def test_latest_is_the_last_match_of_each_user(
    api: APIClient, averages: list[MinuteAverage], query: str, expected: list[int]
) -> None:
    assert read_ids(api, f"latest/?{query}") == [averages[place].pk for place in expected]


def test_latest_reads_no_minutes_between() -> None:
    for user in range(3):
        for minute in range(300):
            MinuteAverageFactory(user_id=f"u{user}", minute=MINUTE + timedelta(minutes=minute))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE locations_minuteaverage")
        # As it is planned where there are many more.
        for way in ("seqscan", "hashjoin", "mergejoin"):
            cursor.execute(f"SET LOCAL enable_{way} = off")

    plan = select_latest(MinuteAverage.objects.all()).explain(analyze=True, format="json")

    assert sum(count_read(node["Plan"]) for node in json.loads(plan)) <= 20


def count_read(node: dict[str, Any]) -> int:
    """The rows that scans of the table or its indexes came upon."""
    rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    mine = rows * node["Actual Loops"] if node.get("Relation Name") else 0
    return int(mine) + sum(count_read(child) for child in node.get("Plans", ()))


# Tracks


def test_track_is_a_line_for_each_user_and_day(
    api: APIClient, averages: list[MinuteAverage]
) -> None:
    page = api.get(f"{URL}tracks/").json()

    assert page["count"] == 3
    assert [feature["id"] for feature in page["features"]] == [
        *("Bob/2024-07-01", "ada/2024-07-01", "ada/2024-07-02")
    ]
    assert page["features"][1]["geometry"] == {
        "type": "LineString",
        "coordinates": [[13.4, 52.5], [13.5, 52.6]],
    }
    assert page["features"][1]["properties"] == {
        "user_id": "ada",
        "day": "2024-07-01",
        "start": "2024-07-01T10:00:00Z",
        "end": "2024-07-01T10:01:00Z",
        "minute_count": 2,
        "fix_count": 3,
    }


def test_track_of_one_minute_has_two_positions(
    api: APIClient, averages: list[MinuteAverage]
) -> None:
    [track] = api.get(f"{URL}tracks/?user_id=Bob").json()["features"]

    assert track["geometry"] == {"type": "LineString", "coordinates": [[-74.0, 40.7]] * 2}


def test_track_is_cut_at_the_antimeridian(api: APIClient) -> None:
    for minute, long in enumerate([179.0, -179.0]):
        when = MINUTE + timedelta(minutes=minute)
        MinuteAverageFactory(user_id="ada", minute=when, at_lat=10, at_long=long)

    [track] = api.get(f"{URL}tracks/").json()["features"]

    assert track["geometry"] == {
        "type": "MultiLineString",
        "coordinates": [[[179.0, 10.0], [180.0, 10.0]], [[-180.0, 10.0], [-179.0, 10.0]]],
    }


@pytest.mark.parametrize(
    ("longs", "expected"),
    [
        ([180.0, -179.0], [[-180.0, -179.0]]),
        ([179.0, 180.0, -179.0], [[179.0, 180.0], [-180.0, -179.0]]),
        ([179.0, -180.0, 179.0], [[179.0, 180.0], [180.0, 179.0]]),
        ([-179.0, 180.0, -179.0], [[-179.0, -180.0], [-180.0, -179.0]]),
        ([180.0, 179.0], [[180.0, 179.0]]),
        ([179.0, -179.0, 179.0], [[179.0, 180.0], [-180.0, -179.0, -180.0], [180.0, 179.0]]),
        ([180.0, -180.0], [[180.0]]),
        ([10.0, 10.0, 20.0], [[10.0, 20.0]]),
    ],
)
def test_line_is_cut_where_it_crosses(longs: list[float], expected: list[list[float]]) -> None:
    pieces = cut_line([(long, 0.0) for long in longs])

    assert [[long for long, _ in piece] for piece in pieces] == expected


def test_tracks_are_estimated_by_their_own_number(api: APIClient) -> None:
    for minute in range(200):
        MinuteAverageFactory(user_id="ada", minute=MINUTE + timedelta(minutes=minute))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE locations_minuteaverage")

    page = api.get(f"{URL}tracks/?count=estimated").json()

    assert page["count_is"] == "estimated"
    assert page["count"] < 100


def test_tracks_obey_the_filters(api: APIClient, averages: list[MinuteAverage]) -> None:
    [track] = api.get(f"{URL}tracks/?in_bbox=13.45,52,14,53").json()["features"]

    assert track["properties"]["minute_count"] == 1


def walk(api: APIClient, link: str, path: str) -> Iterator[list[str]]:
    while path:
        page = api.get(path).json()
        yield [feature["id"] for feature in page["features"]]
        parts = urlsplit(page[link] or "")
        path = parts.path and f"{parts.path}?{parts.query}"


def test_tracks_are_walked_in_pages(api: APIClient) -> None:
    expected = []
    for user in ("a", "b\N{SNOWMAN}", "c"):
        for day in range(3):
            MinuteAverageFactory(user_id=user, minute=MINUTE + timedelta(days=day))
            expected.append(f"{user}/2024-07-0{day + 1}")

    forward = list(walk(api, "next", f"{URL}tracks/?page_size=2"))
    last = api.get(f"{URL}tracks/?page_size=2").json()
    while last["next"]:
        last = api.get(last["next"]).json()
    backward = list(walk(api, "previous", last["previous"]))

    assert list(chain(*forward)) == expected
    assert list(chain(*reversed(backward))) == expected[:-1]


@pytest.mark.parametrize(
    "path", ["?", "latest/?", "?ordering=accuracy&", "?ordering=speed&", "tracks/?"]
)
@pytest.mark.parametrize(
    "text",
    [
        *("null", '["n"]', '["n", 1, 2]', '["n", ["a"], "2024-01-01"]', '["n", {"a": 1}, 1]'),
        *(
            '["n", [1], 1]',
            f'["n", {10**400}, 1]',
            '["x", 1, 1]',
            '["n", "a", "b"]',
            '["n", null, 1]',
        ),
        '["n", "a\\u0000", "2024-01-01"]',
    ],
)
def test_cursor_that_is_none_is_a_400(api: APIClient, path: str, text: str) -> None:
    if path != "tracks/?" and text == '["n", 1, 2]':
        text = '["n", 1, "2"]'
    cursor = urlsafe_b64encode(text.encode()).decode()

    response = api.get(f"{URL}{path}cursor={cursor}")

    assert response.status_code == 400
    assert response.json()["errors"][0]["attr"] == "cursor"


def test_tracks_have_one_order(api: APIClient) -> None:
    assert api.get(f"{URL}tracks/?ordering=day").status_code == 400


# Tiles and exports


def test_tile_has_the_points(api: APIClient, averages: list[MinuteAverage]) -> None:
    response = api.get(f"{URL}tiles/0/0/0.mvt")

    layers = mapbox_vector_tile.decode(response.content)
    features = layers["points"]["features"]
    assert sorted(feature["properties"]["weight"] for feature in features) == [1, 3]
    [alone] = [feature for feature in features if feature["properties"]["weight"] == 1]
    assert alone["properties"] == {
        "weight": 1,
        "user_id": "Bob",
        "minute": "2024-07-01T10:00:00Z",
        "count": 1,
        "accuracy": 12.5,
        "speed": 1.25,
    }


def test_tile_obeys_the_filters(api: APIClient, averages: list[MinuteAverage]) -> None:
    response = api.get(f"{URL}tiles/0/0/0.mvt?user_id=ada&minute__lt=2024-07-02")

    [feature] = mapbox_vector_tile.decode(response.content)["points"]["features"]
    assert feature["properties"] == {"weight": 2}


def test_tile_that_is_not_there_is_a_404(api: APIClient) -> None:
    assert api.get(f"{URL}tiles/3/8/0.mvt").status_code == 404


def test_tilejson_tells_where_the_tiles_are(api: APIClient, averages: list[MinuteAverage]) -> None:
    found = api.get(f"{URL}tiles.json?user_id=ada").json()

    assert found["tiles"] == [f"http://testserver{URL}tiles/{{z}}/{{x}}/{{y}}.mvt?user_id=ada"]
    assert found["bounds"] == [13.4, 52.5, 13.5, 52.6]


def test_export_has_all_matching_minutes(api: APIClient, averages: list[MinuteAverage]) -> None:
    response = api.get(f"{URL}export.csv?user_id=Bob")

    assert isinstance(response, FileResponse)
    content = response.getvalue()
    assert content.decode().splitlines() == [
        "id,user_id,minute,count,lat,long,accuracy,speed,is_gap,is_fold,last_fix_at",
        f"{averages[3].pk},Bob,2024-07-01T10:00:00Z,1,40.7,-74,12.5,1.25,false,true,"
        "2024-07-01T10:00:00Z",
    ]
    assert response.headers["X-Row-Count"] == "1"
    assert response.headers["X-Sha256"] == sha256(content).hexdigest()


@pytest.mark.parametrize(("path", "queries"), [("", 2), ("latest/", 2), ("tracks/", 3)])
@pytest.mark.parametrize("rows", [1, 20])
def test_lists_keep_their_query_count(
    api: APIClient,
    django_assert_num_queries: DjangoAssertNumQueries,
    path: str,
    queries: int,
    rows: int,
) -> None:
    MinuteAverageFactory.create_batch(rows)

    with django_assert_num_queries(queries):
        api.get(URL + path)


# Admin


def test_admin_shows_each_average_on_a_map(
    client: Client, django_user_model: type[User], averages: list[MinuteAverage]
) -> None:
    client.force_login(django_user_model.objects.create_superuser("ada"))
    admin = "/admin/locations/minuteaverage/"

    listing = client.get(f"{admin}?q=ada").content.decode()
    page = client.get(f"{admin}{averages[0].pk}/change/").content.decode()

    assert "3 minute averages" in listing
    assert f'data-source="{URL}{averages[0].pk}/"' in page
    assert "user_id=ada&amp;minute=2024-07-01" in page
    assert client.post(f"{admin}{averages[0].pk}/delete/").status_code == 403


def test_day_of_the_map_is_that_of_utc(client: Client, django_user_model: type[User]) -> None:
    client.force_login(django_user_model.objects.create_superuser("ada"))
    late = MinuteAverageFactory(minute=datetime(2024, 7, 1, 23, 59, tzinfo=UTC), user_id="a&b")
    last = MinuteAverageFactory(minute=datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
    admin = "/admin/locations/minuteaverage/"

    page = client.get(f"{admin}{late.pk}/change/").content.decode()

    assert client.get(f"{admin}{last.pk}/change/").status_code == 200

    assert "user_id=a%26b&amp;minute=2024-07-01" in page
