"""Rows that PostgreSQL writes as JSON: no object is made of them, and no number is rounded."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import takewhile
from typing import Any

import msgspec
from django.conf import settings
from django.db import OperationalError, connections
from django.db.models import (
    DateTimeField,
    F,
    Func,
    Model,
    OuterRef,
    QuerySet,
    Subquery,
    TextField,
)
from psycopg import sql

from config.api.errors import was_cancelled
from config.api.pagination import (
    Count,
    KeysetPagination,
    Ordering,
    Rows,
    Wanted,
    count_rows,
    fetch_rows,
    get_column,
)
from config.api.reading import ANSWER_BYTES, TimeLeft, execute_within, limit_time
from config.api.streaming import INSTANT, inline_query

# Of a question's time: for the look at rows that may be few, and what the page leaves to the count.
LOOK_SHARE = 0.4
COUNT_SHARE = 0.05
FEW_ROWS = 10_000
FEW = sql.SQL(
    """
    few AS MATERIALIZED (SELECT * FROM ({keys}) AS matching (key, value)),
    counted AS (SELECT count(*) AS count FROM few),
    page AS (SELECT key, value FROM few, counted WHERE count <= {most}
              ORDER BY value {direction}, key {direction} LIMIT {limit})
    """
)
MANY = sql.SQL("counted AS (SELECT NULL AS count), page (key, value) AS ({keys})")
# In PostgreSQL's own order NULL is the largest, as in the pages after the first. Rows beyond the
# bytes that a page may have come without their JSON. It is written before it is measured: else
# PostgreSQL writes it once for its length, and once more to be shown.
PAGE = sql.SQL(
    """
    WITH {found},
    written AS MATERIALIZED (
        SELECT key, value, as_json FROM page JOIN ({rows}) AS shown (key, as_json) USING (key)),
    measured AS (
        SELECT *, sum(octet_length(as_json)) OVER (
                      ORDER BY value {direction}, key {direction}
                      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
          FROM written)
    SELECT count, CASE WHEN coalesce(bytes_before, 0) < {bytes} THEN as_json END, value, key
      FROM counted LEFT JOIN measured ON true ORDER BY value {direction}, key {direction}
    """
)


class JsonRow(Func):
    """A JSON object of the columns, as text."""

    output_field = TextField()

    def __init__(self, columns: Mapping[str, Any], **extra: Any) -> None:
        super().__init__(*columns.values(), names=tuple(columns), **extra)

    def as_sql(  # type: ignore[override] # it has no template
        self, compiler: Any, connection: Any, **_: Any
    ) -> tuple[str, tuple[Any, ...]]:
        cells: list[str] = []
        parameters: list[Any] = []
        for name, expression in zip(self.extra["names"], self.source_expressions, strict=True):
            cell, given = compiler.compile(expression)
            if isinstance(expression.output_field, DateTimeField):
                cell = INSTANT.format(cell)
            cells.append(f"{cell} AS {connection.ops.quote_name(name)}")
            parameters += given
        # The names are those of a view's columns, and quoted.
        row = f"(SELECT row_to_json(r)::text FROM (SELECT {', '.join(cells)}) AS r)"  # noqa: S608
        return row, tuple(parameters)


def write_rows(rows: QuerySet[Any], columns: Mapping[str, str]) -> QuerySet[Any]:
    """The rows with `as_json`, of the columns that `columns` names with their paths."""
    found = {name: look_up(rows.model, path) for name, path in columns.items()}
    written: QuerySet[Any] = rows.annotate(as_json=JsonRow(found))
    return written


def look_up(model: type[Model], path: str) -> F | Subquery[Any]:
    """A column of another table is looked up for each row of the page: joined, it would be so for
    every row that is looked at."""
    relation, _, name = path.rpartition("__")
    if not relation:
        return F(path)
    related: Any = get_column(model, relation)
    [(key, other_key)] = related.related_fields
    found = related.related_model.objects.filter(**{other_key.name: OuterRef(key.attname)})
    return Subquery(found.values(name))


class JsonRowPagination(KeysetPagination):
    """Pages of rows as JSON. The view's `list_columns()` names the columns with their paths.

    A page has less rows than were asked for where they hold more than ANSWER_BYTES.
    """

    def fetch(self, queryset: QuerySet[Any], wanted: Wanted) -> tuple[Rows, Count]:
        time_left = TimeLeft()
        can_be_few = wanted.cursor is None and wanted.count_mode in {"", "exact"}
        found = fetch_few(queryset, wanted, self.columns) if can_be_few else None
        return found or fetch_many(queryset, wanted, self.columns, time_left)

    def frame(self, rows: Rows, size: int, *way: Any) -> Rows:
        written = sum(1 for _ in takewhile(lambda row: row[0] is not None, rows))
        return super().frame(rows, min(size, written) if rows else size, *way)

    def mark(self, row: Any, ordering: Ordering) -> list[Any]:
        _, value, key = row
        return [value, key]

    def get_paginated_response(self, data: Any) -> Any:
        return super().get_paginated_response([msgspec.Raw(row.encode()) for row, _, _ in data])


def fetch_few(
    queryset: QuerySet[Any], wanted: Wanted, columns: Mapping[str, str]
) -> tuple[Rows, Count] | None:
    """The first page and the count in one look at the rows that match; None where they are many, or
    where the look takes too long.

    To look twice at few rows costs as much as all the rest: those of a part of a long text have to
    be read, since the index finds too many.
    """
    value = wanted.ordering.value
    keys = queryset.order_by().annotate(order=value).values_list("pk", "order")[: FEW_ROWS + 1]
    seconds = settings.QUERY_SECONDS * LOOK_SHARE
    try:
        count, rows = fetch_page(keys, wanted, columns, FEW, seconds)
    except OperationalError as error:
        if not was_cancelled(error):
            raise
        return None
    return None if count > FEW_ROWS else (rows, (count, "exact"))


def fetch_page(
    keys: QuerySet[Any],
    wanted: Wanted,
    columns: Mapping[str, str],
    form: sql.SQL,
    seconds: float,
) -> tuple[Any, Rows]:
    """A count where the form has one, and the JSON, the value that is ordered by and the key of the
    rows of these keys and values."""
    direction = sql.SQL("ASC" if wanted.ordering.is_ascending else "DESC")
    model: Any = keys.model
    rows = compile_rows(model, keys.db, tuple(columns.items()))
    with connections[keys.db].cursor() as cursor:
        found = form.format(
            keys=inline_query(cursor, keys),
            most=sql.Literal(FEW_ROWS),
            limit=sql.Literal(wanted.limit),
            direction=direction,
        )
        page = PAGE.format(
            found=found, rows=rows, direction=direction, bytes=sql.Literal(ANSWER_BYTES)
        )
        execute_within(cursor, page, seconds)
        answer = cursor.fetchall()
    return answer[0][0], [row for _, *row in answer if row[-1] is not None]


@lru_cache(maxsize=256)
def compile_rows(model: Any, alias: str, columns: tuple[tuple[str, str], ...]) -> sql.SQL:
    """All rows of a table as JSON, by their keys. Django takes longer to write this query than
    PostgreSQL to answer it."""
    rows = write_rows(model.objects.using(alias), dict(columns)).values_list("pk", "as_json")
    with connections[alias].cursor() as cursor:
        return inline_query(cursor, rows)


def fetch_many(
    queryset: QuerySet[Any], wanted: Wanted, columns: Mapping[str, str], time_left: TimeLeft
) -> tuple[Rows, Count]:
    """The page, and the count in the time that it has left; where that is too short, the planner's
    estimate."""
    mode = wanted.count_mode
    for_count = 0 if mode == "none" else COUNT_SHARE

    def read(page: QuerySet[Any]) -> Rows:
        # First the keys alone: else whole rows are sorted, and by one process instead of several.
        keys = page.annotate(order=wanted.ordering.value).values_list("pk", "order")
        _, rows = fetch_page(keys, wanted, columns, MANY, time_left.measure(keep=for_count))
        return rows

    rows = fetch_rows(queryset, wanted, read)
    if mode == "none":
        return rows, (None, "none")
    try:
        with limit_time(queryset.db, time_left.measure()):
            return rows, count_rows(queryset, mode)
    except OperationalError as error:
        if mode == "exact" or not was_cancelled(error):
            raise
        return rows, count_rows(queryset, "estimated")
