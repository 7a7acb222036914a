"""Rows that PostgreSQL writes as JSON: no object is made of them, and no number is rounded."""

from collections.abc import Mapping
from typing import Any

import msgspec
from django.db.models import DateTimeField, Func, QuerySet, TextField
from rest_framework.renderers import JSONRenderer
from rest_framework.views import APIView

from config.api.pagination import KeysetPagination, Ordering

INSTANT = "to_json(%s AT TIME ZONE 'UTC') #>> '{}' || 'Z'"


class JsonRow(Func):
    """A JSON object of the columns that `columns` names with their paths, as text."""

    output_field = TextField()

    def __init__(self, columns: Mapping[str, str], **extra: Any) -> None:
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


class JsonRowPagination(KeysetPagination):
    """Pages of rows as JSON. The view's `list_columns()` names the columns with their paths."""

    def select(
        self, queryset: QuerySet[Any], ordering: Ordering, view: APIView | None
    ) -> QuerySet[Any]:
        columns = view.list_columns()  # type: ignore[union-attr]
        rows = queryset.annotate(as_json=JsonRow(columns))
        chosen: QuerySet[Any] = rows.values_list("as_json", ordering.column, "pk")
        return chosen

    def mark(self, row: Any, ordering: Ordering) -> list[Any]:
        _, value, key = row
        return [ordering.shorten(value), key]

    def get_paginated_response(self, data: Any) -> Any:
        return super().get_paginated_response([msgspec.Raw(row.encode()) for row, _, _ in data])


class RawJSONRenderer(JSONRenderer):
    """JSON of which parts are written already."""

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        return b"" if data is None else msgspec.json.encode(data, enc_hook=str)
