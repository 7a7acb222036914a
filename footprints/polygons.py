"""Text of one footprint → repaired polygon (EPSG:4326, valid, within ±180/±90)."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import shapely

from footprints.geojson import Limits, Part, PolygonError, Ring, Rings, read_rings
from footprints.meridian import lay_on_map
from footprints.simplifying import simplify
from footprints.validity import Notes, is_valid, join_polygons, repair_shape

__all__ = ["Limits", "PolygonError", "Repair", "RepairedPolygon", "repair_polygon"]

DEFAULT_LIMITS: Final = Limits()
REPAIR_ROUNDS: Final = 3


@dataclass(frozen=True)
class Repair:
    code: str
    reason: str


@dataclass(frozen=True)
class RepairedPolygon:
    """`area_change` is (after - before) / before in planar square degrees of the rings as drawn,
    None where the rings as drawn enclose nothing."""

    geometry: shapely.MultiPolygon
    simplified: shapely.MultiPolygon
    point: shapely.Point
    vertex_count: int
    original_vertex_count: int
    repairs: tuple[Repair, ...]
    area_change: float | None


def repair_polygon(text: str, *, limits: Limits = DEFAULT_LIMITS) -> RepairedPolygon:
    """Read a GeoJSON Feature, a Polygon or MultiPolygon, or only `{"coordinates": …}`.

    Crossing the antimeridian: an edge of more than 180° of longitude is read as the short way
    round, as RFC 7946 (3.1.9) and the library `antimeridian` have it, so a box from -100 to 100
    needs vertices in between. An edge of exactly 360° is a parallel drawn across the whole map
    and stays one, unless the ring is only valid when it is taken as no way at all.
    Which way a ring is wound says nothing about its inside, since many writers
    get it wrong: a ring round a pole encloses the cap that is less than half of the sphere.
    Only a clockwise ring that crosses ±180° and goes round more than half of the sphere means,
    as RFC 7946 says, what lies outside it.

    Raises PolygonError, and nothing else.
    """
    try:
        return _repair(read_rings(text, limits))
    except PolygonError:
        raise
    except (shapely.errors.ShapelyError, ValueError, RecursionError, MemoryError) as error:
        raise PolygonError("irreparable", f"The polygon cannot be repaired: {error}") from error


def _repair(rings: Rings) -> RepairedPolygon:
    notes: Notes = {}
    if rings.dropped_z:
        notes["dropped_z"] = "Values after longitude and latitude were dropped."
    shapes = [lay_on_map(part, notes) for part in _clean_parts(rings.parts, notes)]
    geometry = _ensure_valid(join_polygons([shape.geometry for shape in shapes]), notes)
    # Parts that came as they are stay, however thin.
    if notes or _is_sliver(geometry):
        geometry = _drop_slivers(geometry)
    drawn_area = sum(shape.drawn_area for shape in shapes)
    return RepairedPolygon(
        geometry=geometry,
        simplified=simplify(geometry),
        point=_point_inside(geometry),
        vertex_count=int(shapely.get_num_coordinates(geometry)),
        original_vertex_count=rings.vertex_count,
        repairs=tuple(Repair(code, reason) for code, reason in notes.items()),
        area_change=_area_change(geometry, drawn_area) if notes else 0.0,
    )


def _clean_parts(parts: list[Part], notes: Notes) -> list[Part]:
    cleaned = [[_clean_ring(ring, notes) for ring in part] for part in parts]
    # A shell without area takes its holes with it.
    kept = [[ring for ring in part if len(ring)] for part in cleaned if len(part[0])]
    if not kept:
        raise _no_area()
    return kept


def _no_area() -> PolygonError:
    return PolygonError("no_area", "No ring encloses an area.")


def _clean_ring(ring: Ring, notes: Notes) -> Ring:
    """Closed and without repeated positions; empty where it cannot enclose anything."""
    others = ring[(ring != ring[:1]).any(axis=1)]
    if (others == others[:1]).all():
        notes.setdefault("collapsed_ring", "A ring of fewer than 3 distinct positions was dropped.")
        return ring[:0]
    if (ring[0] != ring[-1]).any():
        notes.setdefault("ring_closed", "A ring did not end where it began and was closed.")
        ring = np.concatenate([ring, ring[:1]])
    repeated = (ring[1:] == ring[:-1]).all(axis=1)
    if repeated.any():
        notes.setdefault("duplicate_points", "Positions repeated in a row were dropped.")
        ring = np.concatenate([ring[:1], ring[1:][~repeated]])
    return ring


def _ensure_valid(geometry: shapely.MultiPolygon, notes: Notes) -> shapely.MultiPolygon:
    for _ in range(REPAIR_ROUNDS):
        if is_valid(geometry):
            return geometry
        geometry = repair_shape(geometry, notes)
    if not geometry.is_valid:
        raise PolygonError("irreparable", shapely.is_valid_reason(geometry))
    return geometry


def _drop_slivers(geometry: shapely.MultiPolygon) -> shapely.MultiPolygon:
    kept = [part for part in geometry.geoms if not _is_sliver(part)]
    if not kept:
        raise _no_area()
    return shapely.MultiPolygon(kept)


def _is_sliver(geometry: Any) -> bool:
    """Thinner than 0.1 mm: what rounding leaves behind."""
    return bool(2 * geometry.area <= 1e-9 * geometry.length)


def _area_change(geometry: shapely.MultiPolygon, before: float) -> float | None:
    # A bow-tie's lobes cancel out, but for rounding.
    if before <= 1e-9 * geometry.area:
        return None
    # Without the rounding errors of the areas, and without a negative zero.
    return round(float((geometry.area - before) / before), 12) + 0.0


def _point_inside(geometry: shapely.MultiPolygon) -> shapely.Point:
    point = shapely.point_on_surface(geometry)
    if shapely.contains_xy(geometry, point.x, point.y):
        return point
    widest = max(geometry.geoms, key=lambda part: part.area)
    return shapely.get_point(shapely.maximum_inscribed_circle(widest), 0)
