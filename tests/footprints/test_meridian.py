import math

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from footprints.polygons import repair_polygon
from tests.footprints.shapes import REAL_DATA, assert_sound, multi_text, polygon_text, ring_of

ANTIMERIDIAN = REAL_DATA / "footprints" / "antimeridian"

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
