"""Footprints as vector tiles: their points, and from zoom 10 on their outlines."""

from django.db.models import F, QuerySet
from psycopg import sql

from config.api.tiles import (
    EXTENT,
    HALF_WORLD_METRES,
    PLAIN,
    TIME,
    Tile,
    cluster_points,
    draw_box,
    encode_layer,
)
from footprints.models import Footprint

OUTLINE_ZOOM = 10
BUFFER = 64  # units beyond the tile's side, so that outlines have no seam
# Of the outlines in a tile the largest, until there are so many or so many vertices, at 2 to 4
# bytes each: with all points that stays below 500 KB.
MAX_OUTLINES = 500
MAX_OUTLINE_VERTICES = 60_000

COLUMNS = {"org_id": PLAIN, "source_event_timestamp": TIME, "area_m2": PLAIN}
LAYERS = (
    {
        "id": "points",
        "description": "one for each footprint; near ones are one with their number",
        "fields": {
            "weight": "Number of footprints",
            "org_id": "Number, of a footprint by itself",
            "source_event_timestamp": "String, of a footprint by itself",
            "area_m2": "Number, of a footprint by itself",
        },
    },
    {
        "id": "outlines",
        "description": "simplified polygons",
        "minzoom": OUTLINE_ZOOM,
        "fields": {"org_id": "Number", "area_m2": "Number"},
    },
)

# Three times as fast as ST_AsMVTGeom, which looks whether rounding made a polygon invalid; its
# outline is drawn all the same. Shells are wound as the specification has it (MVT 2.1, 4.3.3.3).
OUTLINES = sql.SQL(
    """
    SELECT ST_AsMVT(feature, 'outlines', {extent}, 'geom', 'id') FROM (
        SELECT id, org_id, area_m2, geom FROM (
            SELECT id, org_id, area_m2, geom,
                   sum(ST_NPoints(geom)) OVER (ORDER BY area_m2 DESC, id) AS vertices
              FROM (
                  SELECT id, org_id, area_m2, ST_ForcePolygonCCW(ST_SnapToGrid(ST_TransScale(
                             ST_Transform(ST_ClipByBox2D(simplified, {box}::geometry::box2d), 3857),
                             -{west}, -{north}, {scale}, -{scale}
                         ), 1)) AS geom
                    FROM ({rows}) AS footprint (id, org_id, area_m2, simplified)
                  OFFSET 0 -- or each would be drawn twice
              ) AS drawn WHERE NOT ST_IsEmpty(geom)
        ) AS counted WHERE vertices <= {most_vertices}
    ) AS feature
    """
)


def make_tile(footprints: QuerySet[Footprint], tile: Tile) -> bytes:
    """A Mapbox vector tile (MVT 2.1) of at most 500 KB.

    Layer `points`: one for each footprint whose point lies in the tile, with `weight` 1,
    `org_id`, `source_event_timestamp` and `area_m2`; several in one of 64 by 64 squares are one
    point in their middle, whose `weight` is how many. From zoom 10 on layer `outlines`: the
    simplified polygons with `org_id` and `area_m2`, the largest first where they are too many.
    """
    points = cluster_points(footprints, tile, COLUMNS)
    return points + (draw_outlines(footprints, tile) if tile.z >= OUTLINE_ZOOM else b"")


def draw_outlines(footprints: QuerySet[Footprint], tile: Tile) -> bytes:
    inside = footprints.filter(geometry__bboverlaps=draw_box(tile, BUFFER))
    largest = inside.order_by(F("area_m2").desc(), "id").values("id")[:MAX_OUTLINES]
    rows = Footprint.objects.using(footprints.db).filter(id__in=largest)
    return encode_layer(
        rows.values_list("id", "org_id", "area_m2", "simplified"),
        OUTLINES,
        tile,
        west=sql.Literal(tile.x * tile.metres - HALF_WORLD_METRES),
        north=sql.Literal(HALF_WORLD_METRES - tile.y * tile.metres),
        scale=sql.Literal(EXTENT / tile.metres),
        box=sql.Literal(draw_box(tile, BUFFER).hexewkb.decode()),
        most_vertices=sql.Literal(MAX_OUTLINE_VERTICES),
    )
