"""Vector tiles: what all layers have in common, and points, clustered where there are many."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from django.contrib.gis.db.models import Extent
from django.contrib.gis.geos import Polygon
from django.db import connections
from django.db.models import QuerySet
from psycopg import sql
from rest_framework.request import Request

from config.api.streaming import inline_query

TILE_TYPE = "application/vnd.mapbox-vector-tile"
MAX_ZOOM = 22
MAX_TILE_ZOOM = 16  # maps enlarge tiles of this zoom beyond it
# Points are clustered by squares, so many along a tile's side: at most 4,096 features. MapLibre
# draws a tile 512 pixels wide, so that a square is 8 of them.
SQUARES = 64
EXTENT = 4096  # the units of a tile's side (MVT 2.1, 4.1)

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
                      FROM ({rows}) AS matching (id, point)
                ) AS projected
          ) AS placed
         GROUP BY square_x, square_y
    )
    SELECT ST_AsMVT(feature, 'points', {extent}, 'geom', 'id') FROM (
        SELECT found.id, weight, {columns},
               ST_MakePoint(floor((across - {x}) * {extent}),
                            floor((down - {y}) * {extent})) AS geom
          FROM cluster
          LEFT JOIN {table} AS found ON found.id = cluster.id AND weight = 1
         WHERE floor(square_x / {squares}) = {x} AND floor(square_y / {squares}) = {y}
    ) AS feature
    """
)
# How a tile writes a column: as it is, or as a time (RFC 3339).
PLAIN = sql.SQL("{column}")
TIME = sql.SQL("btrim(to_json({column} AT TIME ZONE 'UTC')::text, '\"') || 'Z' AS {column}")


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


def cluster_points(rows: QuerySet[Any], tile: Tile, columns: Mapping[str, sql.SQL]) -> bytes:
    """Layer `points`: one for each of the rows whose `point` lies in the tile, with `weight` 1 and
    its columns; several in one of 64 by 64 squares are one point in their middle, whose `weight`
    is how many.

    `columns` maps their names to how each is written, `PLAIN` or `TIME`.
    """
    inside = rows.filter(point__bboverlaps=draw_box(tile, 1)).order_by()
    return encode_layer(
        inside.values_list("id", "point"),
        POINTS,
        tile,
        table=sql.Identifier(rows.model._meta.db_table),
        columns=sql.SQL(", ").join(
            form.format(column=sql.Identifier(name)) for name, form in columns.items()
        ),
    )


def encode_layer(
    rows: QuerySet[Any, Any], template: sql.SQL, tile: Tile, **parts: sql.Composable
) -> bytes:
    """What the template makes of the `{rows}` and of the tile's numbers."""
    with connections[rows.db].cursor() as cursor:
        cursor.execute(
            template.format(
                rows=inline_query(cursor, rows),
                x=sql.Literal(tile.x),
                y=sql.Literal(tile.y),
                extent=sql.Literal(EXTENT),
                squares=sql.Literal(SQUARES),
                tiles=sql.Literal(tile.count),
                **parts,
            )
        )
        [(layer,)] = cursor.fetchall()
        return bytes(layer)


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


def describe_tiles(
    name: str, rows: QuerySet[Any], request: Request, layers: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """TileJSON 3.0 of the rows' tiles, which are beside the address that this request is for and
    have the same filters; `layers` are its `vector_layers`."""
    query = request.META["QUERY_STRING"]
    url = unquote(request.build_absolute_uri("tiles/{z}/{x}/{y}.mvt"))
    west, south, east, north = rows.aggregate(extent=Extent("point"))["extent"] or WORLD
    south, north = (min(max(y, -MERCATOR_LATITUDE), MERCATOR_LATITUDE) for y in (south, north))
    return {
        "tilejson": "3.0.0",
        "name": name,
        "tiles": [f"{url}{query and '?'}{query}"],
        "minzoom": 0,
        "maxzoom": MAX_TILE_ZOOM,
        "bounds": [west, south, east, north],
        "vector_layers": [{"minzoom": 0, "maxzoom": MAX_TILE_ZOOM, **layer} for layer in layers],
    }
