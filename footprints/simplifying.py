"""The simplified copy of a polygon, light enough to be drawn among thousands."""

import math
from typing import Any, Final

import shapely

from footprints.meridian import WORLD
from footprints.validity import REPAIR_PAIRS, edge_boxes, is_crowded, join_polygons, make_valid

SMALLEST_BUDGET: Final = 200
# What is left of a ring when all that can be smoothed away is, with some to spare. Few rings come
# within the budget so, at a twentieth of the cost of growing them together.
RING_VERTICES: Final = 8
ROUNDS: Final = 40
RECURSION_VERTICES: Final = 5_000
WEST: Final = shapely.box(-180, -90, 0, 90)
EAST: Final = shapely.box(0, -90, 180, 90)


def simplify(geometry: shapely.MultiPolygon) -> shapely.MultiPolygon:
    """At most 5 % of the vertices, or 200: a thousandth of the extent smoothed away, then more.

    A convex hull where not even growing together makes the parts few enough.
    """
    budget = max(SMALLEST_BUDGET, int(shapely.get_num_coordinates(geometry)) // 20)
    tolerance = _extent(geometry) / 1000
    simple = _simplify_once(geometry, tolerance)
    for _ in range(ROUNDS):
        if shapely.get_num_coordinates(simple) <= budget:
            return simple
        tolerance *= 1.3
        if _count_rings(simple) * RING_VERTICES <= budget:
            simple = _simplify_once(simple, tolerance)
            continue
        if _would_crowd(simple, tolerance):
            break
        try:
            simple = _simplify_once(_close_gaps(simple, tolerance), tolerance / 2)
        except shapely.errors.GEOSException:
            continue  # GEOS fails at just this width now and then; the next one will do
    return _outline(geometry)


def _count_rings(geometry: shapely.MultiPolygon) -> int:
    return len(shapely.get_rings(shapely.get_parts(geometry)))


def _extent(geometry: shapely.MultiPolygon) -> float:
    """Diagonal in degrees, measured across ±180° where that is shorter."""
    west, south, east, north = geometry.bounds
    width = east - west
    if width > 180:
        boxes = shapely.bounds(shapely.get_parts(geometry))
        boxes[boxes[:, 0] < 0, ::2] += 360
        width = min(width, boxes[:, 2].max() - boxes[:, 0].min())
    return math.hypot(width, north - south)


def _simplify_once(geometry: Any, tolerance: float) -> shapely.MultiPolygon:
    # simplify is six times as fast on small shapes, but it recurses: a saw of 190,000
    # teeth ends the process.
    is_small = shapely.get_num_coordinates(geometry) <= RECURSION_VERTICES
    shrink = shapely.simplify if is_small else shapely.coverage_simplify
    simple = join_polygons([shrink(geometry, tolerance)])
    if not simple.is_valid:
        simple = make_valid(simple)
    return simple if simple.is_valid and simple.area > 0 else join_polygons([geometry])


def _would_crowd(geometry: shapely.MultiPolygon, gap: float) -> bool:
    """Growing the edges would lay so many over each other that it took minutes."""
    west, south, east, north = edge_boxes(geometry)
    return is_crowded((west - gap, south - gap, east + gap, north + gap), REPAIR_PAIRS)


def _close_gaps(geometry: shapely.MultiPolygon, gap: float) -> Any:
    """Neighbours nearer than two gaps grow together: thousands of houses become blocks."""
    # Mitred, or every corner of a house would be cut off.
    corners = {"quad_segs": 1, "join_style": "mitre", "mitre_limit": 2}
    grown = shapely.buffer(geometry, gap, **corners)
    shrunk = shapely.buffer(grown, -gap, **corners)
    return shrunk if WORLD.contains(shrunk) else shapely.intersection(shrunk, WORLD)


def _outline(geometry: shapely.MultiPolygon) -> shapely.MultiPolygon:
    """Convex hull, one for each hemisphere so that none reaches around the world."""
    halves = [shapely.intersection(geometry, half) for half in (WEST, EAST)]
    return join_polygons([shapely.convex_hull(half) for half in halves])
