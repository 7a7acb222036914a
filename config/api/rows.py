"""Rows that PostgreSQL writes as JSON: no object is made of them, and no number is rounded."""

import time
from collections.abc import Mapping
from typing import Any

import msgspec
from django.conf import settings
from django.db import OperationalError
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
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from config.api.errors import was_cancelled
from config.api.pagination import KeysetPagination, Ordering, Rows, get_column
from config.api.reading import limit_time

LEAST_COUNT_SECONDS = 0.5
INSTANT = "to_json(%s AT TIME ZONE 'UTC') #>> '{}' || 'Z'"


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
                cell = INSTANT % cell
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

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> Rows:
        self.started_at = time.monotonic()
        return super().paginate_queryset(queryset, request, view)

    def read(self, ordering: Ordering, view: APIView | None, page: QuerySet[Any]) -> Rows:
        # First the keys alone: else whole rows are sorted, and by one process instead of several.
        found: QuerySet[Any] = page.model.objects.using(page.db).filter(pk__in=page.values("pk"))
        rows = write_rows(found, view.list_columns())  # type: ignore[union-attr]
        chosen = rows.values_list("as_json", ordering.column, "pk")
        return list(chosen.order_by(*page.query.order_by))

    def count_rows(self, queryset: QuerySet[Any], mode: str) -> tuple[int | None, str]:
        """In the time that the page has left; where that is too short, the planner's estimate."""
        left = settings.QUERY_SECONDS - (time.monotonic() - self.started_at)
        try:
            with limit_time(queryset.db, max(left, LEAST_COUNT_SECONDS)):
                return super().count_rows(queryset, mode)
        except OperationalError as error:
            if mode == "exact" or not was_cancelled(error):
                raise
            return super().count_rows(queryset, "estimated")

    def mark(self, row: Any, ordering: Ordering) -> list[Any]:
        _, value, key = row
        return [ordering.shorten(value), key]

    def get_paginated_response(self, data: Any) -> Any:
        return super().get_paginated_response([msgspec.Raw(row.encode()) for row, _, _ in data])


class RawJSONRenderer(JSONRenderer):
    """JSON of which parts are written already."""

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        return b"" if data is None else msgspec.json.encode(data, enc_hook=str)
