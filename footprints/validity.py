"""What GEOS finds wrong with a shape and how it mends it, kept within reasonable time."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import shapely

from footprints.geojson import Floats, PolygonError

# Codes of what was repaired, each with the reason of its first time.
Notes = dict[str, str]
# West, south, east and north of each box.
Boxes = tuple[Floats, Floats, Floats, Floats]

# Bounding boxes of edges that overlap: what GEOS's time grows with.
VALIDATION_PAIRS: Final = 50_000_000
REPAIR_PAIRS: Final = 200_000
NESTED_PAIRS: Final = 5_000_000
SAMPLES: Final = 128
DENSE: Final = 64

REASON_CODES: Final = {
    "Self-intersection": "self_intersection",
    "Ring Self-intersection": "ring_self_intersection",
    "Hole lies outside shell": "hole_outside_shell",
    "Holes are nested": "nested_holes",
    "Nested shells": "nested_shells",
    "Duplicate Rings": "duplicate_rings",
    "Interior is disconnected": "disconnected_interior",
    "Too few points in geometry component": "too_few_points",
}


def is_valid(geometry: Any) -> bool:
    """Raises PolygonError where finding out would take too long."""
    _check_complexity(geometry, VALIDATION_PAIRS)
    return bool(geometry.is_valid)


def repair_shape(geometry: Any, notes: Notes) -> shapely.MultiPolygon:
    """Makes an invalid shape valid and notes why. Raises PolygonError where it would take long."""
    _check_complexity(geometry, REPAIR_PAIRS)
    what, _, where = shapely.is_valid_reason(geometry).partition("[")
    reason = f"{what} at {where.rstrip(']')}" if where else what
    notes.setdefault(REASON_CODES.get(what, "invalid"), reason)
    return make_valid(geometry)


def make_valid(geometry: Any) -> shapely.MultiPolygon:
    # The method linework would leave out where two parts overlap.
    return join_polygons([shapely.make_valid(geometry, method="structure", keep_collapsed=False)])


def join_polygons(geometries: Iterable[Any]) -> shapely.MultiPolygon:
    """The polygons in these, lines and points left out."""
    polygons = [polygon for geometry in geometries for polygon in _list_polygons(geometry)]
    return shapely.multipolygons(polygons) if polygons else shapely.MultiPolygon()


def _list_polygons(geometry: Any) -> list[shapely.Polygon]:
    if geometry.geom_type == "Polygon":
        return [] if geometry.is_empty else [geometry]
    parts = getattr(geometry, "geoms", ())
    return [polygon for part in parts for polygon in _list_polygons(part)]


def is_crowded(boxes: Boxes, most: int) -> bool:
    """Whether more than `most` pairs of boxes overlap, estimated from some of them."""
    count = len(boxes[0])
    if count**2 <= most:
        return False
    # Spread evenly, without the last: one long closing edge says nothing about the rest.
    samples = [(2 * n + 1) * count // (2 * SAMPLES) for n in range(SAMPLES)]
    density = float(np.mean([_count_overlaps(boxes, sample) for sample in samples]))
    return density > DENSE and density * count > most


def _count_overlaps(boxes: Boxes, i: int) -> int:
    west, south, east, north = boxes
    across = (west <= east[i]) & (east >= west[i])
    return int(np.count_nonzero(across & (south <= north[i]) & (north >= south[i])))


def _check_complexity(geometry: Any, most: int) -> None:
    """GEOS cannot be stopped: 2,000 random vertices keep make_valid busy for 14 s."""
    if int(shapely.get_num_coordinates(geometry)) ** 2 <= most:
        return
    rings = shapely.get_rings(shapely.get_parts(geometry))
    # Rings within rings within rings: each is looked for in all that surround it.
    is_nested = is_crowded(tuple(shapely.bounds(rings).T), NESTED_PAIRS)
    if is_nested or is_crowded(edge_boxes(geometry), most):
        reason = "Too many edges cross or run beside each other for a repair in reasonable time."
        raise PolygonError("too_complex", reason)


def edge_boxes(geometry: Any) -> Boxes:
    rings = shapely.get_rings(shapely.get_parts(geometry))
    positions, ring = shapely.get_coordinates(rings, return_index=True)
    within = ring[1:] == ring[:-1]
    (x0, y0), (x1, y1) = positions[:-1][within].T, positions[1:][within].T
    return np.minimum(x0, x1), np.minimum(y0, y1), np.maximum(x0, x1), np.maximum(y0, y1)
