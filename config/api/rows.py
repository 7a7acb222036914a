"""Rows that PostgreSQL writes as JSON: no object is made of them, and no number is rounded."""

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

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
from rest_framework.renderers import JSONRenderer

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
from config.api.reading import limit_time
from config.api.streaming import INSTANT, inline_query

LEAST_COUNT_SECONDS = 0.5
FEW_ROWS = 10_000
# In PostgreSQL's own order NULL is the largest, as in the pages after the first.
FEW = sql.SQL(
    """
    WITH few AS MATERIALIZED (SELECT * FROM ({keys}) AS matching (key, value)),
    counted AS (SELECT count(*) AS count FROM few),
    page AS (SELECT key, value FROM few, counted WHERE count <= {most}
              ORDER BY value {direction}, key {direction} LIMIT {limit})
    SELECT count, as_json, value, key
      FROM counted LEFT JOIN page ON true LEFT JOIN ({rows}) AS shown (key, as_json) USING (key)
     ORDER BY value {direction}, key {direction}
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
    """Pages of rows as JSON. The view's `list_columns()` names the columns with their paths."""

    def fetch(self, queryset: QuerySet[Any], wanted: Wanted) -> tuple[Rows, Count]:
        can_be_few = wanted.cursor is None and wanted.count_mode in {"", "exact"}
        found = fetch_few(queryset, wanted, self.columns) if can_be_few else None
        return found or fetch_many(queryset, wanted, self.columns)

    def mark(self, row: Any, ordering: Ordering) -> list[Any]:
        _, value, key = row
        return [ordering.shorten(value), key]

    def get_paginated_response(self, data: Any) -> Any:
        return super().get_paginated_response([msgspec.Raw(row.encode()) for row, _, _ in data])


def fetch_few(
    queryset: QuerySet[Any], wanted: Wanted, columns: Mapping[str, str]
) -> tuple[Rows, Count] | None:
    """The first page and the count in one look at the rows that match; None where they are many.

    To look twice at few rows costs as much as all the rest: those of a part of a long text have to
    be read, since the index finds too many.
    """
    ordering, model = wanted.ordering, cast(Any, queryset.model)
    keys = queryset.order_by().annotate(order=ordering.value).values_list("pk", "order")
    rows = compile_rows(model, queryset.db, tuple(columns.items()))
    with connections[queryset.db].cursor() as cursor:
        cursor.execute(
            FEW.format(
                keys=inline_query(cursor, keys[: FEW_ROWS + 1]),
                rows=rows,
                direction=sql.SQL("ASC" if ordering.is_ascending else "DESC"),
                most=sql.Literal(FEW_ROWS),
                limit=sql.Literal(wanted.limit),
            )
        )
        found = cursor.fetchall()
    count = found[0][0]
    if count > FEW_ROWS:
        return None
    return [row for _, *row in found if row[0] is not None], (count, "exact")


@lru_cache(maxsize=256)
def compile_rows(model: Any, alias: str, columns: tuple[tuple[str, str], ...]) -> sql.SQL:
    """All rows of a table as JSON, by their keys. Django takes longer to write this query than
    PostgreSQL to answer it."""
    rows = write_rows(model.objects.using(alias), dict(columns)).values_list("pk", "as_json")
    with connections[alias].cursor() as cursor:
        return inline_query(cursor, rows)


def fetch_many(
    queryset: QuerySet[Any], wanted: Wanted, columns: Mapping[str, str]
) -> tuple[Rows, Count]:
    """The page, and the count in the time that it has left; where that is too short, the planner's
    estimate."""
    started_at = time.monotonic()
    rows = fetch_rows(queryset, wanted, lambda page: read_page(page, wanted.ordering, columns))
    left = settings.QUERY_SECONDS - (time.monotonic() - started_at)
    mode = wanted.count_mode
    if mode == "none":
        return rows, (None, "none")
    try:
        with limit_time(queryset.db, max(left, LEAST_COUNT_SECONDS)):
            return rows, count_rows(queryset, mode)
    except OperationalError as error:
        if mode == "exact" or not was_cancelled(error):
            raise
        return rows, count_rows(queryset, "estimated")


def read_page(page: QuerySet[Any], ordering: Ordering, columns: Mapping[str, str]) -> Rows:
    # First the keys alone: else whole rows are sorted, and by one process instead of several.
    found: QuerySet[Any] = page.model.objects.using(page.db).filter(pk__in=page.values("pk"))
    rows = write_rows(found, columns).values_list("as_json", ordering.column, "pk")
    return list(rows.order_by(*page.query.order_by))


class RawJSONRenderer(JSONRenderer):
    """JSON of which parts are written already."""

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        return b"" if data is None else msgspec.json.encode(data, enc_hook=str)
