import csv
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from footprints.polygons import Limits, PolygonError, repair_polygon

REAL_DATA = Path(
    os.environ.get("CATCHMENT_REAL_DATA", str(Path(__file__).parents[2].parent / "shared" / "data"))
)
ANTIMERIDIAN = REAL_DATA / "footprints" / "antimeridian"
REAL_SAMPLE = REAL_DATA / "footprints" / "sample-usage-events.csv"
TOWN = REAL_DATA / "footprints" / "znz001_buildings.geojson"

SQUARE = [[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]
BOW_TIE = [[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]


def polygon_text(*rings: Any) -> str:
    return json.dumps({"type": "Polygon", "coordinates": rings})


def multi_text(*parts: Any) -> str:
    return json.dumps({"type": "MultiPolygon", "coordinates": parts})


def codes(text: str) -> list[str]:
    return [repair.code for repair in repair_polygon(text).repairs]


def refusal(text: str, limits: Limits | None = None) -> PolygonError:
    with pytest.raises(PolygonError) as caught:
        repair_polygon(text, limits=limits or Limits())
    return caught.value


def assert_sound(text: str) -> None:
    repaired = repair_polygon(text)
    for geometry in (repaired.geometry, repaired.simplified):
        west, south, east, north = geometry.bounds
        assert geometry.geom_type == "MultiPolygon"
        assert geometry.is_valid
        assert geometry.area > 0
        assert -180 <= west <= east <= 180
        assert -90 <= south <= north <= 90
    assert repaired.geometry.contains(repaired.point)


# Reading


@pytest.mark.parametrize(
    "text",
    [
        polygon_text(SQUARE),
        multi_text([SQUARE]),
        json.dumps({"coordinates": [SQUARE]}),
        json.dumps({"coordinates": [[SQUARE]]}),
        '{"type":"Feature","properties":{"a":"[[["},"geometry":' + polygon_text(SQUARE) + "}",
        '{"type":"Feature","geometry":{"coordinates":' + json.dumps([SQUARE]) + "}}",
        ' {"a":"\\"[{","coordinates" : [ [ ' + json.dumps(SQUARE) + " ] ] } ",
    ],
)
def test_repair_polygon_takes_every_wrapping(text: str) -> None:
    repaired = repair_polygon(text)

    assert repaired.geometry.equals(shapely.box(0, 0, 2, 2))
    assert (repaired.vertex_count, repaired.original_vertex_count) == (5, 5)
    assert (repaired.repairs, repaired.area_change) == ((), 0.0)


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("", "invalid_json", "JSON"),
        ('{"type":"Polygon"', "invalid_json", "JSON"),
        ("\x00", "invalid_json", "JSON"),
        ("\ud800", "invalid_text", "character"),
        ("[1]", "not_an_object", "object"),
        ('"text"', "not_an_object", "object"),
        ('{"type":3,"coordinates":[]}', "unsupported_type", "type"),
        ('{"type":"Point","coordinates":[1,2]}', "unsupported_type", "Point"),
        ('{"type":"LineString","coordinates":[[1,2],[3,4]]}', "unsupported_type", "LineString"),
        ('{"type":"GeometryCollection"}', "unsupported_type", "GeometryCollection"),
        ('{"type":"FeatureCollection","features":[]}', "unsupported_type", "FeatureCollection"),
        ('{"coordinates":[1,2]}', "unsupported_type", "coordinates"),
        ('{"type":"Feature"}', "missing_geometry", "geometry"),
        ('{"type":"Feature","geometry":null}', "null_geometry", "geometry"),
        ('{"type":"Feature","geometry":7}', "not_an_object", "geometry"),
        ('{"type":"Polygon"}', "missing_coordinates", "coordinates"),
        ("{}", "missing_coordinates", "coordinates"),
        ('{"type":"Polygon","coordinates":[]}', "empty_coordinates", "coordinates"),
        ('{"type":"Polygon","coordinates":[[]]}', "empty_coordinates", "coordinates"),
        ('{"type":"MultiPolygon","coordinates":[[],[[]]]}', "empty_coordinates", "coordinates"),
        ('{"coordinates":[]}', "empty_coordinates", "coordinates"),
        ('{"type":"Polygon","coordinates":null}', "invalid_coordinates", "coordinates"),
        ('{"type":"Polygon","coordinates":[[1,2]]}', "invalid_coordinates", "coordinates[0][0]"),
        ('{"coordinates":[[["1",2]]]}', "invalid_coordinates", "coordinates[0][0][0]"),
        ('{"coordinates":[[[true,2]]]}', "invalid_coordinates", "coordinates[0][0][0]"),
        ('{"coordinates":[[[1,null]]]}', "invalid_coordinates", "coordinates[0][0][1]"),
        ('{"coordinates":[[[1]]]}', "invalid_coordinates", "coordinates[0][0]"),
        ('{"coordinates":[[[1e400,2]]]}', "not_finite", "coordinates[0][0][0]"),
        ('{"coordinates":[[[NaN,2]]]}', "not_finite", "NaN"),
        ('{"coordinates":[[[1,-Infinity]]]}', "not_finite", "-Infinity"),
        (polygon_text([[0, 0], [1, 95], [1, 0], [0, 0]]), "latitude_out_of_range", "95"),
        (polygon_text([[0, 0], [541, 5], [1, 0], [0, 0]]), "longitude_out_of_range", "541"),
        (polygon_text([[0, 0], [1, 1], [0, 0]]), "no_area", "area"),
        (polygon_text([[0, 0], [1, 1], [2, 2], [0, 0]]), "no_area", "area"),
        (polygon_text([[0, 0], [1e-300, 0], [0, 1e-300], [0, 0]]), "no_area", "area"),
        (polygon_text([[5, 5], [6, 5], [6, 5.000000000000001], [5, 5]]), "no_area", "area"),
    ],
)
def test_repair_polygon_refuses_and_names(text: str, code: str, named: str) -> None:
    error = refusal(text)

    assert error.code == code
    assert named in error.reason


def test_limits_count_only_brackets_outside_strings() -> None:
    text = '{"type":"Feature","properties":{"a":"' + "[" * 500 + '\\""},"geometry":{}}'

    assert refusal(text).code == "missing_coordinates"


@pytest.mark.parametrize("depth", [3, 4])
def test_limits_allow_exactly_the_depth(depth: int) -> None:
    text = json.dumps({"coordinates": [SQUARE]})

    if depth == 4:
        assert repair_polygon(text, limits=Limits(max_depth=depth)).repairs == ()
    else:
        assert refusal(text, Limits(max_depth=depth)).code == "too_deep"


def test_limits_allow_exactly_the_vertices() -> None:
    text = polygon_text(SQUARE)

    assert repair_polygon(text, limits=Limits(max_vertices=5)).vertex_count == 5
    assert refusal(text, Limits(max_vertices=4)).code == "too_many_vertices"


def test_limits_count_bytes_not_characters() -> None:
    text = json.dumps({"a": "é" * 50, "coordinates": [SQUARE]}, ensure_ascii=False)
    size = len(text.encode())

    assert repair_polygon(text, limits=Limits(max_bytes=size)).repairs == ()
    assert refusal(text, Limits(max_bytes=size - 1)).code == "too_large"


def ring_of(positions: Any) -> str:
    return polygon_text([*positions, positions[0]])


def bombs() -> dict[str, tuple[str, str]]:
    rng = np.random.default_rng(1)
    saw = [[i / 190_000, i % 2] for i in range(190_000)]
    dots = ",".join(["[1,2]"] * 2_000_000)
    triangle = "[[[0,0],[1,0],[1,1],[0,0]]]"
    nested = [[[-i, -i], [i, -i], [0, i], [-i, -i]] for i in np.arange(1, 40_000) / 1e3]
    holes = [[[1, 1], [2, 1], [2, 2], [1, 1]]] * 40_000
    turns = [[i * 100 % 360 - 180, i / 190_000 * 80] for i in range(190_000)]
    zigzag = [[179.9 if i % 2 else -179.9, i / 190_000 * 80] for i in range(190_000)]
    return {
        "200 levels": ("[" * 200 + "]" * 200, "too_deep"),
        "100,000 levels": ("[" * 100_000 + "]" * 100_000, "too_deep"),
        "never closed": ("[" * 1_000_000, "too_deep"),
        "deep coordinates": ('{"coordinates":' + "[" * 50_000 + "]" * 50_000 + "}", "too_deep"),
        "deep objects": ('{"a":' * 50_000 + "1" + "}" * 50_000, "too_deep"),
        "closings in strings": ('{"a":["]",' * 5_000 + "1" + "]}" * 5_000, "too_deep"),
        "escaped quotes": ('{"a\\"":[' * 5_000 + "]}" * 5_000, "too_deep"),
        "mixed levels": ('[{"a":' * 100 + "1" + "}]" * 100, "too_deep"),
        "100 MB": ("x" * 100_000_000, "too_large"),
        "two-byte characters": ("é" * 9_000_000, "too_large"),
        "2 million vertices": ('{"coordinates":[[' + dots + "]]}", "too_many_vertices"),
        "2 million arrays": ("[" + "[]," * 2_000_000 + "[]]", "too_many_vertices"),
        "60,000 parts": (
            '{"type":"MultiPolygon","coordinates":[' + ",".join([triangle] * 60_000) + "]}",
            "too_many_vertices",
        ),
        "long position": (
            '{"coordinates":[[[' + "1," * 5_000_000 + "1]]]}",
            "too_many_vertices",
        ),
        "flat": ('{"coordinates":[' + "1," * 5_000_000 + "1]}", "unsupported_type"),
        "huge integer": ('{"coordinates":[[[' + "9" * 1_000_000 + ",1]]]}", "not_finite"),
        "half a million keys": (
            "{" + ",".join(f'"k{i}":1' for i in range(500_000)) + "}",
            "missing_coordinates",
        ),
        "empty parts": (
            '{"type":"MultiPolygon","coordinates":[' + "[]," * 190_000 + "[]]}",
            "empty_coordinates",
        ),
        "random star": (ring_of(rng.random((2_000, 2)).tolist()), "too_complex"),
        "large random star": (ring_of(rng.random((150_000, 2)).tolist()), "too_complex"),
        "one triangle 40,000 times": (
            '{"type":"MultiPolygon","coordinates":[' + ",".join([triangle] * 40_000) + "]}",
            "too_complex",
        ),
        "nested triangles": (multi_text(*[[ring] for ring in nested]), "too_complex"),
        "one hole 40,000 times": (
            polygon_text([[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]], *holes),
            "too_complex",
        ),
        "round and round": (ring_of(turns), "too_many_turns"),
        "zigzag over 180": (ring_of([*zigzag, [170, 80], [170, 0]]), "too_complex"),
        "unclosed string": ('"' + "[" * 1_000_000, "invalid_json"),
        "saw on a line": (ring_of([[x, 0] for x, _ in saw]), "no_area"),
    }


BOMBS = list(bombs())


@pytest.fixture(scope="module")
def bomb_texts() -> dict[str, tuple[str, str]]:
    return bombs()


@pytest.mark.parametrize("name", BOMBS)
def test_repair_polygon_refuses_bomb(name: str, bomb_texts: dict[str, tuple[str, str]]) -> None:
    text, code = bomb_texts[name]
    started = time.perf_counter()

    error = refusal(text)

    assert error.code == code
    assert time.perf_counter() - started < 5


def test_simplified_survives_190000_teeth() -> None:
    teeth = [[i / 200_000, i % 2 * 50 + i / 200_000] for i in range(190_000)]

    repaired = repair_polygon(ring_of([*teeth, [0.95, -1], [0, -1]]))

    assert repaired.geometry.is_valid
    assert shapely.get_num_coordinates(repaired.simplified) <= 0.05 * repaired.vertex_count


# Repairing


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (polygon_text([[0, 0, 5], [2, 0, 5], [2, 2], [0, 0, 1, 2]]), ["dropped_z"]),
        (polygon_text(SQUARE[:-1]), ["ring_closed"]),
        (polygon_text([[0, 0], *SQUARE]), ["duplicate_points"]),
        (polygon_text(SQUARE, [[1, 1], [1.5, 1], [1, 1]]), ["collapsed_ring"]),
        (multi_text([SQUARE], [[[5, 5], [6, 6], [5, 5]]]), ["collapsed_ring"]),
        (polygon_text(BOW_TIE), ["self_intersection"]),
        (
            polygon_text([[0, 0], [2, 0], [2, 2], [1, 0.5], [2, 3], [0, 3], [1, 0.5], [0, 0]]),
            ["ring_self_intersection"],
        ),
        (polygon_text(SQUARE, [[5, 5], [6, 5], [6, 6], [5, 5]]), ["hole_outside_shell"]),
        (
            polygon_text(
                [[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]],
                [[1, 1], [8, 1], [8, 8], [1, 8], [1, 1]],
                [[2, 2], [3, 2], [3, 3], [2, 2]],
            ),
            ["nested_holes"],
        ),
        (
            multi_text([SQUARE], [[[0.5, 0.5], [1, 0.5], [1, 1], [0.5, 0.5]]]),
            ["nested_shells"],
        ),
        (
            polygon_text(SQUARE, [[0, 1], [1, 0], [2, 1], [1, 2], [0, 1]]),
            ["disconnected_interior"],
        ),
        (polygon_text([[190, 0], [192, 0], [192, 2], [190, 0]]), ["longitude_wrapped"]),
        (
            polygon_text([[179, 0], [181, 0], [181, 2], [179, 2], [179, 0]]),
            ["longitude_wrapped", "antimeridian"],
        ),
        (polygon_text([[179, 0], [-179, 0], [-179, 2], [179, 2], [179, 0]]), ["antimeridian"]),
    ],
)
def test_repair_polygon_notes_what_it_repaired(text: str, expected: list[str]) -> None:
    assert codes(text) == expected
    assert_sound(text)


def test_repair_reason_tells_where() -> None:
    repaired = repair_polygon(polygon_text(BOW_TIE))

    assert repaired.repairs[0].reason == "Self-intersection at 1 1"
    assert repaired.geometry.area == pytest.approx(2)


def test_area_change_is_none_where_the_lobes_cancel_out() -> None:
    assert repair_polygon(polygon_text(BOW_TIE)).area_change is None


def test_area_change_tells_the_share_gained() -> None:
    lobes = [[0, 0], [4, 4], [4, 6], [6, 6], [6, 4], [4, 4], [0, 8], [0, 0]]
    drawn = shapely.Polygon(lobes).area

    repaired = repair_polygon(polygon_text(lobes))

    assert repaired.area_change == pytest.approx((repaired.geometry.area - drawn) / drawn)
    assert repaired.repairs


def test_point_lies_on_the_surface_of_a_ring() -> None:
    outer = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
    inner = [[1, 1], [9, 1], [9, 9], [1, 9], [1, 1]]

    repaired = repair_polygon(polygon_text(outer, inner))

    assert repaired.geometry.contains(repaired.point)
    assert not repaired.geometry.contains(repaired.geometry.centroid)


def test_last_of_two_equal_keys_counts() -> None:
    text = '{"coordinates":[[[9,9],[8,8],[9,8],[9,9]]],"coordinates":[' + json.dumps(SQUARE) + "]}"

    assert repair_polygon(text).geometry.area == 4


# Around the world

# file: (area, longitudes and latitudes inside, and outside)
AROUND: dict[str, tuple[float, list[tuple[float, float]], list[tuple[float, float]]]] = {
    "almost-180": (18.1533, [(-176, -15), (-179.9, -15.7)], [(0, -15), (179.9, -15.7)]),
    # Clockwise round more than half of the sphere: what lies outside is meant.
    "both-poles": (23152.5, [(0, 89), (0, -89), (-110, 10), (180, 80)], [(0, 0), (170, 0)]),
    "complex-split": (
        8400,
        [(170, -30), (-130, -30), (-130, 30), (130, 50)],
        [(0, 0), (170, 30), (170, -10)],
    ),
    "crossing": (3200, [(150, 0), (-150, 0)], [(0, 0), (130, 0), (-130, 0)]),
    "cw-split": (200, [(175, 45), (-175, 45)], [(0, 45), (165, 45), (0, 89)]),
    # A satellite's swath that ends just beyond the north pole.
    "force-north-pole": (11513.4, [(0, 89.9), (-90, 0), (94, 2)], [(0, 0), (180, 0), (0, -89)]),
    "great-circle": (1.3, [(179.3, -66), (-179.5, -66)], [(0, -66), (-178, -66)]),
    "latitude-band": (3600, [(0, 45), (-179, 45), (179, 45)], [(0, 39), (0, 51)]),
    "multi-split": (400, [(175, 45), (-175, -45)], [(0, 45), (0, 0), (175, 0)]),
    "north-pole": (18000, [(0, 89), (0, 41), (180, 41)], [(0, 39), (0, -89)]),
    "over-180": (200, [(175, 45), (-175, 45)], [(0, 45), (-165, 45)]),
    "south-pole": (3600, [(0, -89), (180, -81)], [(0, -79), (0, 89)]),
    "two-holes": (
        450,
        [(162, 50), (-172, 50), (180, 42)],
        [(167, 50), (178, 50), (-178, 50), (0, 50)],
    ),
}


@pytest.mark.skipif(not ANTIMERIDIAN.is_dir(), reason="real shapes are not on this machine")
@pytest.mark.parametrize("name", AROUND)
def test_repair_polygon_puts_shape_on_the_right_side_of_the_world(name: str) -> None:
    area, inside, outside = AROUND[name]
    text = (ANTIMERIDIAN / f"{name}.json").read_text()

    repaired = repair_polygon(text)

    assert_sound(text)
    assert repaired.geometry.area == pytest.approx(area, rel=1e-4)
    assert [xy for xy in inside if not repaired.geometry.intersects(shapely.Point(xy))] == []
    assert [xy for xy in outside if repaired.geometry.intersects(shapely.Point(xy))] == []
    assert repaired.simplified.area == pytest.approx(area, rel=0.02)


@pytest.mark.skipif(not ANTIMERIDIAN.is_dir(), reason="real shapes are not on this machine")
def test_every_real_shape_has_an_expectation() -> None:
    assert {path.stem for path in ANTIMERIDIAN.glob("*.json")} == set(AROUND)


@pytest.mark.parametrize("step", [30, -30])
@pytest.mark.parametrize("latitude", [80, -80])
def test_ring_round_a_pole_encloses_the_cap_however_it_is_wound(latitude: int, step: int) -> None:
    ring = [[(n * step + 195) % 360 - 180, latitude] for n in range(12)]

    repaired = repair_polygon(ring_of(ring))

    assert repaired.geometry.area == pytest.approx(3600)
    assert math.copysign(80, repaired.point.y) == latitude


def test_ring_round_a_pole_with_a_hole_round_it_is_a_band() -> None:
    outer, inner = (
        [[(n * step + 195 + shift) % 360 - 180, latitude] for n in range(13)]
        for latitude, step, shift in ((60, 30, 0), (70, -30, 7))
    )

    repaired = repair_polygon(polygon_text(outer, inner))

    assert repaired.geometry.area == pytest.approx(3600)
    assert repaired.geometry.bounds == (-180, 60, 180, 70)


def test_parts_already_split_stay_as_they_came() -> None:
    east = [[170, 0], [180, 0], [180, 10], [170, 10], [170, 0]]
    west = [[-180, 0], [-170, 0], [-170, 10], [-180, 10], [-180, 0]]

    repaired = repair_polygon(multi_text([east], [west]))

    assert repaired.repairs == ()
    assert repaired.geometry.equals_exact(shapely.MultiPolygon([[east, []], [west, []]]))


def test_box_written_with_both_signs_of_180_stays_small() -> None:
    south = [[170, 0], [180, 0], [-180, 0], [-170, 0]]
    north = [[-170, 10], [-180, 10], [180, 10], [170, 10]]

    repaired = repair_polygon(ring_of([*south, *north]))

    assert repaired.geometry.area == pytest.approx(200)
    assert abs(repaired.point.x) >= 170


def test_bow_tie_across_180_is_split_and_repaired() -> None:
    text = polygon_text([[179, 0], [-179, 2], [-179, 0], [179, 2], [179, 0]])

    repaired = repair_polygon(text)

    assert_sound(text)
    assert {"antimeridian", "self_intersection"} <= {repair.code for repair in repaired.repairs}
    assert repaired.geometry.area == pytest.approx(2)
    assert abs(repaired.point.x) >= 179


def test_box_of_200_degrees_without_vertices_between_is_read_the_short_way() -> None:
    box = [[-100, 0], [100, 0], [100, 10], [-100, 10]]
    with_between = [[-100, 0], [0, 0], [100, 0], [100, 10], [0, 10], [-100, 10]]

    short, long = repair_polygon(ring_of(box)), repair_polygon(ring_of(with_between))

    assert short.geometry.area == pytest.approx(1600)
    assert long.geometry.area == pytest.approx(2000)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.floats(0.2, 1), min_size=3, max_size=40),
    st.floats(-180, 180),
    st.floats(-60, 60),
    st.booleans(),
)
def test_star_anywhere_keeps_its_area(
    radii: list[float], x: float, y: float, is_wrapped: bool
) -> None:
    turns = [2 * math.pi * n / len(radii) for n in range(len(radii))]
    ring = [
        [x + r * math.cos(turn), y + r * math.sin(turn)]
        for r, turn in zip(radii, turns, strict=True)
    ]
    area = shapely.Polygon(ring).area
    if is_wrapped:
        ring = [[(longitude + 180) % 360 - 180, latitude] for longitude, latitude in ring]

    repaired = repair_polygon(ring_of(ring))

    assert_sound(ring_of(ring))
    assert repaired.geometry.area == pytest.approx(area, rel=1e-3)
    assert abs((repaired.point.x - x + 180) % 360 - 180) <= 1


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(-540, 540), st.integers(-90, 90)), min_size=0, max_size=9),
        max_size=4,
    )
)
def test_any_rings_become_a_sound_polygon_or_a_refusal(
    rings: list[list[tuple[int, int]]],
) -> None:
    text = polygon_text(*rings)

    try:
        repair_polygon(text)
    except PolygonError as error:
        code = error.code
    else:
        code = "sound"
        assert_sound(text)
    assert code in {"sound", "no_area", "empty_coordinates", "too_many_turns"}


@settings(max_examples=200, deadline=None)
@given(st.recursive(st.none() | st.floats() | st.text(), lambda inner: st.lists(inner)))
def test_any_json_is_a_polygon_or_a_refusal(coordinates: Any) -> None:
    text = json.dumps({"coordinates": coordinates})

    assert refusal(text).reason


# Drawing


def test_simplified_keeps_to_its_budget_and_near_the_shape() -> None:
    angles = np.linspace(0, 2 * np.pi, 20_001)[:-1]
    radius = 1 + 0.02 * np.random.default_rng(7).random(len(angles))
    ring = np.column_stack([radius * np.cos(angles), radius * np.sin(angles)]).tolist()

    repaired = repair_polygon(ring_of(ring))

    assert shapely.get_num_coordinates(repaired.simplified) <= 0.05 * repaired.vertex_count
    assert repaired.simplified.is_valid
    assert repaired.simplified.area == pytest.approx(repaired.geometry.area, rel=0.03)


@pytest.mark.skipif(not TOWN.is_file(), reason="the town is not on this machine")
def test_town_of_4439_houses_is_drawn_with_a_twentieth_of_its_vertices() -> None:
    repaired = repair_polygon(TOWN.read_text())

    covered = repaired.simplified.intersection(repaired.geometry).area
    assert repaired.original_vertex_count == 37_467
    assert shapely.get_num_coordinates(repaired.simplified) <= 0.05 * repaired.vertex_count
    assert repaired.simplified.is_valid
    assert covered > 0.9 * repaired.geometry.area
    assert repaired.simplified.area < 2.6 * repaired.geometry.area


@pytest.mark.skipif(not REAL_SAMPLE.is_file(), reason="the real sample is not on this machine")
def test_real_sample_is_repaired_row_by_row() -> None:
    with REAL_SAMPLE.open(newline="") as file:
        texts = [row["footprints_used"] for row in csv.DictReader(file)]

    repaired = [repair_polygon(text) for text in texts]

    assert len(repaired) == 100
    assert [n for n, row in enumerate(repaired) if row.repairs] == [36, 54, 64, 81, 97]
    assert {row.repairs[0].code for row in repaired if row.repairs} == {"self_intersection"}
    assert all(row.geometry.is_valid and row.geometry.contains(row.point) for row in repaired)
    assert sum(not row.geometry.contains(row.geometry.centroid) for row in repaired) == 41
