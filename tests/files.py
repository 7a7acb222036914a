"""CSV files of footprints, as tests need them."""

import json
from collections.abc import Iterable

HEADER = b"org_id,footprints_used,source_event_timestamp\n"
NOON = "2024-07-01T12:00:00Z"


def draw_ring(lon: float = 13.0, lat: float = 52.0, size: float = 0.01) -> list[list[float]]:
    """A closed square, counter-clockwise, its south-western corner at (lon, lat)."""
    east, north = lon + size, lat + size
    return [[lon, lat], [east, lat], [east, north], [lon, north], [lon, lat]]


def write_row(org_id: object, footprint: str, happened_at: str = NOON) -> bytes:
    quoted = footprint.replace('"', '""')
    return f'{org_id},"{quoted}",{happened_at}\n'.encode()


def write_square(org_id: object, *, lon: float = 13.0, happened_at: str = NOON) -> bytes:
    return write_row(org_id, json.dumps({"coordinates": [draw_ring(lon)]}), happened_at)


def write_file(rows: Iterable[bytes]) -> bytes:
    return HEADER + b"".join(rows)
