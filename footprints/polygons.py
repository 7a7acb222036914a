"""Text of one footprint → repaired polygon (EPSG:4326, valid, within ±180/±90)."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from typing import Annotated, Any, Final

import antimeridian
import msgspec
import numpy as np
import shapely
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.signedinteger[Any]]
Ring = Floats
Part = list[Ring]

WORLD: Final = shapely.box(-180, -90, 180, 90)
WORLD_AREA: Final = 360 * 180
# Half of the sphere where longitude is in degrees and latitude is its sine.
HALF_SPHERE: Final = 360.0

NEST_AS_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
ALL_BUT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
NO_NUMBER: Final = re.compile(rb"-?(?:NaN|Infinity)")
PATH: Final = re.compile(r"(.*) - at `\$(.*)`")

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


class PolygonError(ValueError):
    """A footprint that cannot become a polygon; `reason` is for whoever sent it."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Repair:
    code: str
    reason: str


@dataclass(frozen=True)
class Limits:
    """What is looked at before any parser sees the text."""

    max_bytes: int = 16 * 1024 * 1024
    max_depth: int = 32
    max_vertices: int = 200_000


DEFAULT_LIMITS: Final = Limits()


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
        return _repair(_read_rings(text, limits))
    except PolygonError:
        raise
    except (shapely.errors.ShapelyError, ValueError, RecursionError, MemoryError) as error:
        raise PolygonError("irreparable", f"The polygon cannot be repaired: {error}") from error


# Reading


@dataclass(frozen=True)
class _Rings:
    """All positions in one array; how many make each ring, how many rings make each part."""

    positions: Floats
    ring_sizes: list[int]
    part_sizes: list[int]
    dropped_z: bool


class _Document(msgspec.Struct):
    # A key that occurs twice counts as last written, as in most JSON readers.
    type: str | None = None
    geometry: msgspec.Raw = msgspec.Raw()
    coordinates: msgspec.Raw = msgspec.Raw()


_Flat = tuple[float, float]
_Tall = Annotated[list[float], msgspec.Meta(min_length=2)]
_DOCUMENT: Final = msgspec.json.Decoder(_Document)
_FLAT: Final[dict[str, Any]] = {
    "Polygon": msgspec.json.Decoder(list[list[_Flat]]),
    "MultiPolygon": msgspec.json.Decoder(list[list[list[_Flat]]]),
}
_TALL: Final[dict[str, Any]] = {
    "Polygon": msgspec.json.Decoder(list[list[_Tall]]),
    "MultiPolygon": msgspec.json.Decoder(list[list[list[_Tall]]]),
}


def _read_rings(text: str, limits: Limits) -> _Rings:
    data = _encode(text, limits)
    _check_nesting(data, limits)
    kind, member, coordinates = _find_coordinates(data)
    _check_values(coordinates, limits)
    parts, is_tall = _decode_parts(coordinates, kind, member)
    rings = _flatten(parts, dropped_z=is_tall)
    _check_positions(rings.positions, limits)
    return rings


def _encode(text: str, limits: Limits) -> bytes:
    if len(text) <= limits.max_bytes:
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            raise PolygonError("invalid_text", "The text holds half of a character.") from error
        if len(data) <= limits.max_bytes:
            return data
    raise PolygonError("too_large", f"The text is longer than {limits.max_bytes:,} bytes.")


def _without_strings(data: bytes) -> bytes:
    if b"\\" in data:
        return STRING.sub(b"", data)
    return b"".join(data.split(b'"')[::2])


def _check_nesting(data: bytes, limits: Limits) -> None:
    brackets = _without_strings(data).translate(NEST_AS_SQUARE, ALL_BUT_BRACKETS)
    # Each innermost array is taken for a position: exact enough to stop a bomb.
    if brackets.count(b"[]") > limits.max_vertices:
        raise _too_many_vertices(limits)
    rest = brackets
    for _ in range(limits.max_depth):
        if not rest:
            return
        # Takes away one level, the innermost: four or five rounds for an ordinary row.
        rest = rest.replace(b"[]", b"")
    if rest and _depth(brackets) > limits.max_depth:
        raise PolygonError("too_deep", f"The text is nested deeper than {limits.max_depth} levels.")


def _depth(brackets: bytes) -> int:
    steps = np.where(np.frombuffer(brackets, np.uint8) == ord("["), 1, -1)
    return int(np.cumsum(steps).max(initial=0))


def _too_many_vertices(limits: Limits) -> PolygonError:
    return PolygonError(
        "too_many_vertices", f"There are more than {limits.max_vertices:,} positions."
    )


def _check_values(coordinates: bytes, limits: Limits) -> None:
    # One position may hold any number of values; eight each is more than any format has.
    if coordinates.count(b",") > 8 * limits.max_vertices:
        raise _too_many_vertices(limits)


def _find_coordinates(data: bytes) -> tuple[str, str, bytes]:
    """Kind of polygon, name of the member for messages, its JSON text."""
    document = _decode_document(data, "The footprint")
    prefix = ""
    if document.type == "Feature":
        prefix = "geometry."
        document = _decode_document(_feature_geometry(document), "geometry")
    coordinates = bytes(document.coordinates)
    kind = _kind(document.type, coordinates)
    return kind, f"{prefix}coordinates", coordinates


def _decode_document(data: bytes, name: str) -> _Document:
    try:
        return _DOCUMENT.decode(data)
    except msgspec.ValidationError as error:
        if "$.type" in str(error):
            raise PolygonError("unsupported_type", "type must be a text.") from error
        raise PolygonError("not_an_object", f"{name} must be a JSON object.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(data, error) from error


def _malformed(data: bytes, error: Exception) -> PolygonError:
    found = NO_NUMBER.search(_without_strings(data))
    if found:
        return PolygonError("not_finite", f"{found[0].decode()} is not a number in JSON.")
    return PolygonError("invalid_json", f"The text is not JSON: {error}")


def _feature_geometry(document: _Document) -> bytes:
    geometry = bytes(document.geometry)
    if not geometry:
        raise PolygonError("missing_geometry", "The Feature has no member geometry.")
    if geometry == b"null":
        raise PolygonError("null_geometry", "geometry is null.")
    return geometry


def _kind(declared: str | None, coordinates: bytes) -> str:
    if declared not in (None, "Polygon", "MultiPolygon"):
        reason = f"type is {declared[:40]!r}; only Polygon and MultiPolygon are taken."
        raise PolygonError("unsupported_type", reason)
    if not coordinates:
        raise PolygonError("missing_coordinates", "There is no member coordinates.")
    return declared or _kind_by_nesting(coordinates)


def _kind_by_nesting(coordinates: bytes) -> str:
    opening = re.match(rb"[\[\s]*", coordinates)
    depth = opening[0].count(b"[") if opening else 0
    if depth == 4:
        return "MultiPolygon"
    if depth == 3 or b"," not in coordinates:
        return "Polygon"
    reason = f"coordinates are nested {depth} deep; a Polygon has 3 levels, a MultiPolygon 4."
    raise PolygonError("unsupported_type", reason)


def _decode_parts(coordinates: bytes, kind: str, member: str) -> tuple[list[Any], bool]:
    """Parts of rings of positions, and whether some position had more than two values."""
    is_tall = False
    try:
        decoded = _FLAT[kind].decode(coordinates)
    except msgspec.ValidationError:
        decoded = _decode_tall(coordinates, kind, member)
        is_tall = True
    return ([decoded] if kind == "Polygon" else decoded), is_tall


def _decode_tall(coordinates: bytes, kind: str, member: str) -> Any:
    try:
        return _TALL[kind].decode(coordinates)
    except msgspec.ValidationError as error:
        raise _wrong_coordinates(str(error), member) from error


def _wrong_coordinates(message: str, member: str) -> PolygonError:
    found = PATH.match(message)
    what, where = found.groups() if found else (message, "")
    if "out of range" in what:
        return PolygonError("not_finite", f"{member}{where} is too large for a number.")
    return PolygonError("invalid_coordinates", f"{member}{where}: {what.replace('`', '')}.")


def _flatten(parts: list[Any], *, dropped_z: bool) -> _Rings:
    rings = list(chain.from_iterable(parts))
    positions: Iterable[Any] = chain.from_iterable(rings)
    if dropped_z:
        positions = (position[:2] for position in positions)
    values = np.fromiter(chain.from_iterable(positions), np.float64)
    return _Rings(
        positions=values.reshape(-1, 2),
        ring_sizes=[len(ring) for ring in rings],
        part_sizes=[len(part) for part in parts],
        dropped_z=dropped_z,
    )


def _check_positions(positions: Floats, limits: Limits) -> None:
    if not len(positions):
        raise PolygonError("empty_coordinates", "coordinates are empty.")
    if len(positions) > limits.max_vertices:
        raise _too_many_vertices(limits)
    _check_range(positions[:, 0], "longitude", 540)
    _check_range(positions[:, 1], "latitude", 90)


def _check_range(values: Floats, name: str, most: float) -> None:
    if values.max() > most or values.min() < -most:
        worst = float(values[np.abs(values).argmax()])
        raise PolygonError(f"{name}_out_of_range", f"The {name} {worst:g} is beyond ±{most:g}.")


# Repairing

Notes = dict[str, str]


@dataclass(frozen=True)
class _Drawn:
    """A shape within ±180/±90 and the area of its rings as drawn."""

    geometry: Any
    area: float


def _repair(rings: _Rings) -> RepairedPolygon:
    notes: Notes = {}
    if rings.dropped_z:
        notes["dropped_z"] = "Values after longitude and latitude were dropped."
    geometry = _ready_geometry(rings)
    if geometry is not None:
        return _describe(geometry, rings, notes, geometry.area)
    parts = _clean_parts(rings, notes)
    drawn = [_draw(part, notes) for part in parts]
    geometry = _make_valid(_join([shape.geometry for shape in drawn]), notes)
    return _describe(geometry, rings, notes, sum(shape.area for shape in drawn))


def _describe(
    geometry: shapely.MultiPolygon, rings: _Rings, notes: Notes, area_before: float
) -> RepairedPolygon:
    return RepairedPolygon(
        geometry=geometry,
        simplified=_simplify(geometry),
        point=_point_inside(geometry),
        vertex_count=int(shapely.get_num_coordinates(geometry)),
        original_vertex_count=len(rings.positions),
        repairs=tuple(Repair(code, reason) for code, reason in notes.items()),
        area_change=_area_change(geometry, area_before) if notes else 0.0,
    )


def _area_change(geometry: shapely.MultiPolygon, before: float) -> float | None:
    # A bow-tie's lobes cancel out, but for rounding.
    if before <= 1e-9 * geometry.area:
        return None
    return float((geometry.area - before) / before)


def _ready_geometry(rings: _Rings) -> shapely.MultiPolygon | None:
    """The geometry as it came where nothing is wrong with it, else None."""
    positions = rings.positions
    x = positions[:, 0]
    west, east = x.min(), x.max()
    if east - west > 180 or east > 180 or west < -180 or min(rings.ring_sizes) < 4:
        return None
    ends: Indices = np.cumsum(rings.ring_sizes)
    starts = ends - rings.ring_sizes
    if not (positions[starts] == positions[ends - 1]).all() or _has_duplicates(positions, ends):
        return None
    geometry = _assemble(positions, starts, ends, rings.part_sizes)
    return geometry if _is_valid(geometry) and not _is_sliver(geometry) else None


def _has_duplicates(positions: Floats, ends: Indices) -> bool:
    same = (positions[1:] == positions[:-1]).all(axis=1)
    same[ends[:-1] - 1] = False
    return bool(same.any())


def _assemble(
    positions: Floats,
    starts: Indices,
    ends: Indices,
    part_sizes: list[int],
) -> shapely.MultiPolygon:
    if len(ends) == 1:
        return shapely.multipolygons([shapely.Polygon(positions)])
    rings = [positions[start:end] for start, end in zip(starts, ends, strict=True)]
    parts = _group(rings, part_sizes)
    return shapely.multipolygons([shapely.Polygon(part[0], part[1:]) for part in parts])


def _group(rings: list[Ring], part_sizes: list[int]) -> list[Part]:
    remaining = iter(rings)
    return [[next(remaining) for _ in range(size)] for size in part_sizes if size]


# Bounding boxes of segments that overlap: what GEOS's time grows with.
_VALIDATION_PAIRS: Final = 50_000_000
_REPAIR_PAIRS: Final = 200_000
_SAMPLES: Final = 128
_DENSE: Final = 64


def _check_complexity(geometry: Any, most: int) -> None:
    """GEOS cannot be stopped: 2,000 random vertices keep make_valid busy for 14 s."""
    if int(shapely.get_num_coordinates(geometry)) ** 2 <= most:
        return
    boxes = _segment_boxes(geometry)
    overlaps = [_count_overlaps(boxes, segment) for segment in _sample(len(boxes[0]))]
    density = float(np.mean(overlaps))
    if density > _DENSE and density * len(boxes[0]) > most:
        reason = "Too many edges cross or run beside each other for a repair in reasonable time."
        raise PolygonError("too_complex", reason)


def _is_valid(geometry: Any) -> bool:
    _check_complexity(geometry, _VALIDATION_PAIRS)
    return bool(geometry.is_valid)


def _segment_boxes(geometry: Any) -> tuple[Floats, Floats, Floats, Floats]:
    """West, east, south and north of every edge."""
    rings = shapely.get_rings(shapely.get_parts(geometry))
    positions, ring = shapely.get_coordinates(rings, return_index=True)
    within = ring[1:] == ring[:-1]
    x, y = positions.T.copy()
    (x0, x1), (y0, y1) = ((v[:-1][within], v[1:][within]) for v in (x, y))
    return np.minimum(x0, x1), np.maximum(x0, x1), np.minimum(y0, y1), np.maximum(y0, y1)


def _sample(count: int) -> list[int]:
    """Spread evenly, without the last: one long closing edge says nothing about the rest."""
    return [(2 * n + 1) * count // (2 * _SAMPLES) for n in range(_SAMPLES)]


def _count_overlaps(boxes: tuple[Floats, Floats, Floats, Floats], i: int) -> int:
    west, east, south, north = boxes
    across = (west <= east[i]) & (east >= west[i])
    return int(np.count_nonzero(across & (south <= north[i]) & (north >= south[i])))


def _clean_parts(rings: _Rings, notes: Notes) -> list[Part]:
    parts = _group(np.split(rings.positions, np.cumsum(rings.ring_sizes)[:-1]), rings.part_sizes)
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
    if len(np.unique(ring, axis=0)) < 3:
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


def _draw(part: Part, notes: Notes) -> _Drawn:
    if _leaves_map(part):
        return _draw_around_world(part, notes)
    polygon = shapely.Polygon(part[0], part[1:])
    return _Drawn(polygon, polygon.area)


def _join(geometries: list[Any]) -> shapely.MultiPolygon:
    """The polygons in these, lines and points left out; two levels of collections at most."""
    parts = shapely.get_parts(shapely.get_parts(np.array(geometries, dtype=object)))
    return shapely.MultiPolygon(
        [part for part in parts if part.geom_type == "Polygon" and not part.is_empty]
    )


def _make_valid(geometry: shapely.MultiPolygon, notes: Notes) -> shapely.MultiPolygon:
    for _ in range(3):
        if _is_valid(geometry):
            break
        geometry = _made_valid(geometry, notes)
    if not geometry.is_valid:
        raise PolygonError("irreparable", shapely.is_valid_reason(geometry))
    kept = [part for part in geometry.geoms if not _is_sliver(part)]
    if not kept:
        raise _no_area()
    return geometry if len(kept) == len(geometry.geoms) else shapely.MultiPolygon(kept)


def _is_sliver(geometry: Any) -> bool:
    """Thinner than 0.1 mm: what rounding leaves behind."""
    return bool(2 * geometry.area <= 1e-9 * geometry.length)


def _made_valid(geometry: Any, notes: Notes) -> shapely.MultiPolygon:
    _check_complexity(geometry, _REPAIR_PAIRS)
    what, _, where = shapely.is_valid_reason(geometry).partition("[")
    reason = f"{what} at {where.rstrip(']')}" if where else what
    notes.setdefault(REASON_CODES.get(what, "invalid"), reason)
    return _join([shapely.make_valid(geometry, method="structure", keep_collapsed=False)])


def _point_inside(geometry: shapely.MultiPolygon) -> shapely.Point:
    point = shapely.point_on_surface(geometry)
    if shapely.contains_xy(geometry, point.x, point.y):
        return point
    widest = max(geometry.geoms, key=lambda part: part.area)
    return shapely.get_point(shapely.maximum_inscribed_circle(widest), 0)


# Around the world


# The library walks its vertices in Python, about 40 µs each.
_LIBRARY_VERTICES: Final = 2_000
_MOST_TURNS: Final = 8
_MOST_CROSSINGS: Final = 5_000


def _leaves_map(part: Part) -> bool:
    if max(np.abs(ring[:, 0]).max() for ring in part) > 180:
        return True
    steps = np.concatenate([_longitude_steps(ring) for ring in part])
    long_steps = steps[steps > 180]
    if not len(long_steps):
        return False
    if (long_steps != 360).any():
        return True
    return not _is_valid(shapely.Polygon(part[0], part[1:])) and _unroll(part[0], {}).area > 0


def _longitude_steps(ring: Ring) -> Floats:
    return np.abs(np.diff(ring[:, 0]))


def _draw_around_world(part: Part, notes: Notes) -> _Drawn:
    rings = [_snap(ring) for ring in part]
    _note_longitudes(part, notes)
    shell = _region(rings[0], notes)
    if _means_outside(rings[0]):
        notes.setdefault("outside_taken", "The ring is wound around what lies outside it.")
        shell = _Drawn(shapely.difference(WORLD, shell.geometry), WORLD_AREA - shell.area)
    for ring in rings[1:]:
        hole = _region(ring, notes)
        shell = _Drawn(shapely.difference(shell.geometry, hole.geometry), shell.area - hole.area)
    return shell


def _note_longitudes(part: Part, notes: Notes) -> None:
    if max(np.abs(ring[:, 0]).max() for ring in part) > 180:
        notes.setdefault("longitude_wrapped", "Longitudes beyond ±180 were moved by 360.")
    is_crossing = any((_longitude_steps(ring) > 180).any() for ring in part)
    if is_crossing or len(_windows(_unroll(part[0], {}))) > 1:
        notes.setdefault("antimeridian", "The polygon crosses ±180° and was split there.")


def _snap(ring: Ring) -> Ring:
    """Longitudes a hair beside ±180 moved onto it, where they would leave slivers behind."""
    meridian = np.round(ring[:, 0] / 180) * 180
    near = np.abs(ring[:, 0] - meridian) < 1e-9
    return np.column_stack([np.where(near, meridian, ring[:, 0]), ring[:, 1]])


def _unwrap(ring: Ring) -> Ring:
    """The ring with continuous longitudes; its end is 360 off where it goes round a pole."""
    turns = np.concatenate([[0], -np.round(np.diff(ring[:, 0]) / 360).cumsum()])
    return np.column_stack([ring[:, 0] + 360 * turns, ring[:, 1]])


def _unroll(ring: Ring, notes: Notes) -> shapely.Polygon:
    """What the ring encloses on a map that goes on beyond ±180."""
    path = _unwrap(ring)
    start, end = path[0, 0], path[-1, 0]
    if start == end:
        return shapely.Polygon(path)
    pole = 90.0 if _mean_height(path) > 0 else -90.0
    name = "north" if pole > 0 else "south"
    notes.setdefault("pole", f"The ring goes round the {name} pole, which was taken in.")
    return shapely.Polygon(np.concatenate([path, [[end, pole], [start, pole]]]))


def _mean_height(path: Ring) -> float:
    """Mean sine of the latitude along the path; above 0 the northern cap is smaller."""
    return _swept(path) / float(path[-1, 0] - path[0, 0])


def _swept(path: Ring) -> float:
    """Signed area between path and equator, latitude as its sine: equal areas on the sphere."""
    height = np.sin(np.radians(path[:, 1]))
    return float((np.diff(path[:, 0]) * (height[1:] + height[:-1])).sum() / 2)


def _means_outside(ring: Ring) -> bool:
    path = _unwrap(ring)
    return bool(path[0, 0] == path[-1, 0]) and _swept(path) > HALF_SPHERE


def _region(ring: Ring, notes: Notes) -> _Drawn:
    plane = _unroll(ring, notes)
    if _is_valid(plane):
        split = _split_by_library(ring, plane.area)
        return _Drawn(split or _fold(plane), plane.area)
    return _Drawn(_fold(_made_valid(plane, notes)), plane.area)


def _split_by_library(ring: Ring, area: float) -> Any:
    """None where the library fails, or rounds more than 1/10,000 of the area away."""
    if len(ring) > _LIBRARY_VERTICES:
        return None
    try:
        split = antimeridian.fix_polygon(
            shapely.Polygon(ring), fix_winding=True, great_circle=False
        )
    except (AssertionError, ValueError, IndexError, RecursionError, shapely.errors.ShapelyError):
        return None
    is_same = split.is_valid and abs(split.area - area) <= 1e-4 * area
    return split if is_same else None


def _windows(plane: Any) -> range:
    """Which turns around the world the shape touches; turn 0 is -180 to 180."""
    west, _, east, _ = plane.bounds
    return range(math.floor((west + 180) / 360), math.ceil((east + 180) / 360))


def _fold(plane: Any) -> Any:
    if plane.is_empty:
        return plane
    _check_turns(plane)
    turns = [_turn(plane, turn) for turn in _windows(plane)]
    west, _, east, _ = plane.bounds
    if east - west < 360:
        return _join(turns)
    # One overlay for each turn: union_all would merge the pieces one by one.
    return reduce(shapely.union, turns)


def _check_turns(plane: Any) -> None:
    if len(_windows(plane)) > _MOST_TURNS:
        raise PolygonError("too_many_turns", "A ring goes round the world again and again.")
    turns = np.floor((shapely.get_coordinates(plane)[:, 0] + 180) / 360)
    if np.count_nonzero(np.diff(turns)) > _MOST_CROSSINGS:
        reason = f"A ring crosses ±180° more than {_MOST_CROSSINGS:,} times."
        raise PolygonError("too_complex", reason)


def _turn(plane: Any, turn: int) -> shapely.MultiPolygon:
    window = shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90)
    inside = _join([shapely.intersection(plane, window)])
    return shapely.transform(inside, lambda positions: positions - [360 * turn, 0])


# Drawing


_SMALLEST_BUDGET: Final = 200
_ROUNDS: Final = 40
_RECURSION_VERTICES: Final = 5_000


def _simplify(geometry: shapely.MultiPolygon) -> shapely.MultiPolygon:
    """At most 5 % of the vertices, or 200."""
    budget = max(_SMALLEST_BUDGET, int(shapely.get_num_coordinates(geometry)) // 20)
    tolerance = _extent(geometry) / 1000
    simple = _simplify_once(geometry, tolerance)
    for _ in range(_ROUNDS):
        if shapely.get_num_coordinates(simple) <= budget:
            return simple
        tolerance *= 1.3
        if _is_crowded(simple, tolerance):
            break
        simple = _simplify_once(_close_gaps(simple, tolerance), tolerance / 2)
    return _outline(geometry)


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
    is_small = shapely.get_num_coordinates(geometry) <= _RECURSION_VERTICES
    shrink = shapely.simplify if is_small else shapely.coverage_simplify
    simple = _as_multi(shrink(geometry, tolerance))
    if not simple.is_valid:
        simple = _join([shapely.make_valid(simple, method="structure", keep_collapsed=False)])
    return simple if simple.is_valid and simple.area > 0 else _as_multi(geometry)


def _as_multi(geometry: Any) -> shapely.MultiPolygon:
    if geometry.geom_type == "Polygon":
        return shapely.multipolygons([geometry])
    return geometry if geometry.geom_type == "MultiPolygon" else _join([geometry])


def _is_crowded(geometry: shapely.MultiPolygon, gap: float) -> bool:
    """Growing the parts would lay so many over each other that it took minutes."""
    west, south, east, north = shapely.bounds(shapely.get_parts(geometry)).T
    boxes = (west - gap, east + gap, south - gap, north + gap)
    density = np.mean([_count_overlaps(boxes, part) for part in _sample(len(west))])
    return bool(density > _DENSE and density * len(west) > _REPAIR_PAIRS)


def _outline(geometry: shapely.MultiPolygon) -> shapely.MultiPolygon:
    """Convex hull, one for each hemisphere so that none reaches around the world."""
    halves = [shapely.box(-180, -90, 0, 90), shapely.box(0, -90, 180, 90)]
    return _join([shapely.convex_hull(shapely.intersection(geometry, half)) for half in halves])


def _close_gaps(geometry: shapely.MultiPolygon, gap: float) -> Any:
    """Neighbours nearer than two gaps grow together: thousands of houses become blocks."""
    # Mitred, or every corner of a house would be cut off.
    corners = {"quad_segs": 1, "join_style": "mitre", "mitre_limit": 2}
    grown = shapely.buffer(geometry, gap, **corners)
    return shapely.intersection(shapely.buffer(grown, -gap, **corners), WORLD)
