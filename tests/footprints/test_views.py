"""Footprints over the API."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from django.http import StreamingHttpResponse
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from footprints.heatmap import stream_points
from footprints.models import Footprint, FootprintPiece
from imports.jobs import create_import, delete_import, run_import
from tests.factories.footprints import FootprintFactory
from tests.files import write_file, write_row

pytestmark = pytest.mark.django_db

URL = "/api/v1/footprints/"


@pytest.fixture
def footprints() -> list[Footprint]:
    """Four squares: three in a row at 13, 14 and 15 degrees east, and one just west of ±180."""
    return [
        FootprintFactory(org_id=org_id, lon=lon, lat=52, source_event_timestamp=happened_at)
        for org_id, lon, happened_at in [
            (1, 13.0, "2024-07-01T04:00:00Z"),
            (2, 14.0, "2024-07-01T05:00:00Z"),
            (12, 15.0, "2024-07-02T04:00:00Z"),
            (1, 179.5, "2024-07-03T04:00:00Z"),
        ]
    ]


def read_heat(api: APIClient, query: str = "") -> list[dict[str, object]]:
    response = api.get(f"{URL}heatmap/?{query}")
    assert isinstance(response, StreamingHttpResponse)
    assert response.status_code == 200
    blocks = response.streaming_content
    assert isinstance(blocks, Iterable)
    collection = json.loads(b"".join(blocks))
    assert collection["type"] == "FeatureCollection"
    features: list[dict[str, object]] = collection["features"]
    return features


def test_heatmap_is_one_point_for_each_footprint(
    api: APIClient, footprints: list[Footprint]
) -> None:
    features = read_heat(api)

    assert features[0] == {
        "type": "Feature",
        "id": footprints[0].pk,
        "geometry": {"type": "Point", "coordinates": [13.005, 52.005]},
        "properties": {
            "org_id": 1,
            "source_event_timestamp": "2024-07-01T04:00:00Z",
            "area_m2": 750_000.5,
            "weight": 1,
        },
    }
    assert [feature["id"] for feature in features] == [footprint.pk for footprint in footprints]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("org_id=1", [0, 3]),
        ("org_id=1&org_id=2", [0, 1, 3]),
        ("org_id=99", []),
        ("source_event_timestamp__gte=2024-07-01T05:00:00Z", [1, 2, 3]),
        ("source_event_timestamp__lt=2024-07-01T05:00:00Z", [0]),
        ("source_event_timestamp=2024-07-01", [0, 1]),
        ("in_bbox=12.9,51.9,14.1,52.1", [0, 1]),
        ("in_bbox=179,51,-179,53", [3]),
        ("in_bbox=13.5,51,13.6,53", []),
        ("in_bbox=13.005,52.005,13.005,52.005", [0]),
        ("in_bbox=13.005,51,13.005,53", [0]),
        ("org_id=1&in_bbox=12,51,16,53", [0]),
    ],
)
def test_filters_are_the_same_for_heat_and_list(
    api: APIClient, footprints: list[Footprint], query: str, expected: list[int]
) -> None:
    heat = sorted(int(str(feature["id"])) for feature in read_heat(api, query))
    listed = [feature["id"] for feature in api.get(f"{URL}?{query}").json()["features"]]

    assert heat == listed == [footprints[i].pk for i in expected]


def test_box_that_holds_a_corner_but_not_the_point_is_in_the_list_only(
    api: APIClient, footprints: list[Footprint]
) -> None:
    query = "in_bbox=12.9,51.9,13.001,52.001"

    assert read_heat(api, query) == []
    assert len(api.get(f"{URL}?{query}").json()["features"]) == 1


def test_org_ids_are_sorted_and_counted(api: APIClient, footprints: list[Footprint]) -> None:
    assert api.get(f"{URL}org-ids/").json() == {"count": 3, "org_ids": [1, 2, 12]}
    assert api.get(f"{URL}org-ids/?source_event_timestamp__gte=2024-07-02").json() == {
        "count": 2,
        "org_ids": [1, 12],
    }


def test_list_is_a_paginated_feature_collection(
    api: APIClient, footprints: list[Footprint], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(2):  # the count and the page
        page = api.get(f"{URL}?page_size=2").json()

    assert page["type"] == "FeatureCollection"
    assert (page["count"], page["count_is"], page["previous"]) == (4, "exact", None)
    rest = api.get(page["next"]).json()
    assert [f["id"] for f in page["features"] + rest["features"]] == [f.pk for f in footprints]


def test_footprint_comes_simplified_repaired_or_as_received(api: APIClient) -> None:
    footprint = FootprintFactory(
        simplified="SRID=4326;MULTIPOLYGON(((13 52,13.01 52,13.01 52.01,13 52)))"
    )
    detail = f"{URL}{footprint.pk}/"

    simplified, repaired, original = (
        api.get(f"{detail}?geometry={form}").json()
        for form in ("simplified", "repaired", "original")
    )

    assert api.get(detail).json() == simplified
    assert len(simplified["geometry"]["coordinates"][0][0]) == 4
    assert len(repaired["geometry"]["coordinates"][0][0]) == 5
    assert repaired["geometry"]["type"] == "MultiPolygon"
    assert original["geometry"]["type"] == "Polygon"
    assert original["properties"]["original"] == footprint.original
    assert "original" not in simplified["properties"]


@pytest.mark.parametrize(
    ("original", "kind"),
    [
        ('{"coordinates":[[[[13,52],[14,52],[13,53]]]]}', "MultiPolygon"),
        ('{"type":"MultiPolygon","coordinates":[[],[[[13,52],[14,52],[13,53]]]]}', "MultiPolygon"),
        ('{"type":"Polygon","geometry":{},"coordinates":[[[13,52],[14,52],[13,53]]]}', "Polygon"),
        (
            '{"type":"Feature","properties":{"n":' + "9" * 5000 + '},"geometry":'
            '{"type":"Polygon","coordinates":[[[13,52],[14,52],[13,53]]]}}',
            "Polygon",
        ),
    ],
)
def test_original_is_served_whatever_was_accepted(api: APIClient, original: str, kind: str) -> None:
    footprint = FootprintFactory(original=original)

    [feature] = api.get(f"{URL}?geometry=original").json()["features"]

    assert feature["geometry"]["type"] == kind
    assert feature["properties"]["original"] == footprint.original


@pytest.mark.parametrize(
    "path", [URL, f"{URL}org-ids/", "/api/v1/imports/", "/api/v1/imports/{}/rejects/"]
)
def test_answer_can_be_opened_in_a_browser(
    api: APIClient, footprints: list[Footprint], path: str
) -> None:
    address = path.format(footprints[0].import_record_id)

    response = api.get(address, headers={"accept": "text/html"})

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"


def test_form_for_browsers_shows_repeated_values(
    api: APIClient, footprints: list[Footprint]
) -> None:
    response = api.get(f"{URL}?org_id=1&org_id=2", headers={"accept": "text/html"})

    assert 'value="1, 2"' in response.content.decode()


def test_list_can_be_searched_by_a_part_of_its_import(
    api: APIClient, footprints: list[Footprint]
) -> None:
    import_id = footprints[0].import_record_id

    found = api.get(f"{URL}?import_id__icontains={import_id}").json()

    assert footprints[0].pk in [feature["id"] for feature in found["features"]]


@pytest.mark.parametrize(
    ("path", "attr"),
    [
        ("heatmap/?foo=1", "foo"),
        ("heatmap/?page_size=5", "page_size"),
        ("heatmap/?in_bbox=1,2,3", "in_bbox"),
        ("heatmap/?in_bbox=POINT(1 1)", "in_bbox"),
        ("heatmap/?source_event_timestamp__gte=2024-13-01", "source_event_timestamp__gte"),
        ("heatmap/?org_id=x", "org_id"),
        ("org-ids/?ordering=id", "ordering"),
        ("?geometry=round", "geometry"),
        ("?repaired=maybe", "repaired"),
        ("?area_m2__gt=big", "area_m2__gt"),
        ("?ordering=geometry", "ordering"),
        ("?geometry__contains=POINT(1 1)", "geometry__contains"),
    ],
)
def test_bad_parameter_is_a_400_that_names_it(api: APIClient, path: str, attr: str) -> None:
    response = api.get(URL + path)

    assert response.status_code == 400
    assert [error["attr"] for error in response.json()["errors"]] == [attr]


@pytest.mark.parametrize("name", ["abc", "0", "99999999999999999999999"])
def test_footprint_that_is_not_there_is_a_404(api: APIClient, name: str) -> None:
    assert api.get(f"{URL}{name}/").status_code == 404


def test_geojson_can_be_asked_for_by_its_media_type(
    api: APIClient, footprints: list[Footprint]
) -> None:
    response = api.get(URL, headers={"accept": "application/geo+json"})

    assert response.headers["content-type"] == "application/geo+json"


def test_reading_needs_a_login_where_anonymous_access_is_not_given(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()

    for path in ("", "heatmap/", "org-ids/"):
        assert APIClient().get(URL + path).status_code == 401


# What heat has besides


def read_collection(api: APIClient, query: str = "", **headers: str) -> dict[str, object]:
    response = api.get(f"{URL}heatmap/?{query}", headers=headers)
    assert isinstance(response, StreamingHttpResponse)
    data = b"".join(response.streaming_content)
    if response.get("Content-Encoding") == "gzip":
        data = gzip.decompress(data)
    collection: dict[str, object] = json.loads(data)
    return collection


def test_heat_tells_what_a_legend_needs(api: APIClient, footprints: list[Footprint]) -> None:
    assert read_collection(api, "org_id=1")["metadata"] == {
        "method": "point",
        "count": 2,
        "weight": {
            "min": 1,
            "max": 1,
            "sum": 2,
            "quantiles": {"0.25": 1, "0.5": 1, "0.75": 1, "0.9": 1, "0.99": 1},
        },
        "bbox": [13.005, 52.005, 179.505, 52.005],
    }
    assert read_collection(api, "org_id=99") == {
        "type": "FeatureCollection",
        "metadata": {"method": "point", "count": 0, "weight": None, "bbox": None},
        "features": [],
    }


def test_heat_is_packed_for_who_takes_it(api: APIClient, footprints: list[Footprint]) -> None:
    packed = read_collection(api, **{"Accept-Encoding": "gzip"})

    assert packed == read_collection(api)
    response = api.get(f"{URL}heatmap/", headers={"Accept-Encoding": "gzip"})
    assert response["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("query", ["", "method=grid&cell=5000"])
def test_heat_is_not_sent_again_while_nothing_changes(
    api: APIClient, footprints: list[Footprint], query: str
) -> None:
    etag = api.get(f"{URL}heatmap/?{query}")["ETag"]

    same = api.get(f"{URL}heatmap/?{query}", headers={"If-None-Match": etag})
    strong = api.get(f"{URL}heatmap/?{query}", headers={"If-None-Match": etag.removeprefix("W/")})
    other = api.get(f"{URL}heatmap/?{query}&org_id=1", headers={"If-None-Match": etag})
    FootprintFactory()
    changed = api.get(f"{URL}heatmap/?{query}", headers={"If-None-Match": etag})

    assert (same.status_code, strong.status_code) == (304, 304)
    assert (other.status_code, changed.status_code) == (200, 200)


def test_deleting_an_import_is_a_change(api: APIClient) -> None:
    first, second = FootprintFactory(), FootprintFactory()
    before = api.get(f"{URL}heatmap/")["ETag"]

    second.delete()
    second.import_record.delete()

    assert first.import_record_id != second.import_record_id
    assert api.get(f"{URL}heatmap/")["ETag"] != before


@pytest.mark.django_db(transaction=True)
def test_box_that_only_the_bounds_of_a_huge_footprint_reach_does_not_find_it(
    api: APIClient, tmp_path: Path
) -> None:
    """Two arms, along the west and along the south side of its bounds."""
    steps = [n / 1_000 for n in range(1_001)]
    ring = [
        *([10, 50 + step] for step in reversed(steps)),
        *([10 + step, 50] for step in steps[1:]),
        [11, 50.1],
        [10.1, 50.1],
        [10.1, 51],
        [10, 51],
    ]
    file = tmp_path / "file.csv"
    text = json.dumps({"coordinates": [ring]})
    file.write_bytes(write_file([write_row(1, text)]))
    run_import(create_import("footprints", str(file)).pk)
    assert FootprintPiece.objects.count() > 1

    def count(box: str) -> int:
        answer = api.get(f"{URL}?in_bbox={box}&count=exact").json()
        assert answer["count"] == len(answer["features"])
        found: int = answer["count"]
        return found

    assert count("10.5,50.5,10.6,50.6") == 0
    assert count("10.05,50.5,10.06,50.6") == 1
    assert count("10.5,50.05,12,52") == 1
    assert count("9,49,12,52") == 1


@pytest.mark.django_db(transaction=True)
def test_pieces_go_with_their_footprints(tmp_path: Path) -> None:
    ring = [[10 + n / 1_000, 50] for n in range(1_001)]
    file = tmp_path / "file.csv"
    text = json.dumps({"coordinates": [[*ring, [11, 51], ring[0]]]})
    file.write_bytes(write_file([write_row(1, text)]))
    record = create_import("footprints", str(file))
    run_import(record.pk)
    assert FootprintPiece.objects.exists()

    delete_import(record.pk)

    assert not FootprintPiece.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_connection_is_free_when_a_client_goes_away_in_the_middle() -> None:
    first = FootprintFactory()
    Footprint.objects.bulk_create(
        FootprintFactory.build(import_record=first.import_record, org_id=n, lon=13, lat=52)
        for n in range(1_000, 4_000)
    )
    blocks = stream_points(Footprint.objects.all())
    next(blocks)

    blocks.close()

    assert Footprint.objects.count() == 3_001


def test_head_alone_makes_no_heat(api: APIClient, footprints: list[Footprint]) -> None:
    head, whole = api.head(f"{URL}heatmap/"), api.get(f"{URL}heatmap/")

    assert (head.status_code, head.content) == (200, b"")
    assert not head.streaming
    assert (head["ETag"], head["Content-Type"]) == (whole["ETag"], whole["Content-Type"])


@pytest.mark.django_db(transaction=True)
def test_connection_is_free_when_nobody_reads_at_all(footprints: list[Footprint]) -> None:
    blocks = stream_points(Footprint.objects.all())

    blocks.close()

    assert Footprint.objects.count() == len(footprints)
