"""Footprints as vector tiles: their points, clustered where there are many, and their outlines."""

import math
from dataclasses import dataclass
from typing import Any

from django.contrib.gis.db.models import Extent
from django.contrib.gis.geos import Polygon
from django.db import connections
from django.db.models import F, QuerySet
from psycopg import sql

from config.api.streaming import inline_query
from footprints.models import Footprint

MAX_ZOOM = 22
MAX_TILE_ZOOM = 16  # maps enlarge tiles of this zoom beyond it
OUTLINE_ZOOM = 10
# Points are clustered by squares, so many along a tile's side: at most 4,096 features. MapLibre
# draws a tile 512 pixels wide, so that a square is 8 of them.
SQUARES = 64
EXTENT = 4096  # the units of a tile's side (MVT 2.1, 4.1)
BUFFER = 64  # beyond the tile's side, so that outlines have no seam
# Of the outlines in a tile the largest, until there are so many or so many vertices, at 2 to 4
# bytes each: with all points that stays below 500 KB.
MAX_OUTLINES = 500
MAX_OUTLINE_VERTICES = 60_000

MERCATOR_LATITUDE = 85.0511287798  # where Web Mercator's square ends
HALF_WORLD_METRES = 20_037_508.342789244  # of EPSG:3857
WORLD = (-180.0, -MERCATOR_LATITUDE, 180.0, MERCATOR_LATITUDE)

# A point's square is the same reckoning for every tile: it is in one of them, also where it lies on
# an edge. By the formula of Web Mercator, which is three times as fast as ST_Transform. Squares of
# other tiles, of points at the edges, are left out only after all are counted: before, the planner
# would expect few points, and sort them.
POINTS = sql.SQL(
    """
    WITH cluster AS MATERIALIZED (
        SELECT square_x, square_y, min(id) AS id, count(*) AS weight,
               avg(across) AS across, avg(down) AS down
          FROM (
              SELECT id, across, down, floor(down * {squares}) AS square_y,
                     least(floor(across * {squares}), {tiles} * {squares} - 1) AS square_x
                FROM (
                    SELECT id, (ST_X(point) + 180) / 360 * {tiles} AS across,
                           (0.5 - ln(tan(radians(45 + ST_Y(point) / 2))) / (2 * pi())) * {tiles}
                               AS down
                      FROM ({rows}) AS footprint (id, point)
                ) AS projected
          ) AS placed
         GROUP BY square_x, square_y
    )
    SELECT ST_AsMVT(feature, 'points', {extent}, 'geom', 'id') FROM (
        SELECT footprint.id, weight, org_id,
               btrim(to_json(source_event_timestamp AT TIME ZONE 'UTC')::text, '"') || 'Z'
                   AS source_event_timestamp,
               area_m2,
               ST_MakePoint(floor((across - {x}) * {extent}),
                            floor((down - {y}) * {extent})) AS geom
          FROM cluster
          LEFT JOIN footprints_footprint AS footprint ON footprint.id = cluster.id AND weight = 1
         WHERE floor(square_x / {squares}) = {x} AND floor(square_y / {squares}) = {y}
    ) AS feature
    """
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


@dataclass(frozen=True)
class Tile:
    """A square of the Web Mercator map (EPSG:3857): at zoom z there are 2^z by 2^z of them, from
    the north-west."""

    z: int
    x: int
    y: int

    def __post_init__(self) -> None:
        """Raises ValueError for a tile that is not on the map."""
        if self.z > MAX_ZOOM or max(self.x, self.y) >= 1 << self.z or min(self.x, self.y) < 0:
            raise ValueError("there is no such tile")

    @property
    def count(self) -> int:
        """How many tiles lie beside each other."""
        return 1 << self.z

    @property
    def metres(self) -> float:
        """The length of its side, in metres of EPSG:3857."""
        return 2 * HALF_WORLD_METRES / self.count


def make_tile(footprints: QuerySet[Footprint], tile: Tile) -> bytes:
    """A Mapbox vector tile (MVT 2.1) of at most 500 KB.

    Layer `points`: one for each footprint whose point lies in the tile, with `weight` 1,
    `org_id`, `source_event_timestamp` and `area_m2`; several in one of 64 by 64 squares are one
    point in their middle, whose `weight` is how many. From zoom 10 on layer `outlines`: the
    simplified polygons with `org_id` and `area_m2`, the largest first where they are too many.
    """
    layers = [_encode(_select_points(footprints, tile), POINTS, tile)]
    if tile.z >= OUTLINE_ZOOM:
        layers.append(_encode(_select_outlines(footprints, tile), OUTLINES, tile))
    return b"".join(layers)


def _encode(rows: QuerySet[Footprint, Any], template: sql.SQL, tile: Tile) -> bytes:
    with connections[rows.db].cursor() as cursor:
        cursor.execute(
            template.format(
                rows=inline_query(cursor, rows),
                z=sql.Literal(tile.z),
                x=sql.Literal(tile.x),
                y=sql.Literal(tile.y),
                extent=sql.Literal(EXTENT),
                west=sql.Literal(tile.x * tile.metres - HALF_WORLD_METRES),
                north=sql.Literal(HALF_WORLD_METRES - tile.y * tile.metres),
                scale=sql.Literal(EXTENT / tile.metres),
                squares=sql.Literal(SQUARES),
                tiles=sql.Literal(tile.count),
                box=sql.Literal(draw_box(tile, BUFFER).hexewkb.decode()),
                most_vertices=sql.Literal(MAX_OUTLINE_VERTICES),
            )
        )
        [(layer,)] = cursor.fetchall()
        return bytes(layer)


def _select_points(footprints: QuerySet[Footprint], tile: Tile) -> QuerySet[Footprint, Any]:
    inside = footprints.filter(point__bboverlaps=draw_box(tile, 1))
    return inside.order_by().values_list("id", "point")


def _select_outlines(footprints: QuerySet[Footprint], tile: Tile) -> QuerySet[Footprint, Any]:
    inside = footprints.filter(geometry__bboverlaps=draw_box(tile, BUFFER))
    largest = inside.order_by(F("area_m2").desc(), "id").values("id")[:MAX_OUTLINES]
    rows = Footprint.objects.using(footprints.db).filter(id__in=largest)
    return rows.values_list("id", "org_id", "area_m2", "simplified")


def draw_box(tile: Tile, buffer: int) -> Polygon:
    """The tile with a margin of `buffer` units as a box of degrees (EPSG:4326)."""
    margin = buffer / EXTENT
    west, east = (
        _find_longitude(column, tile.z) for column in (tile.x - margin, tile.x + 1 + margin)
    )
    north, south = (_find_latitude(row, tile.z) for row in (tile.y - margin, tile.y + 1 + margin))
    box = Polygon.from_bbox((west, south, east, north))
    box.srid = 4326
    return box


def _find_longitude(column: float, z: int) -> float:
    return min(max(360 * column / (1 << z) - 180, -180.0), 180.0)


def _find_latitude(row: float, z: int) -> float:
    """Of the spherical Web Mercator projection (EPSG:3857)."""
    return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * row / (1 << z)))))


def describe_tiles(footprints: QuerySet[Footprint], url: str) -> dict[str, Any]:
    """TileJSON 3.0 of the tiles at `url`, a template with {z}, {x} and {y}."""
    west, south, east, north = footprints.aggregate(extent=Extent("point"))["extent"] or WORLD
    south, north = (min(max(y, -MERCATOR_LATITUDE), MERCATOR_LATITUDE) for y in (south, north))
    return {
        "tilejson": "3.0.0",
        "name": "footprints",
        "tiles": [url],
        "minzoom": 0,
        "maxzoom": MAX_TILE_ZOOM,
        "bounds": [west, south, east, north],
        "vector_layers": [
            {
                "id": "points",
                "description": "one for each footprint; near ones are one with their number",
                "minzoom": 0,
                "maxzoom": MAX_TILE_ZOOM,
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
                "maxzoom": MAX_TILE_ZOOM,
                "fields": {"org_id": "Number", "area_m2": "Number"},
            },
        ],
    }
