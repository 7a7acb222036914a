"""Made-up usage events in the shape of the real CSV: the same bytes for the same arguments."""

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

HEADER: Final = b"org_id,footprints_used,source_event_timestamp\r\n"
ROWS_PER_BLOCK: Final = 1_000
FIRST_EVENT: Final = datetime(2025, 3, 3, 6, 0, tzinfo=UTC)
FEWEST_POINTS: Final = 5

Position = list[float]
Ring = list[Position]

CITIES: Final = (
    (-9.1393, 38.7223),  # Lisbon
    (18.4241, -33.9249),  # Cape Town
    (36.8219, -1.2921),  # Nairobi
    (77.5946, 12.9716),  # Bengaluru
    (139.6917, 35.6895),  # Tokyo
    (151.2093, -33.8688),  # Sydney
    (-58.3816, -34.6037),  # Buenos Aires
    (-99.1332, 19.4326),  # Mexico City
    (-73.5673, 45.5017),  # Montreal
    (24.9384, 60.1699),  # Helsinki
)
# Islands whose land lies on both sides of ±180°.
DATE_LINE: Final = ((180.0, -16.82), (180.0, 71.2), (180.0, -16.1))


def write_footprints(rows: int, *, seed: int, bad: float = 0.0) -> Iterator[bytes]:
    """Blocks of CSV, header first; `bad` is the share of broken rows, between 0 and 1."""
    # Only .random() is promised to give the same numbers in every version of Python.
    draw = random.Random(seed).random  # noqa: S311 - sample data, not secrets
    yield HEADER
    clock = FIRST_EVENT
    block: list[bytes] = []
    for _ in range(rows):
        clock += timedelta(milliseconds=1 + int(draw() * 60_000))
        block.append(_row(draw, clock, is_bad=draw() < bad))
        if len(block) == ROWS_PER_BLOCK:
            yield b"".join(block)
            block.clear()
    if block:
        yield b"".join(block)


Draw = Callable[[], float]


def _row(draw: Draw, clock: datetime, *, is_bad: bool) -> bytes:
    org_id = 1 + _below(draw, 100)
    footprint = _footprint(draw)
    timestamp = f"{clock:%Y-%m-%dT%H:%M:%S}.{clock.microsecond // 1000:03d}Z"
    if not is_bad:
        return _line(str(org_id), footprint, timestamp)
    kinds = list(BAD_KINDS.values())
    return kinds[_below(draw, len(kinds))](str(org_id), footprint, timestamp)


def _line(org_id: str, footprint: str, timestamp: str) -> bytes:
    quoted = footprint.replace('"', '""')
    return f'{org_id},"{quoted}",{timestamp}\r\n'.encode()


def _below(draw: Draw, count: int) -> int:
    return int(draw() * count)


# Shapes


def _footprint(draw: Draw) -> str:
    kind = draw()
    is_multi = draw() < 0.19
    polygons = _polygons(draw, 1 + is_multi * (1 + _below(draw, 2)))
    geometry: dict[str, Any] = {
        "type": "MultiPolygon" if is_multi else "Polygon",
        "coordinates": polygons if is_multi else polygons[0],
    }
    if kind < 0.02:
        del geometry["type"]
    if kind < 0.05:
        return _compact(geometry)
    return _compact({"type": "Feature", "geometry": geometry, "properties": {}})


def _compact(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _polygons(draw: Draw, count: int) -> list[list[Ring]]:
    """Side by side on a street going east, so that none overlaps the next."""
    if draw() < 0.005:
        return [[_across_date_line(draw)]] + [[_inland(draw)] for _ in range(count - 1)]
    city = CITIES[_below(draw, len(CITIES))]
    x, y = city[0] + (draw() - 0.5) * 0.2, city[1] + (draw() - 0.5) * 0.2
    return [_building(draw, x + 0.004 * n, y) for n in range(count)]


def _inland(draw: Draw) -> Ring:
    x, y = CITIES[_below(draw, len(CITIES))]
    return _outline(draw, (x + draw() * 0.1, y), 0.001)


def _building(draw: Draw, x: float, y: float) -> list[Ring]:
    radius = 0.0003 + draw() * 0.0012
    outer = _outline(draw, (x, y), radius)
    if draw() < 0.04:
        return [_bow_tie(outer)]
    if draw() < 0.15:
        return [outer, _court(draw, (x, y), radius)]
    return [outer]


def _outline(draw: Draw, centre: tuple[float, float], radius: float) -> Ring:
    """A star-shaped ring of 5 to 150 vertices, never nearer than half the radius."""
    spread = draw()
    count = FEWEST_POINTS + int(146 * spread * spread * spread)
    ring = [
        _around(centre, (n + 0.6 * draw()) / count, radius * (0.5 + 0.5 * draw()))
        for n in range(count - 1)
    ]
    return [*ring, ring[0]]


def _court(draw: Draw, centre: tuple[float, float], radius: float) -> Ring:
    # The outline of five points comes as near as 0.5 * cos(72°) radii to the centre.
    ring = [_around(centre, -n / 5, radius * (0.03 + 0.03 * draw())) for n in range(5)]
    return [*ring, ring[0]]


def _around(centre: tuple[float, float], turn: float, radius: float) -> Position:
    angle = 2 * math.pi * turn
    x, y = centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)
    return [round(x, 7), round(y, 7)]


def _bow_tie(ring: Ring) -> Ring:
    """Two vertices changed places: the edges on both sides of them cross."""
    middle = len(ring) // 2
    crossed = ring[:]
    crossed[middle - 1], crossed[middle] = ring[middle], ring[middle - 1]
    return crossed


def _across_date_line(draw: Draw) -> Ring:
    centre = DATE_LINE[_below(draw, len(DATE_LINE))]
    ring = _outline(draw, centre, 0.05 + draw() * 0.05)
    if draw() < 0.5:
        return ring
    return [[round(x - 360, 7), y] if x > 180 else [x, y] for x, y in ring]


# Broken rows

Spoil = Callable[[str, str, str], bytes]


def _with_footprint(footprint: str) -> Spoil:
    return lambda org_id, _, timestamp: _line(org_id, footprint, timestamp)


def _with_org_id(org_id: str) -> Spoil:
    return lambda _, footprint, timestamp: _line(org_id, footprint, timestamp)


def _with_timestamp(timestamp: str) -> Spoil:
    return lambda org_id, footprint, _: _line(org_id, footprint, timestamp)


def _cut_short(org_id: str, footprint: str, timestamp: str) -> bytes:
    return _line(org_id, footprint[: len(footprint) // 2], timestamp)


def _without_timestamp(org_id: str, footprint: str, timestamp: str) -> bytes:
    return _line(org_id, footprint, timestamp).replace(b"," + timestamp.encode(), b"")


def _with_fourth_column(org_id: str, footprint: str, timestamp: str) -> bytes:
    return _line(org_id, footprint, f"{timestamp},more")


def _with_broken_utf8(org_id: str, footprint: str, timestamp: str) -> bytes:
    return _line(org_id, footprint, timestamp).replace(b'""', b'""\xff', 1)


_HIGH: Final = '{"type":"Polygon","coordinates":[[[10,94],[11,94],[11,95],[10,94]]]}'
_NAN: Final = '{"type":"Polygon","coordinates":[[[10,NaN],[11,4],[11,5],[10,4]]]}'

# Each breaks a row made of org_id, footprint and timestamp in its own way.
BAD_KINDS: Final[Mapping[str, Spoil]] = MappingProxyType(
    {
        "broken_json": _cut_short,
        "empty_org_id": _with_org_id(""),
        "org_id_text": _with_org_id("acme"),
        "impossible_timestamp": _with_timestamp("2024-02-30T04:00:00.000Z"),
        "missing_column": _without_timestamp,
        "extra_column": _with_fourth_column,
        "empty_geometry": _with_footprint('{"type":"Polygon","coordinates":[]}'),
        "latitude_95": _with_footprint(_HIGH),
        "point": _with_footprint('{"type":"Point","coordinates":[13.4,52.5]}'),
        "deep_nesting": _with_footprint(f'{{"coordinates":{"[" * 200}{"]" * 200}}}'),
        "invalid_utf8": _with_broken_utf8,
        "nan_coordinate": _with_footprint(_NAN),
    }
)


def bad_row(kind: str, *, seed: int = 0) -> bytes:
    """One CSV row of that kind, without a header."""
    draw = random.Random(seed).random  # noqa: S311 - sample data, not secrets
    return BAD_KINDS[kind]("7", _footprint(draw), "2025-03-03T06:00:00.000Z")
