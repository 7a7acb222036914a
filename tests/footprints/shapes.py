"""Texts of polygons, what is expected of their repair, and where the real ones are."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from footprints.polygons import Limits, PolygonError, repair_polygon

REAL_DATA = Path(
    os.environ.get("CATCHMENT_REAL_DATA", str(Path(__file__).parents[2].parent / "shared" / "data"))
)

SQUARE = [[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]


def polygon_text(*rings: Any) -> str:
    return json.dumps({"type": "Polygon", "coordinates": rings})


def multi_text(*parts: Any) -> str:
    return json.dumps({"type": "MultiPolygon", "coordinates": parts})


def ring_of(positions: Any) -> str:
    return polygon_text([*positions, positions[0]])


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
