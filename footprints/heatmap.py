"""Heat: one weighted point for each footprint, and what all heat has in common."""

from collections.abc import Generator, Iterator
from typing import Any

from django.db.models import F, FloatField, Func, QuerySet
from psycopg import sql

from config.api.streaming import join_blocks, stream_rows
from footprints.models import Footprint

# Of the weights, beside their least and their largest.
QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.99)
# First what a legend needs, then the features: one statement, and so one snapshot.
POINTS = sql.SQL(
    """
    SELECT json_build_object(
               'method', 'point',
               'count', count(*),
               'weight', CASE WHEN count(*) > 0 THEN
                   json_build_object('min', 1, 'max', 1, 'sum', count(*), 'quantiles', {quantiles})
               END,
               'bbox', CASE WHEN count(*) > 0 THEN
                   json_build_array(min(x), min(y), max(x), max(y))
               END)::text
      FROM ({rows}) AS footprint (id, org_id, at, area_m2, x, y)
     UNION ALL
    SELECT '{{"type":"Feature","id":' || id ||
           ',"geometry":{{"type":"Point","coordinates":[' || x || ',' || y ||
           ']}},"properties":{{"org_id":' || org_id ||
           ',"source_event_timestamp":' || rtrim(to_json(at AT TIME ZONE 'UTC')::text, '"') ||
           'Z","area_m2":' || area_m2 || ',"weight":1}}}}'
      FROM ({rows}) AS footprint (id, org_id, at, area_m2, x, y)
    """
)


def stream_points(footprints: QuerySet[Footprint]) -> Generator[bytes, None, None]:
    """A GeoJSON FeatureCollection, in blocks, of one Point on each footprint's surface.

    EPSG:4326; `area_m2` in m²; `weight` is 1. The member `metadata` holds what a legend needs. The
    first block is there before this returns, so that a query that fails does so before an answer
    has begun.
    """
    rows = footprints.order_by().values_list(
        "id",
        "org_id",
        "source_event_timestamp",
        "area_m2",
        Func(F("point"), function="ST_X", output_field=FloatField()),
        Func(F("point"), function="ST_Y", output_field=FloatField()),
    )
    quantiles = sql.SQL("json_build_object({})").format(
        sql.SQL(", ").join(sql.SQL("{}, 1").format(str(share)) for share in QUANTILES)
    )
    return write_collection(stream_rows(rows, POINTS, quantiles=quantiles))


def write_collection(lines: Iterator[bytes]) -> Generator[bytes, None, None]:
    """The metadata and then the features, each as a line of JSON, as one FeatureCollection.

    Closing it ends the query where a client goes away.
    """
    metadata = next(lines)
    blocks = join_blocks(lines, b",\n")
    head = b'{"type":"FeatureCollection","metadata":' + metadata + b',"features":[\n'
    return _write_blocks(head + next(blocks), blocks)


def _write_blocks(first: bytes, others: Iterator[bytes]) -> Generator[bytes, None, None]:
    yield first
    yield from others
    yield b"]}"


def list_org_ids(footprints: QuerySet[Footprint]) -> dict[str, Any]:
    """The organisations that have footprints, each once, in ascending order."""
    org_ids = list(footprints.order_by("org_id").values_list("org_id", flat=True).distinct())
    return {"count": len(org_ids), "org_ids": org_ids}
