"""Vector tiles: every point once, few bytes however many footprints, and outlines from zoom 10."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mapbox_vector_tile
import pytest
from django.contrib.gis.geos import MultiPolygon, Point, Polygon
from pytest_django import Settings
from rest_framework.test import APIClient

from config.api.tiles import EXTENT, Tile
from footprints import tiles
from footprints.models import Footprint
from footprints.samples import write_footprints
from footprints.tiles import make_tile
from imports.jobs import create_import, run_import
from tests.factories.footprints import FootprintFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/footprints/tiles"
MOST_BYTES = 500_000


def read_tile(z: int, x: int, y: int) -> dict[str, list[dict[str, Any]]]:
    """The features of each layer, y from the north."""
    data = make_tile(Footprint.objects.all(), Tile(z, x, y))
    options = {"y_coord_down": True}
    layers = mapbox_vector_tile.decode(data, default_options=options)
    return {name: layer["features"] for name, layer in layers.items()}


def make_footprints(*places: tuple[float, float]) -> list[Footprint]:
    return [
        FootprintFactory(lon=lon, lat=lat, point=Point(lon, lat, srid=4326)) for lon, lat in places
    ]


def find_tile(lon: float, lat: float, z: int) -> tuple[int, int]:
    x = (lon + 180) / 360 * 2**z
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * 2**z
    return int(x), int(y)


def sum_weights(features: Sequence[dict[str, Any]]) -> int:
    return sum(feature["properties"]["weight"] for feature in features)


def test_point_stands_in_its_place_with_what_is_known_of_it() -> None:
    [footprint] = make_footprints((13.4, 52.5))
    x, y = find_tile(13.4, 52.5, 8)

    [feature] = read_tile(8, x, y)["points"]

    assert feature["id"] == footprint.pk
    assert feature["properties"] == {
        "weight": 1,
        "org_id": footprint.org_id,
        "source_event_timestamp": footprint.source_event_timestamp.isoformat().replace(
            "+00:00", "Z"
        ),
        "area_m2": footprint.area_m2,
    }
    column, row = feature["geometry"]["coordinates"]
    longitude = (x + column / EXTENT) / 2**8 * 360 - 180
    latitude = math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * (y + row / EXTENT) / 2**8))))
    assert (longitude, latitude) == pytest.approx((13.4, 52.5), abs=0.001)


def test_near_points_are_one_with_their_number() -> None:
    make_footprints((13.4, 52.5), (13.4001, 52.5), (13.4, 52.5001), (-60, -20))

    features = read_tile(0, 0, 0)["points"]

    assert sorted(f["properties"]["weight"] for f in features) == [1, 3]
    [cluster] = [f for f in features if f["properties"]["weight"] == 3]
    assert cluster["properties"] == {"weight": 3}


EDGES = [(0, 0), (180, 10), (-180, 10), (90, 66.51326044311186), (180, -85), (-90, 0), (45, 45)]


@pytest.mark.parametrize("z", [0, 1, 2, 3])
def test_point_on_an_edge_is_in_one_tile(z: int) -> None:
    make_footprints(*EDGES)

    found = [
        sum_weights(read_tile(z, x, y).get("points", [])) for x in range(2**z) for y in range(2**z)
    ]

    assert sum(found) == len(EDGES)


def test_poles_are_on_no_tile_and_no_fault() -> None:
    make_footprints((10, 90), (10, -90), (10, 88))

    assert read_tile(0, 0, 0).get("points", []) == []


@pytest.mark.parametrize(("z", "has_outlines"), [(9, False), (10, True), (16, True)])
def test_outlines_are_drawn_from_zoom_10_on(z: int, *, has_outlines: bool) -> None:
    [footprint] = make_footprints((13.4, 52.5))
    x, y = find_tile(13.401, 52.501, z)

    outlines = read_tile(z, x, y).get("outlines", [])

    assert [feature["id"] for feature in outlines] == ([footprint.pk] if has_outlines else [])


def test_outline_at_a_pole_is_no_fault() -> None:
    cap = MultiPolygon(Polygon.from_bbox((-180, 80, 180, 90)), srid=4326)
    FootprintFactory(geometry=cap, simplified=cap, point=Point(0, 85, srid=4326))

    assert read_tile(10, 512, 0)["outlines"]


@pytest.mark.django_db(transaction=True)
def test_tile_of_very_many_footprints_stays_small(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(b"".join(write_footprints(2_000, seed=1)))
    run_import(create_import("footprints", str(file)).pk)
    # All of them again and again, a little aside, as large as a part of a tile.
    for step in range(1, 5):
        copies = Footprint.objects.filter(line__lte=2_001)
        Footprint.objects.bulk_create(
            Footprint(
                **{
                    field.name: getattr(copy, field.name)
                    for field in Footprint._meta.concrete_fields
                    if field.name not in {"id", "line", "original_sha256", "point"}
                },
                line=10_000,
                original_sha256=f"{copy.pk}-{step}".encode(),
                point=Point(13.3 + (copy.pk % 90) / 900, 52.4 + (copy.pk % 70) / 700, srid=4326),
            )
            for copy in copies
        )

    for z in (0, 5, 8, 10, 12):
        x, y = find_tile(13.35, 52.45, z)
        assert len(make_tile(Footprint.objects.all(), Tile(z, x, y))) < MOST_BYTES


def test_huge_outlines_are_left_out_before_the_tile_is_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tiles, "MAX_OUTLINE_VERTICES", 20_000)
    lon, lat = 13.36, 52.48
    for number in range(60):
        angles = [2 * math.pi * n / 3_000 for n in range(3_000)]
        radius = 0.05 + number / 5_000
        ring = [
            (lon + radius * (1 + n % 2 / 5) * math.cos(a), lat + radius * math.sin(a))
            for n, a in enumerate(angles)
        ]
        star = MultiPolygon(Polygon([*ring, ring[0]]), srid=4326)
        FootprintFactory(
            geometry=star, simplified=star, point=Point(lon, lat, srid=4326), area_m2=number
        )
    x, y = find_tile(lon, lat, 10)

    data = make_tile(Footprint.objects.all(), Tile(10, x, y))

    assert len(data) < MOST_BYTES
    outlines = mapbox_vector_tile.decode(data)["outlines"]["features"]
    areas = [feature["properties"]["area_m2"] for feature in outlines]
    assert 0 < len(areas) < 60
    assert min(areas) == 60 - len(areas)  # the largest are there


# Over the API


@pytest.mark.parametrize(
    "path", ["23/0/0", "0/1/0", "0/0/1", "5/32/0", "99999999999/0/0", "1/-1/0", "a/b/c", "1.5/0/0"]
)
def test_tile_that_is_not_on_the_map_is_a_404(api: APIClient, path: str) -> None:
    assert api.get(f"{URL}/{path}.mvt").status_code == 404


def test_tile_is_kept_by_the_client_until_rows_change(api: APIClient) -> None:
    make_footprints((13.4, 52.5))
    first = api.get(f"{URL}/0/0/0.mvt")

    again = api.get(f"{URL}/0/0/0.mvt", headers={"If-None-Match": first["ETag"]})
    make_footprints((13.4, 52.5))
    changed = api.get(f"{URL}/0/0/0.mvt", headers={"If-None-Match": first["ETag"]})

    assert first["Content-Type"] == "application/vnd.mapbox-vector-tile"
    assert "max-age=60" in first["Cache-Control"]
    assert (again.status_code, again.content) == (304, b"")
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


def test_filters_apply_to_tiles(api: APIClient) -> None:
    first, _ = make_footprints((13.4, 52.5), (-60, 20))

    def read(query: str) -> list[Any]:
        layers = mapbox_vector_tile.decode(api.get(f"{URL}/0/0/0.mvt?{query}").content)
        return [feature["id"] for feature in layers["points"]["features"]]

    assert read(f"org_id={first.org_id}") == [first.pk]
    assert read("in_bbox=10,50,20,60") == [first.pk]
    assert len(read("")) == 2
    assert api.get(f"{URL}/0/0/0.mvt?colour=red").status_code == 400


def test_nothing_there_is_an_empty_tile(api: APIClient) -> None:
    response = api.get(f"{URL}/4/3/2.mvt")

    assert (response.status_code, response.content) == (200, b"")


def test_whoever_asks_for_tiles_by_another_name_gets_them(api: APIClient) -> None:
    response = api.get(f"{URL}/0/0/0.mvt", headers={"Accept": "application/x-protobuf"})

    assert response.status_code == 200


def test_tiles_are_described_with_their_filters(api: APIClient) -> None:
    make_footprints((13.4, 52.5), (-60, 20))

    told = api.get(f"{URL}.json?org_id=1&org_id=2").json()
    plain = api.get(f"{URL}.json").json()

    assert told["tilejson"] == "3.0.0"
    assert told["tiles"] == [f"http://testserver{URL}/{{z}}/{{x}}/{{y}}.mvt?org_id=1&org_id=2"]
    assert plain["bounds"] == [-60, 20, 13.4, 52.5]
    assert [layer["id"] for layer in plain["vector_layers"]] == ["points", "outlines"]
    assert api.get(f"{URL}.json?colour=red").status_code == 400


def test_tiles_need_a_login_where_reading_does(api: APIClient, settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()

    assert api.get(f"{URL}/0/0/0.mvt").status_code == 401
    assert api.get(f"{URL}.json").status_code == 401
