"""Heat that is true for polygons: shares of area in cells of equal area."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import shapely
from django.contrib.gis.geos import MultiPolygon, Point, Polygon
from django.db import connection
from django.http import StreamingHttpResponse
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from footprints import grid
from footprints.grid import Box, CellTooSmall, stream_cells
from footprints.models import Footprint, FootprintPiece
from footprints.samples import write_footprints
from imports.jobs import create_import, run_import
from tests.factories.footprints import FootprintFactory
from tests.files import write_file, write_row

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/footprints/heatmap/?method=grid"
METRES_PER_DEGREE = 17_367_530.445 / 180  # of longitude, in EPSG:6933


def load(path: Path, *rings: Sequence[Any]) -> None:
    """Footprints of these polygons, by a real import."""
    file = path / "file.csv"
    texts = [json.dumps({"coordinates": rings}) for rings in rings]
    file.write_bytes(write_file(write_row(n, text) for n, text in enumerate(texts, start=1)))
    record = create_import("footprints", str(file))
    run_import(record.pk)
    record.refresh_from_db()
    assert record.rows_added == len(rings)


def draw_box(west: float, south: float, east: float, north: float) -> list[list[list[float]]]:
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]]


def read_cells(cell: float, boxes: Sequence[Box] = ()) -> dict[str, Any]:
    collection: dict[str, Any] = json.loads(
        b"".join(stream_cells(Footprint.objects.all(), cell, boxes))
    )
    return collection


def sum_weights(collection: dict[str, Any]) -> float:
    return math.fsum(feature["properties"]["weight"] for feature in collection["features"])


def test_box_weighs_by_its_share_of_each_cell(tmp_path: Path) -> None:
    """Three quarters of it lie east of the line between two cells, and all of it north of the
    equator."""
    width = 1_000 / METRES_PER_DEGREE
    load(tmp_path, draw_box(-width / 4, 0.0001, width * 3 / 4, 0.001))

    collection = read_cells(1_000)

    weights = {
        feature["geometry"]["coordinates"][0] > 0: feature["properties"]["weight"]
        for feature in collection["features"]
    }
    assert weights == {True: pytest.approx(0.75, abs=1e-9), False: pytest.approx(0.25, abs=1e-9)}
    [east] = [f for f in collection["features"] if f["geometry"]["coordinates"][0] > 0]
    assert east["geometry"]["coordinates"][0] == pytest.approx(width / 2, abs=1e-7)


def test_half_of_a_tall_polygon_by_ground_is_half_its_weight(tmp_path: Path) -> None:
    """Of a strip from the equator to 60° north half of the ground lies below 25.7°, not 30°."""
    load(tmp_path, draw_box(0.1, 0, 0.2, 60))

    features = read_cells(100_000)["features"]

    below = math.fsum(
        f["properties"]["weight"] for f in features if f["geometry"]["coordinates"][1] < 25.66
    )
    assert below == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("cell", [300, 1_000, 10_000, 1_000_000, 5_000_000])
def test_weights_sum_to_the_number_of_footprints(tmp_path: Path, cell: float) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(b"".join(write_footprints(300, seed=3)))
    run_import(create_import("footprints", str(file)).pk)

    collection = read_cells(cell)

    count = Footprint.objects.count()
    assert count == 300
    assert sum_weights(collection) == pytest.approx(count, abs=1e-6)
    assert collection["metadata"]["weight"]["sum"] == pytest.approx(count, abs=1e-6)


# In steps: an edge of more than 180° would be read as the other way round.
STEPS = range(-170, 171, 20)
WIDE = [[*([x, -80] for x in STEPS), *([x, 85] for x in reversed(STEPS)), [-170, -80]]]
# Across ±180°, as two boxes of which each is at an edge of the world.
ACROSS = draw_box(179.9, 50, 180.1, 50.1)
ROUND_THE_POLE = [[[-120, 88], [0, 88], [120, 88], [-120, 88]]]


@pytest.mark.parametrize("rings", [WIDE, ACROSS, ROUND_THE_POLE], ids=["wide", "across", "pole"])
@pytest.mark.parametrize("cell", [50_000, 777_777])
def test_polygon_at_the_edge_of_the_world_loses_nothing(
    tmp_path: Path, rings: Sequence[Any], cell: float
) -> None:
    load(tmp_path, rings)

    collection = read_cells(cell)

    assert sum_weights(collection) == pytest.approx(1, abs=1e-9)
    for feature in collection["features"]:
        longitude, latitude = feature["geometry"]["coordinates"]
        assert -180 <= longitude <= 180
        assert -90 <= latitude <= 90


def write_star(vertices: int) -> list[list[list[float]]]:
    """A polygon of many vertices, about 60 km wide."""
    angles = [2 * math.pi * n / vertices for n in range(vertices)]
    radii = [0.3 if n % 2 else 0.25 for n in range(vertices)]
    ring = [
        [10 + r * math.cos(a), 50 + r * math.sin(a)] for a, r in zip(angles, radii, strict=True)
    ]
    return [[*ring, ring[0]]]


def test_huge_polygon_weighs_the_same_in_pieces(tmp_path: Path) -> None:
    load(tmp_path, write_star(5_000))
    assert FootprintPiece.objects.count() > 10
    in_pieces = read_cells(3_000)

    FootprintPiece.objects.all().delete()
    whole = read_cells(3_000)

    def list_cells(collection: dict[str, Any]) -> list[Any]:
        return sorted(
            (*feature["geometry"]["coordinates"], feature["properties"]["weight"])
            for feature in collection["features"]
        )

    assert [c[:2] for c in list_cells(in_pieces)] == [c[:2] for c in list_cells(whole)]
    assert [c[2] for c in list_cells(in_pieces)] == pytest.approx(
        [c[2] for c in list_cells(whole)], abs=1e-6
    )
    assert sum_weights(in_pieces) == pytest.approx(1, abs=1e-9)


def test_boxes_beside_each_other_hold_every_cell_once(tmp_path: Path) -> None:
    load(tmp_path, draw_box(12, 51, 12.4, 51.3), draw_box(12.2, 51.1, 12.9, 51.2))
    whole = {tuple(f["geometry"]["coordinates"]): f for f in read_cells(2_000)["features"]}

    west = read_cells(2_000, [(11, 50, 12.3, 52)])["features"]
    east = read_cells(2_000, [(12.3, 50, 14, 52)])["features"]
    both = read_cells(2_000, [(11, 50, 12.3, 52), (12.2, 50, 14, 52)])["features"]

    def index(features: list[Any]) -> dict[Any, float]:
        return {tuple(f["geometry"]["coordinates"]): f["properties"]["weight"] for f in features}

    assert west
    assert east
    assert not index(west).keys() & index(east).keys()
    joined = index(west) | index(east)
    expected = index(list(whole.values()))
    assert joined.keys() == expected.keys() == index(both).keys()
    assert [joined[key] for key in expected] == pytest.approx(list(expected.values()), abs=1e-9)
    assert sum(index(both).values()) == pytest.approx(2, abs=1e-9)


def test_cell_outside_whose_middle_is_inside_counts_what_lies_outside(tmp_path: Path) -> None:
    """A footprint just beside the box shares a cell whose middle lies in the box."""
    degree = 10_000 / METRES_PER_DEGREE
    load(tmp_path, draw_box(0.95 * degree, 0.1 * degree, 0.99 * degree, 0.2 * degree))

    collection = read_cells(10_000, [(0, 0, 0.6 * degree, degree)])

    assert [f["properties"]["weight"] for f in collection["features"]] == [1]


def test_metadata_is_what_a_legend_needs(tmp_path: Path) -> None:
    load(tmp_path, *[draw_box(12 + n / 10, 51, 12.05 + n / 10, 51.05) for n in range(5)])

    collection = read_cells(1_000)

    weights = sorted(f["properties"]["weight"] for f in collection["features"])
    metadata = collection["metadata"]
    assert (metadata["method"], metadata["cell"], metadata["count"]) == ("grid", 1000, len(weights))
    assert metadata["weight"]["min"] == weights[0]
    assert metadata["weight"]["max"] == weights[-1]
    assert weights[0] <= metadata["weight"]["quantiles"]["0.5"] <= weights[-1]
    longitudes = [f["geometry"]["coordinates"][0] for f in collection["features"]]
    assert (metadata["bbox"][0], metadata["bbox"][2]) == (min(longitudes), max(longitudes))


def test_nothing_has_empty_metadata() -> None:
    assert read_cells(1_000) == {
        "type": "FeatureCollection",
        "metadata": {"method": "grid", "cell": 1000, "count": 0, "weight": None, "bbox": None},
        "features": [],
    }


def test_cell_that_is_too_small_names_the_smallest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(tmp_path, draw_box(12, 51, 12.4, 51.3))
    monkeypatch.setattr(grid, "MAX_PAIRS", 500)

    with pytest.raises(CellTooSmall) as caught:
        read_cells(10)

    smallest = caught.value.smallest
    assert smallest
    assert sum_weights(read_cells(smallest)) == pytest.approx(1)
    with pytest.raises(CellTooSmall):
        read_cells(smallest - 20)


def test_no_cell_is_large_enough_where_too_many_lie_across_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(tmp_path, draw_box(-0.1, -0.1, 0.1, 0.1))
    monkeypatch.setattr(grid, "MAX_PAIRS", 1)

    with pytest.raises(CellTooSmall, match="any size"):
        read_cells(10)


@pytest.mark.parametrize(
    ("query", "attr"),
    [
        ("", "cell"),
        ("&cell=abc", "cell"),
        ("&cell=0.5", "cell"),
        ("&cell=1e9", "cell"),
        ("&cell=-1", "cell"),
        ("&cell=NaN", "cell"),
        ("&cell=100&method=point", "method"),
        ("&cell=100&cell=200", "cell"),
        ("&cell=100&in_bbox=1,2,3", "in_bbox"),
        ("&cell=100&colour=red", "colour"),
    ],
)
def test_parameter_at_fault_is_named(api: APIClient, query: str, attr: str) -> None:
    response = api.get(URL + query)

    assert response.status_code == 400
    assert [error["attr"] for error in response.json()["errors"]] == [attr]


@pytest.mark.parametrize(("query", "attr"), [("method=square", "method"), ("cell=100", "cell")])
def test_other_methods_have_no_cells(api: APIClient, query: str, attr: str) -> None:
    response = api.get(f"/api/v1/footprints/heatmap/?{query}")

    assert [error["attr"] for error in response.json()["errors"]] == [attr]


def test_filters_apply_to_cells(api: APIClient, tmp_path: Path) -> None:
    load(tmp_path, draw_box(12, 51, 12.1, 51.1), draw_box(20, 51, 20.1, 51.1))

    def read(query: str) -> dict[str, Any]:
        response = api.get(f"{URL}&cell=5000&{query}")
        assert isinstance(response, StreamingHttpResponse)
        collection: dict[str, Any] = json.loads(b"".join(response.streaming_content))
        return collection

    assert sum_weights(read("org_id=1")) == pytest.approx(1)
    assert sum_weights(read("org_id=1&org_id=2")) == pytest.approx(2)
    assert sum_weights(read("in_bbox=19,50,21,52")) == pytest.approx(1)
    assert read("org_id=99")["features"] == []


def measure(shape: shapely.Polygon, cell: float) -> dict[tuple[int, int], float]:
    """The shares by shapely, of the shape as PostGIS projects it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ST_AsBinary(ST_Transform(ST_GeomFromWKB(%s, 4326), 6933))", [shape.wkb]
        )
        [(wkb,)] = cursor.fetchall()
    flat = shapely.from_wkb(bytes(wkb))
    west, south, east, north = (math.floor(edge / cell) for edge in flat.bounds)
    shares = {}
    for i in range(west, east + 1):
        for j in range(south, north + 1):
            square = shapely.box(i * cell, j * cell, (i + 1) * cell, (j + 1) * cell)
            if share := flat.intersection(square).area / flat.area:
                shares[i, j] = share
    return shares


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lon=st.floats(-179, 178),
    lat=st.floats(-80, 79),
    angles=st.sets(st.integers(0, 359).map(math.radians), min_size=4, max_size=12),
)
def test_shares_are_those_of_another_geometry_library(
    tmp_path: Path, lon: float, lat: float, angles: set[float]
) -> None:
    ring = [(lon + 0.5 * math.cos(a), lat + 0.5 * math.sin(a)) for a in sorted(angles)]
    shape = shapely.Polygon(ring)
    assume(shape.is_valid and shape.area > 1e-3)
    Footprint.objects.all().delete()
    load(tmp_path, [[list(position) for position in [*ring, ring[0]]]])

    weights = [f["properties"]["weight"] for f in read_cells(30_000)["features"]]

    expected = measure(shape, 30_000).values()
    assert sum(weights) == pytest.approx(1, abs=1e-9)
    # Corners that a rounding error makes or unmakes are no difference.
    large, known = ([w for w in found if w > 1e-6] for found in (weights, expected))
    assert sorted(large) == pytest.approx(sorted(known), abs=2e-6)


def test_cells_near_a_pole_have_their_own_latitude(tmp_path: Path) -> None:
    load(tmp_path, draw_box(20, 88, 20.5, 88.1), draw_box(20, 86, 20.5, 86.1))

    places = [tuple(f["geometry"]["coordinates"]) for f in read_cells(1_000)["features"]]
    north = read_cells(1_000, [(-180, 87, 180, 90)])
    south = read_cells(1_000, [(-180, 0, 180, 87)])

    assert len(set(places)) == len(places)
    assert max(latitude for _, latitude in places) > 87
    assert sum_weights(north) + sum_weights(south) == pytest.approx(2)
    assert sum_weights(north) == pytest.approx(1)


def test_footprint_without_an_area_on_the_ground_weighs_one() -> None:
    """So near to a pole that its latitudes are one in the projection."""
    cap = MultiPolygon(
        Polygon.from_bbox((10, 89.9999999, 60, 90)),
        Polygon.from_bbox((70, 89.9999999, 80, 90)),
        srid=4326,
    )
    FootprintFactory(geometry=cap, simplified=cap, point=Point(15, 90, srid=4326), area_m2=0)

    assert sum_weights(read_cells(1_000)) == pytest.approx(1)


def test_smallest_cell_of_a_box_counts_what_larger_cells_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = [draw_box(12.2 + n / 100, 51, 12.8, 51.1) for n in range(20)]
    load(tmp_path, draw_box(12, 51, 12.1, 51.1), *beside)
    monkeypatch.setattr(grid, "MAX_PAIRS", 100)
    box = (11.9, 50.9, 12.1, 51.2)

    with pytest.raises(CellTooSmall) as caught:
        read_cells(500, [box])

    assert caught.value.smallest
    assert read_cells(caught.value.smallest, [box])["features"]


def test_boxes_of_a_grid_are_bounded(api: APIClient) -> None:
    boxes = "".join(f"&in_bbox={n},0,{n + 1},1" for n in range(11))

    response = api.get(f"{URL}&cell=1000{boxes}")

    assert response.status_code == 400
    assert response.json()["errors"][0]["attr"] == "in_bbox"
