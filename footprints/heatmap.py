"""Heat: one weighted point for each footprint."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.db.models import F, FloatField, Func, QuerySet
from psycopg import sql

from config.api.streaming import join_blocks, stream_rows
from footprints.models import Footprint

FEATURE = sql.SQL(
    """
    SELECT '{{"type":"Feature","id":' || id ||
           ',"geometry":{{"type":"Point","coordinates":[' || x || ',' || y ||
           ']}},"properties":{{"org_id":' || org_id ||
           ',"source_event_timestamp":' || rtrim(to_json(at AT TIME ZONE 'UTC')::text, '"') ||
           'Z","area_m2":' || area_m2 || ',"weight":1}}}}'
      FROM ({rows}) AS footprint (id, org_id, at, area_m2, x, y)
    """
)
HEAD = b'{"type":"FeatureCollection","features":['
TAIL = b"]}"


def stream_points(footprints: QuerySet[Footprint]) -> Iterator[bytes]:
    """A GeoJSON FeatureCollection, in blocks, of one Point on each footprint's surface.

    EPSG:4326; `area_m2` in m²; `weight` is 1. The first block is there before this returns, so
    that a query that fails does so before an answer has begun.
    """
    rows = footprints.order_by().values_list(
        "id",
        "org_id",
        "source_event_timestamp",
        "area_m2",
        Func(F("point"), function="ST_X", output_field=FloatField()),
        Func(F("point"), function="ST_Y", output_field=FloatField()),
    )
    blocks = join_blocks(stream_rows(rows, FEATURE), b",\n")
    return chain([HEAD, next(blocks)], blocks, [TAIL])


def list_org_ids(footprints: QuerySet[Footprint]) -> dict[str, Any]:
    """The organisations that have footprints, each once, in ascending order."""
    org_ids = list(footprints.order_by("org_id").values_list("org_id", flat=True).distinct())
    return {"count": len(org_ids), "org_ids": org_ids}
