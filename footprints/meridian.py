"""Polygons that cross the antimeridian or go round a pole, laid onto the map of ±180/±90."""

import math
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import antimeridian
import numpy as np
import shapely

from footprints.geojson import Floats, Part, PolygonError, Ring
from footprints.validity import Notes, is_valid, join_polygons, repair_shape

WORLD: Final = shapely.box(-180, -90, 180, 90)
WORLD_AREA: Final = 360 * 180
# Half of the sphere where longitude is in degrees and latitude is its sine.
HALF_SPHERE: Final = 360.0
# The library walks its vertices in Python, about 40 µs each.
LIBRARY_VERTICES: Final = 2_000
MOST_TURNS: Final = 8
MOST_CROSSINGS: Final = 5_000


@dataclass(frozen=True)
class Shape:
    """A shape within ±180/±90, perhaps not valid, and its rings' area as drawn: square degrees."""

    geometry: Any
    drawn_area: float


def lay_on_map(part: Part, notes: Notes) -> Shape:
    """Raises PolygonError for rings that go round the world too often."""
    if _leaves_map(part):
        return _lay_around_world(part, notes)
    polygon = shapely.Polygon(part[0], part[1:])
    return Shape(polygon, polygon.area)


def _leaves_map(part: Part) -> bool:
    steps = _longitude_steps(part)
    if _reaches_beyond(part) or ((steps > 180) & (steps != 360)).any():
        return True
    # A step of exactly 360° is a parallel across the map, unless only no step at all is valid.
    if not (steps == 360).any():
        return False
    return not is_valid(shapely.Polygon(part[0], part[1:])) and _unroll(part[0]).area > 0


def _longitude_steps(part: Part) -> Floats:
    return np.concatenate([np.abs(np.diff(ring[:, 0])) for ring in part])


def _reaches_beyond(part: Part) -> bool:
    return any(np.abs(ring[:, 0]).max() > 180 for ring in part)


def _lay_around_world(part: Part, notes: Notes) -> Shape:
    rings = [_snap(ring) for ring in part]
    _note_longitudes(part, notes)
    shell = _enclose(rings[0], notes)
    geometry, area = shell.geometry, shell.drawn_area
    if _means_outside(rings[0]):
        notes.setdefault("outside_taken", "The ring is wound around what lies outside it.")
        geometry, area = shapely.difference(WORLD, geometry), WORLD_AREA - area
    for ring in rings[1:]:
        hole = _enclose(ring, notes)
        geometry = shapely.difference(geometry, hole.geometry)
        area -= hole.drawn_area
    return Shape(geometry, area)


def _snap(ring: Ring) -> Ring:
    """Longitudes a hair beside ±180 moved onto it, where they would leave slivers behind."""
    meridian = np.round(ring[:, 0] / 180) * 180
    near = np.abs(ring[:, 0] - meridian) < 1e-9
    return np.column_stack([np.where(near, meridian, ring[:, 0]), ring[:, 1]])


def _note_longitudes(part: Part, notes: Notes) -> None:
    if _reaches_beyond(part):
        notes.setdefault("longitude_wrapped", "Longitudes beyond ±180 were moved by 360.")
    if (_longitude_steps(part) > 180).any() or len(_turns(_unroll(part[0]))) > 1:
        notes.setdefault("antimeridian", "The polygon crosses ±180° and was split there.")


# Unrolling: the world repeated side by side, each copy one turn of 360°


def _unwrap(ring: Ring) -> Ring:
    """The ring with continuous longitudes; its end is 360 off where it goes round a pole."""
    turns = np.concatenate([[0], -np.round(np.diff(ring[:, 0]) / 360).cumsum()])
    return np.column_stack([ring[:, 0] + 360 * turns, ring[:, 1]])


def _unroll(ring: Ring) -> shapely.Polygon:
    """What the ring encloses on a map that goes on beyond ±180."""
    path = _unwrap(ring)
    pole = _find_pole(path)
    if pole is None:
        return shapely.Polygon(path)
    return shapely.Polygon(np.concatenate([path, [[path[-1, 0], pole], [path[0, 0], pole]]]))


def _find_pole(path: Ring) -> float | None:
    """Latitude of the pole that the path goes round: the one with the smaller cap, if any."""
    width = path[-1, 0] - path[0, 0]
    if width == 0:
        return None
    return 90.0 if _swept(path) / width > 0 else -90.0


def _swept(path: Ring) -> float:
    """Area between path and equator, latitude as its sine: equal areas on the sphere.

    Positive eastwards in the north, so for a clockwise ring.
    """
    height = np.sin(np.radians(path[:, 1]))
    return float((np.diff(path[:, 0]) * (height[1:] + height[:-1])).sum() / 2)


def _means_outside(ring: Ring) -> bool:
    path = _unwrap(ring)
    return _find_pole(path) is None and _swept(path) > HALF_SPHERE


# Splitting


def _enclose(ring: Ring, notes: Notes) -> Shape:
    pole = _find_pole(_unwrap(ring))
    if pole is not None:
        name = "north" if pole > 0 else "south"
        notes.setdefault("pole", f"The ring goes round the {name} pole, which was taken in.")
    plane = _unroll(ring)
    if not is_valid(plane):
        return Shape(_fold(repair_shape(plane, notes)), plane.area)
    split = _split_by_library(ring, plane.area)
    return Shape(split or _fold(plane), plane.area)


def _split_by_library(ring: Ring, area: float) -> Any:
    """None where the library fails, or rounds more than 1/10,000 of the area away."""
    if len(ring) > LIBRARY_VERTICES:
        return None
    try:
        split = antimeridian.fix_polygon(
            shapely.Polygon(ring), fix_winding=True, great_circle=False
        )
    except (AssertionError, ValueError, IndexError, RecursionError, shapely.errors.ShapelyError):
        return None
    is_same = split.is_valid and abs(split.area - area) <= 1e-4 * area
    return split if is_same else None


def _fold(plane: Any) -> Any:
    """The turns of an unrolled shape laid over each other."""
    if plane.is_empty:
        return plane
    _check_turns(plane)
    pieces = [_cut_turn(plane, turn) for turn in _turns(plane)]
    west, _, east, _ = plane.bounds
    if east - west < 360:
        return join_polygons(pieces)
    # One overlay for each turn: union_all would merge the pieces one by one.
    return reduce(shapely.union, pieces)


def _turns(plane: Any) -> range:
    """Which turns around the world the shape touches; turn 0 is -180 to 180."""
    west, _, east, _ = plane.bounds
    return range(math.floor((west + 180) / 360), math.ceil((east + 180) / 360))


def _check_turns(plane: Any) -> None:
    if len(_turns(plane)) > MOST_TURNS:
        raise PolygonError("too_many_turns", "A ring goes round the world again and again.")
    turns = np.floor((shapely.get_coordinates(plane)[:, 0] + 180) / 360)
    if np.count_nonzero(np.diff(turns)) > MOST_CROSSINGS:
        reason = f"A ring crosses ±180° more than {MOST_CROSSINGS:,} times."
        raise PolygonError("too_complex", reason)


def _cut_turn(plane: Any, turn: int) -> shapely.MultiPolygon:
    window = shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90)
    inside = join_polygons([shapely.intersection(plane, window)])
    return shapely.transform(inside, lambda positions: positions - [360 * turn, 0])
