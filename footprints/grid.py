"""Heat that is true for polygons: each footprint's weight of 1, spread over the cells it covers.

Cells are squares of EPSG:6933. It is equal-area, so that a cell covers as much ground at the
equator as at 60° north, and cylindrical, so that boxes of degrees are boxes in it. A cell's weight
is the sum of the shares of the footprints' areas that lie in it: all weights together are as many
as there are footprints.
"""

import math
from array import array
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
from django.contrib.gis.db.models import GeometryField
from django.contrib.gis.geos import Polygon
from django.db import connections
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from numpy.typing import NDArray
from psycopg import sql

from config.api.streaming import inline_query, stream_rows
from footprints.heatmap import QUANTILES, Collection
from footprints.models import Footprint

Box = tuple[float, float, float, float]

SMALLEST_CELL_METRES = 1.0
LARGEST_CELL_METRES = 5_000_000.0  # an eighth of the equator
# Pairs of a footprint's part and a cell that it may reach into; a second's work for 40,000 or so.
MAX_PAIRS = 200_000
WORLD: Box = (-180.0, -90.0, 180.0, 90.0)

# Parts, since the box around a footprint at ±180° is as wide as the world. A part that is all of
# its footprint weighs 1 in a cell of its own without being measured.
PLACED = sql.SQL(
    """
    box (number, west, south, east, north) AS (
        SELECT number, ST_X(low), ST_Y(low), ST_X(high), ST_Y(high)
          FROM (VALUES {boxes}) AS given (number, west, south, east, north),
               LATERAL (SELECT
                   ST_Transform(ST_SetSRID(ST_MakePoint(west, south), 4326), 6933) AS low,
                   ST_Transform(ST_SetSRID(ST_MakePoint(east, north), 4326), 6933) AS high
               ) AS corner
    ),
    part AS (
        SELECT area_m2, (ST_Dump(geometry)).geom AS geometry,
               CASE WHEN piece IS NULL THEN ST_NumGeometries(geometry) END AS parts
          FROM ({rows}) AS footprint (area_m2, geometry, piece)
    ),
    placed AS (
        SELECT area_m2, parts, geometry, ST_X(low) AS x0, ST_Y(low) AS y0,
               ST_X(high) AS x1, ST_Y(high) AS y1
          FROM part,
               LATERAL (SELECT
                   ST_Transform(
                       ST_SetSRID(ST_MakePoint(ST_XMin(geometry), ST_YMin(geometry)), 4326), 6933
                   ) AS low,
                   ST_Transform(
                       ST_SetSRID(ST_MakePoint(ST_XMax(geometry), ST_YMax(geometry)), 4326), 6933
                   ) AS high
                   OFFSET 0
               ) AS corner
    )
    """
)
# A part with a box that it reaches into, and how many cells it may reach into there: with a cell
# more on each side, since those at the edge are weighed whole.
REACHED = sql.SQL(
    """
    SELECT cell, area_m2, parts, x0, y0, box.*, is_single,
           CASE WHEN NOT is_single OR parts IS DISTINCT FROM 1 THEN geometry END AS geometry,
           (floor(least(x1, east + cell) / cell) - floor(greatest(x0, west - cell) / cell) + 1)
             * (floor(least(y1, north + cell) / cell)
                - floor(greatest(y0, south - cell) / cell) + 1) AS squares
      FROM size CROSS JOIN placed
      JOIN box ON x1 >= west - cell AND x0 <= east + cell
              AND y1 >= south - cell AND y0 <= north + cell
     CROSS JOIN LATERAL (SELECT area_m2 = 0 OR floor(x0 / cell) = floor(x1 / cell)
                            AND floor(y0 / cell) = floor(y1 / cell)) AS told (is_single)
    """
)
BOUNDS = sql.SQL(
    """
    WITH {placed}
    SELECT concat_ws(' ', x0, y0, x1, y1, west, south, east, north)
      FROM placed JOIN box ON x1 >= west - {margin} AND x0 <= east + {margin}
                          AND y1 >= south - {margin} AND y0 <= north + {margin}
    """
)
# First the pairs, of which too many yield nothing more, then the metadata, then the features.
CELLS = sql.SQL(
    """
    WITH {placed},
    size AS (SELECT {cell}::double precision AS cell),
    reached AS MATERIALIZED ({reached}),
    pairs AS (SELECT coalesce(sum(squares), 0) AS count FROM reached WHERE NOT is_single),
    share (number, i, j, weight) AS (
        SELECT number, floor(x0 / cell)::int, floor(y0 / cell)::int,
               CASE WHEN parts = 1 THEN 1 WHEN area_m2 = 0 THEN 1.0 / coalesce(parts, 1)
                    ELSE ST_Area(ST_Transform(geometry, 6933)) / area_m2 END
          FROM reached WHERE is_single AND (SELECT count FROM pairs) <= {most}
         UNION ALL
        SELECT number, square.i, square.j,
               ST_Area(ST_ClipByBox2D(near.geometry, square.geom::box2d)) / area_m2
          FROM reached,
               LATERAL (SELECT ST_ClipByBox2D(
                   ST_Transform(reached.geometry, 6933),
                   ST_MakeBox2D(ST_MakePoint(west - cell, south - cell),
                                ST_MakePoint(east + cell, north + cell))
               ) OFFSET 0) AS near (geometry),
               LATERAL ST_SquareGrid(cell, near.geometry) AS square
         WHERE NOT is_single AND (SELECT count FROM pairs) <= {most}
    ),
    summed AS (SELECT number, i, j, sum(weight) AS weight FROM share GROUP BY number, i, j),
    centred AS (
        SELECT number, i, j, weight, least(greatest((i + 0.5) * cell, -{edge_x}), {edge_x}) AS x,
               least(greatest((j + 0.5) * cell, -{edge_y}), {edge_y}) AS y
          FROM summed, size
    ),
    middle AS (
        SELECT ST_Transform(ST_SetSRID(ST_MakePoint(min(x), min(y)), 6933), 4326) AS point,
               max(weight) AS weight
          FROM centred JOIN box USING (number)
         WHERE x BETWEEN west AND east AND y BETWEEN south AND north
         GROUP BY i, j HAVING max(weight) > 0
    ),
    heat AS MATERIALIZED (
        SELECT round(ST_X(point)::numeric, 7) AS x, round(ST_Y(point)::numeric, 7) AS y, weight
          FROM middle
    )
    SELECT count::text FROM pairs
     UNION ALL
    SELECT json_build_object(
               'method', 'grid',
               'cell', {cell},
               'count', count(*),
               'weight', CASE WHEN count(*) > 0 THEN json_build_object(
                   'min', min(weight), 'max', max(weight), 'sum', sum(weight),
                   'quantiles', (SELECT json_object_agg(share, at) FROM unnest(
                       {shares}::text[],
                       percentile_cont({shares}::float[]) WITHIN GROUP (ORDER BY weight)
                   ) AS quantile (share, at))
               ) END,
               'bbox', CASE WHEN count(*) > 0 THEN
                   json_build_array(min(x), min(y), max(x), max(y))
               END)::text
      FROM heat
     UNION ALL
    SELECT '{{"type":"Feature","geometry":{{"type":"Point","coordinates":[' || x || ',' || y ||
           ']}},"properties":{{"weight":' || weight || '}}}}'
      FROM heat
    """
)
# Half the width and half the height of the world in EPSG:6933, a hair inside of it: the middle of a
# cell at the edge may lie beyond.
EDGE_X, EDGE_Y = 17_367_530.44, 7_342_230.13


# On the ellipsoid latitudes of equal area are up to 0.13° from those on a sphere.
LATITUDE_SLACK = 0.2


class CellTooSmall(ValueError):
    """There would be too many cells; `smallest` is the smallest size in metres that will do, if
    there is one."""

    def __init__(self, smallest: float | None) -> None:
        words = "too small for so many footprints: the smallest that will do is {:.0f}"
        many = "too many footprints for cells of any size: ask for fewer"
        super().__init__(many if smallest is None else words.format(smallest))
        self.smallest = smallest


def stream_cells(
    footprints: QuerySet[Footprint], cell: float, boxes: Sequence[Box] = ()
) -> Collection:
    """A GeoJSON FeatureCollection, in blocks, of one Point in the middle of each cell that any of
    the footprints covers, with its `weight`. EPSG:4326; `cell` is the length of a cell's side in
    metres. With `boxes` (west, south, east, north in degrees) only cells whose middle is in one.

    Raises CellTooSmall.
    """
    rows = select_parts(footprints, boxes, cell)
    lines = stream_rows(
        rows,
        CELLS,
        placed=write_placed(rows, boxes),
        reached=REACHED,
        cell=sql.Literal(int(cell) if cell == int(cell) else cell),
        most=sql.Literal(MAX_PAIRS),
        shares=sql.Literal([str(share) for share in QUANTILES]),
        edge_x=sql.Literal(EDGE_X),
        edge_y=sql.Literal(EDGE_Y),
    )
    if float(next(lines)) > MAX_PAIRS:
        lines.close()  # it holds the connection
        raise CellTooSmall(find_smallest_cell(footprints, boxes, cell))
    return Collection(lines)


def select_parts(
    footprints: QuerySet[Footprint], boxes: Sequence[Box], margin: float
) -> QuerySet[Footprint, Any]:
    """Area, geometry and the piece's id of those within `margin` metres of the boxes; a huge
    polygon comes in pieces."""
    if boxes:
        near = (Q(geometry__bboverlaps=_grow_box(box, margin)) for box in boxes)
        footprints = footprints.filter(reduce(or_, near))
    area_m2 = Coalesce("pieces__whole_m2", "area_m2")
    geometry = Coalesce("pieces__geometry", "geometry", output_field=GeometryField())
    return footprints.order_by().values_list(area_m2, geometry, "pieces__id")


def _grow_box(box: Box, cell: float) -> Polygon:
    """The box and a cell around it, at least: footprints beyond it share no cell with it."""
    west, south, east, north = box
    degrees = 180 * cell / EDGE_X
    low, high = (math.sin(math.radians(latitude)) for latitude in (south, north))
    grown = Polygon.from_bbox(
        (
            max(west - degrees, -180),
            max(_find_latitude(low - cell / EDGE_Y) - LATITUDE_SLACK, -90),
            min(east + degrees, 180),
            min(_find_latitude(high + cell / EDGE_Y) + LATITUDE_SLACK, 90),
        )
    )
    grown.srid = 4326
    return grown


def _find_latitude(height: float) -> float:
    return math.degrees(math.asin(min(max(height, -1), 1)))


def write_placed(rows: QuerySet[Footprint, Any], boxes: Sequence[Box]) -> sql.Composed:
    """The first part of each query, with the query of `rows` in it."""
    numbered = (
        sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, (number, *box))))
        for number, box in enumerate(boxes or [WORLD])
    )
    with connections[rows.db].cursor() as cursor:
        return PLACED.format(rows=inline_query(cursor, rows), boxes=sql.SQL(", ").join(numbered))


def find_smallest_cell(
    footprints: QuerySet[Footprint], boxes: Sequence[Box], cell: float
) -> float | None:
    """The smallest size in whole metres above `cell` that does not make too many pairs, or nearly:
    a few larger ones may make more. None where none will do. Holds 64 bytes for each part."""
    rows = select_parts(footprints, boxes, LARGEST_CELL_METRES)
    margin = sql.Literal(LARGEST_CELL_METRES)
    numbers = array("d")
    for line in stream_rows(rows, BOUNDS, placed=write_placed(rows, boxes), margin=margin):
        numbers.extend(map(float, line.split()))
    bounds = np.frombuffer(numbers).reshape(-1, 8).T
    low, high = math.floor(cell), math.ceil(2 * cell)
    while count_pairs(bounds, high) > MAX_PAIRS:
        low, high = high, 2 * high
        if low > LARGEST_CELL_METRES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        is_enough = count_pairs(bounds, middle) <= MAX_PAIRS
        low, high = (low, middle) if is_enough else (middle, high)
    return high


def count_pairs(bounds: NDArray[np.float64], cell: float) -> int:
    """How many pairs cells of that size would make: as `squares` are counted above."""
    x0, y0, x1, y1, west, south, east, north = bounds
    is_single = (x0 // cell == x1 // cell) & (y0 // cell == y1 // cell)
    columns = np.minimum(x1, east + cell) // cell - np.maximum(x0, west - cell) // cell + 1
    lines = np.minimum(y1, north + cell) // cell - np.maximum(y0, south - cell) // cell + 1
    is_near = (columns > 0) & (lines > 0)
    return int((columns * lines)[is_near & ~is_single].sum())
