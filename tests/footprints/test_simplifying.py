from typing import Any

import numpy as np
import pytest
import shapely

from footprints import simplifying
from footprints.polygons import repair_polygon
from footprints.simplifying import simplify
from tests.footprints.shapes import REAL_DATA, ring_of

TOWN = REAL_DATA / "footprints" / "znz001_buildings.geojson"


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


def test_simplified_survives_190000_teeth() -> None:
    teeth = [[i / 200_000, i % 2 * 50 + i / 200_000] for i in range(190_000)]

    repaired = repair_polygon(ring_of([*teeth, [0.95, -1], [0, -1]]))

    assert repaired.geometry.is_valid
    assert shapely.get_num_coordinates(repaired.simplified) <= 0.05 * repaired.vertex_count


def test_comb_of_thin_teeth_is_drawn() -> None:
    """Growing the teeth together would take minutes."""
    teeth = [
        position
        for i in range(4_000)
        for position in ([i / 1e3, 0], [i / 1e3, 80], [i / 1e3 + 5e-4, 80], [i / 1e3 + 5e-4, 0])
    ]
    comb = shapely.MultiPolygon([shapely.Polygon([*teeth, [4, -1], [0, -1]])])

    drawn = simplify(comb)

    assert drawn.is_valid
    assert shapely.get_num_coordinates(drawn) <= 800


def test_fault_of_geos_at_one_width_does_not_refuse_the_footprint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    squares = [shapely.box(i % 40, i // 40, i % 40 + 0.9, i // 40 + 0.9) for i in range(1_600)]
    closed = simplifying._close_gaps
    widths = []

    def fail_once(geometry: shapely.MultiPolygon, gap: float) -> Any:
        widths.append(gap)
        if len(widths) == 1:
            raise shapely.errors.GEOSException("unable to assign free hole to a shell")
        return closed(geometry, gap)

    monkeypatch.setattr(simplifying, "_close_gaps", fail_once)

    drawn = simplify(shapely.MultiPolygon(squares))

    assert len(widths) > 1
    assert 0 < shapely.get_num_coordinates(drawn) <= 400
