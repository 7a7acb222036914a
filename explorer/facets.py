"""How often each value occurs, and how numbers and times are spread, under the filters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec
from django.db import connections
from django.db.models import QuerySet
from psycopg import sql
from rest_framework.request import Request

from config.api.filtersets import get_single
from config.api.reading import ANSWER_BYTES
from config.api.streaming import INSTANT
from explorer.querying import (
    find_column,
    read_count,
    read_words,
    refuse,
    show,
    unnest,
    write_column,
    write_source,
)
from explorer.tables import Column, Table

FACET_PARAMETERS = ("fields", "limit")
MOST_FIELDS = 10
DEFAULT_LIMIT = 100
MOST_LIMIT = 1_000

HISTOGRAM_PARAMETERS = ("field", "bins")
DEFAULT_BINS = 20
MOST_BINS = 200

FACET = sql.SQL(
    "(SELECT {place}::int, to_json({shown})::text, count(*) AS count FROM {source} {list}"
    " GROUP BY {key} ORDER BY count DESC, {key} LIMIT {limit})"
)
# Values beyond the bytes that an answer may have come without their count.
FACETS = sql.SQL(
    """
    SELECT place, value, CASE WHEN bytes_before < {bytes} THEN count END
      FROM (SELECT *, coalesce(sum(octet_length(value)) OVER before, 0) AS bytes_before
              FROM ({facets}) AS facet (place, value, count)
            WINDOW before AS (ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS counted
    """
)


def count_values(rows: QuerySet[Any], columns: Sequence[Column], limit: int) -> dict[str, Any]:
    """The most frequent values of each column, a list's by element. `has_more` names the columns
    that have more of them. One statement: all the figures are of one moment."""
    with connections[rows.db].cursor() as cursor:
        parts = [
            write_facet(place, column, write_source(cursor, rows, [column]), limit + 1)
            for place, column in enumerate(columns)
        ]
        facets = sql.SQL(" UNION ALL ").join(parts)
        cursor.execute(FACETS.format(facets=facets, bytes=sql.Literal(ANSWER_BYTES)))
        found = cursor.fetchall()
    results: dict[str, list[dict[str, Any]]] = {column.name: [] for column in columns}
    has_more = set()
    for place, value, count in found:
        name = columns[place].name
        if count is None or len(results[name]) == limit:
            has_more.add(name)
        else:
            shown = None if value is None else msgspec.Raw(value.encode())
            results[name].append({"value": shown, "count": count})
    return {"results": results, "has_more": [name for name in results if name in has_more]}


def write_facet(place: int, column: Column, source: sql.Composable, limit: int) -> sql.Composed:
    key = sql.Identifier("element", "value") if column.elements else write_column(column)
    return FACET.format(
        place=sql.Literal(place),
        shown=show(column, key),
        source=source,
        list=unnest(column, "element") if column.elements else sql.SQL(""),
        key=key,
        limit=sql.Literal(limit),
    )


def read_facets(request: Request, table: Table) -> tuple[list[Column], int]:
    """Raises ValidationError that names the parameter."""
    words = read_words(request, "fields")
    if not 0 < len(words) <= MOST_FIELDS or len(set(words)) < len(words):
        raise refuse("fields", f"1 to {MOST_FIELDS} columns, each once")
    columns = [find_column(table, word, "fields") for word in words]
    return columns, read_count(request, "limit", DEFAULT_LIMIT, MOST_LIMIT)


# Histograms


@dataclass(frozen=True)
class Scale:
    """How a kind of column is measured: its values as numbers, the width of a bin (of a number that
    of all bins, since a part of it is seldom exact), how many bins there are, which of them holds a
    value, where the n-th begins, and a number as a value again, as JSON."""

    value: sql.SQL
    width: sql.SQL
    count: sql.SQL
    place: sql.SQL
    edge: sql.SQL
    shown: sql.SQL


# Of what is whole, so perhaps fewer bins than were asked for. To divide and round up would round
# twice where there are more than 16 digits.
WHOLE_WIDTH = sql.SQL("div(high::numeric - low + {bins}, {bins})")
TIME_WIDTH = sql.SQL("div(high::numeric - low + {bins}, {bins})::bigint")
WHOLE_COUNT = sql.SQL("div(high::numeric - low + width, width)")
WHOLE_EDGE = sql.SQL("low + width * ({})")
TIME_PLACE = sql.SQL("({value} - {low}) / {width}")
SCALES: Mapping[str, Scale] = MappingProxyType(
    {
        "integer": Scale(
            value=sql.SQL("{}::numeric"),
            width=WHOLE_WIDTH,
            count=WHOLE_COUNT,
            place=sql.SQL("div({value} - {low}, {width})"),
            edge=WHOLE_EDGE,
            shown=sql.SQL("{}"),
        ),
        "number": Scale(
            value=sql.SQL("{}"),
            width=sql.SQL("coalesce(nullif(high - low, 0), 1)"),
            count=sql.SQL("CASE WHEN high > low THEN {bins} ELSE 1 END"),
            place=sql.SQL("div(({value} - {low}) * {bins}, {width})"),
            edge=sql.SQL("low + width * ({}) / bins"),
            shown=sql.SQL("trim_scale({})"),
        ),
        "date": Scale(
            value=sql.SQL("({} - date 'epoch')"),
            width=TIME_WIDTH,
            count=WHOLE_COUNT,
            place=TIME_PLACE,
            edge=WHOLE_EDGE,
            shown=sql.SQL("(date 'epoch' + ({})::int)"),
        ),
        # Whole microseconds: a double holds those of the years that the table's checks let in.
        "timestamp": Scale(
            value=sql.SQL("(date_part('epoch', {}) * 1000000)::bigint"),
            width=TIME_WIDTH,
            count=WHOLE_COUNT,
            place=TIME_PLACE,
            edge=WHOLE_EDGE,
            shown=sql.SQL(
                INSTANT.replace("{} ", "(timestamptz 'epoch' + interval '1 microsecond' * ({})) ")
            ),
        ),
    }
)
# Where a join would keep PostgreSQL from using several processes.
SCALARS: Mapping[str, sql.SQL] = MappingProxyType(
    {
        "low": sql.SQL("(SELECT low FROM scale)"),
        "width": sql.SQL("(SELECT width FROM scale)"),
        "bins": sql.SQL("(SELECT bins FROM scale)"),
    }
)
HISTOGRAM = sql.SQL(
    """
    WITH bounds AS (
        SELECT min({value}) AS low, max({value}) AS high, count(*) - count({value}) AS missing
          FROM {source}),
    widths AS (SELECT *, {width} AS width FROM bounds),
    scale AS (SELECT *, ({count})::int AS bins FROM widths),
    filled AS (
        SELECT least({place}, (SELECT bins FROM scale) - 1) AS place, count(*) AS count
          FROM {source} WHERE {value} IS NOT NULL GROUP BY 1)
    SELECT missing, to_json({start})::text, to_json({end})::text, coalesce(count, 0)
      FROM scale LEFT JOIN generate_series(0, bins - 1) AS place ON true
           LEFT JOIN filled USING (place)
     ORDER BY place
    """
)


def count_bins(rows: QuerySet[Any], column: Column, bins: int) -> dict[str, Any]:
    """How many values lie from each bin's `from` on and before its `to`; the last one of a number
    holds its `to` as well. `missing` is how many rows have no value."""
    scale = SCALES[column.kind.name]
    value = scale.value.format(write_column(column))
    with connections[rows.db].cursor() as cursor:
        cursor.execute(
            HISTOGRAM.format(
                value=value,
                source=write_source(cursor, rows, [column]),
                width=scale.width.format(bins=sql.Literal(bins)),
                count=scale.count.format(bins=sql.Literal(bins)),
                place=scale.place.format(value=value, **SCALARS),
                start=scale.shown.format(scale.edge.format(sql.SQL("place"))),
                end=scale.shown.format(scale.edge.format(sql.SQL("place + 1"))),
            )
        )
        found = cursor.fetchall()
    results = [
        {"from": msgspec.Raw(start.encode()), "to": msgspec.Raw(end.encode()), "count": count}
        for _, start, end, count in found
        if start is not None
    ]
    return {"field": column.name, "results": results, "missing": found[0][0]}


def read_histogram(request: Request, table: Table) -> tuple[Column, int]:
    """Raises ValidationError that names the parameter."""
    column = find_column(table, get_single(request, "field"), "field")
    if not column.kind.has_histogram:
        raise refuse("field", f"{column.name} holds neither numbers nor times")
    return column, read_count(request, "bins", DEFAULT_BINS, MOST_BINS)
