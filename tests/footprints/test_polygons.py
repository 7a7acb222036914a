import csv

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from footprints.polygons import PolygonError, repair_polygon
from tests.footprints.shapes import REAL_DATA, SQUARE, assert_sound, multi_text, polygon_text

REAL_SAMPLE = REAL_DATA / "footprints" / "sample-usage-events.csv"
BOW_TIE = [[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]


def codes(text: str) -> list[str]:
    return [repair.code for repair in repair_polygon(text).repairs]


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
