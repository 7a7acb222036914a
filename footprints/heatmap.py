"""Heat: one weighted point for each footprint, and what all heat has in common."""

from collections.abc import Generator, Iterator
from itertools import chain
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


class Collection(Iterator[bytes]):
    """The metadata and then the features, each a line of JSON of a query that is being read, as a
    FeatureCollection in blocks. `close` ends the query where a client goes away, or never reads."""

    def __init__(self, lines: Generator[bytes, None, None]) -> None:
        self._lines = lines
        head = b'{"type":"FeatureCollection","metadata":' + next(lines) + b',"features":[\n'
        blocks = join_blocks(lines, b",\n")
        self._blocks = chain([head + next(blocks)], blocks, [b"]}"])

    def __next__(self) -> bytes:
        return next(self._blocks)

    def close(self) -> None:
        self._lines.close()


def stream_points(footprints: QuerySet[Footprint]) -> Collection:
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
    return Collection(stream_rows(rows, POINTS, quantiles=quantiles))


def list_org_ids(footprints: QuerySet[Footprint]) -> dict[str, Any]:
    """The organisations that have footprints, each once, in ascending order."""
    org_ids = list(footprints.order_by("org_id").values_list("org_id", flat=True).distinct())
    return {"count": len(org_ids), "org_ids": org_ids}
