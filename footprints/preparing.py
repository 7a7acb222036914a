"""A row of the CSV into a row of the staging table.

Without Django: loaders run it in processes of their own, which are to start soon and be small.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import shapely

from config.api.timestamps import parse_timestamp
from footprints.polygons import PolygonError, RepairedPolygon, repair_polygon
from imports.engine.csvrows import read_rows
from imports.engine.records import Chunk, Prepared, Record, Reject

SRID = 4326
BIGINT_DIGITS = 18

STAGING_COLUMNS = (
    "org_id",
    "source_event_timestamp",
    "original",
    "original_sha256",
    "geometry",
    "simplified",
    "point",
    "vertex_count",
    "original_vertex_count",
    "repairs",
    "area_change",
    "line",
)


def prepare_chunk(chunk: Chunk, header: Sequence[str]) -> Prepared:
    """Every row of a chunk with its polygon repaired, ready for the staging table."""
    rows: list[tuple[Any, ...]] = []
    rejects: list[Reject] = []
    for row in read_rows(chunk, header):
        outcome = row if isinstance(row, Reject) else prepare_row(*row)
        if isinstance(outcome, Reject):
            rejects.append(outcome)
        else:
            rows.append(outcome)
    return Prepared(rows, rejects)


def prepare_row(record: Record, fields: Mapping[str, str]) -> tuple[Any, ...] | Reject:
    """One row in the order of STAGING_COLUMNS, or why it is refused."""
    original = fields["footprints_used"]
    try:
        org_id = parse_org_id(fields["org_id"])
    except ValueError as error:
        return record.reject("bad_org_id", str(error), "org_id")
    try:
        happened_at = parse_timestamp(fields["source_event_timestamp"])
    except ValueError as error:
        return record.reject("bad_timestamp", str(error), "source_event_timestamp")
    try:
        polygon = repair_polygon(original)
    except PolygonError as error:
        return record.reject(error.code, error.reason, "footprints_used")
    digest = hashlib.sha256(original.encode()).digest()
    return (org_id, happened_at, original, digest, *describe_polygon(polygon), record.line)


def describe_polygon(polygon: RepairedPolygon) -> tuple[Any, ...]:
    """The staging columns from `geometry` to `area_change`; geometries as hexadecimal EWKB."""
    shapes = [polygon.geometry, polygon.simplified, polygon.point]
    repairs = [{"code": repair.code, "reason": repair.reason} for repair in polygon.repairs]
    return (
        *shapely.to_wkb(shapely.set_srid(shapes, SRID), hex=True, include_srid=True),
        polygon.vertex_count,
        polygon.original_vertex_count,
        json.dumps(repairs),
        polygon.area_change,
    )


def parse_org_id(text: str) -> int:
    """A whole number of at most 18 digits. Raises ValueError with a sentence for the sender."""
    if not text.strip():
        raise ValueError("org_id is empty")
    if not (text.isascii() and text.isdecimal() and len(text) <= BIGINT_DIGITS):
        msg = f"“{text[:40]}” is not a whole number of at most {BIGINT_DIGITS} digits"
        raise ValueError(msg)
    return int(text)
