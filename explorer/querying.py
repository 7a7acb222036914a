"""SQL over the rows that match the filters, for what Django's own queries do not say."""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from psycopg import sql
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from config.api.errors import show_name
from config.api.filtersets import get_single
from config.api.streaming import INSTANT, inline_query
from explorer.tables import Column, Table

COMMA = sql.SQL(", ")


def write_source(cursor: Any, rows: QuerySet[Any], columns: Iterable[Column]) -> sql.Composed:
    """What stands behind FROM: the rows as `matching`, with these columns by their names."""
    paths = {column.name: column.path for column in columns}
    paths |= {column.elements: column.elements for column in columns if column.elements}
    paths = paths or {"pk": "pk"}
    return sql.SQL("({}) AS matching ({})").format(
        inline_query(cursor, rows.order_by().values_list(*paths.values())),
        COMMA.join(map(sql.Identifier, paths)),
    )


def write_column(column: Column) -> sql.Composable:
    return sql.Identifier("matching", column.name)


def show(column: Column, value: sql.Composable) -> sql.Composable:
    """A value as JSON has it."""
    return sql.SQL(INSTANT).format(value) if column.kind.name == "timestamp" else value


def unnest(column: Column, alias: str) -> sql.Composed:
    """Each element of a list column as `alias.value`; a row without any stays, with NULL."""
    return sql.SQL("LEFT JOIN LATERAL unnest({}) AS {} (value) ON true").format(
        sql.Identifier("matching", column.elements), sql.Identifier(alias)
    )


# What a question consists of


def read_words(request: Request, name: str) -> list[str]:
    """The words of a parameter that is a list: parted by commas, or repeated."""
    return [word for text in request.query_params.getlist(name) for word in text.split(",") if word]


def find_column(table: Table, name: str, parameter: str) -> Column:
    """Raises ValidationError that names the parameter."""
    if name not in table.by_name:
        shown = show_name(name[:40])
        raise refuse(parameter, f"“{shown}” is not a column of {table.name}")
    return table.by_name[name]


def read_count(request: Request, name: str, default: int, most: int) -> int:
    text = get_single(request, name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):
        raise refuse(name, f"a whole number from 1 to {most}")
    return int(text)


def refuse(parameter: str, why: str) -> ValidationError:
    return ValidationError({parameter: why})
