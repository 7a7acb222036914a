"""Keyset pages: stable while rows come and go, by any column, NULLs and ties included."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import ValidationError as InvalidValue
from django.db.models import (
    AutoField,
    BigIntegerField,
    CharField,
    DateTimeField,
    F,
    Field,
    Model,
    QuerySet,
    TextField,
)
from django.db.models.expressions import OrderBy
from django.db.models.fields.tuple_lookups import TupleGreaterThan, TupleLessThan
from django.db.models.functions import Left
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from config.api.filtersets import check_text, get_kind, get_single
from config.api.timestamps import parse_timestamp

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1_000
MAX_EXACT_COUNT = 100_000
ORDERED_CHARACTERS = 64
COUNT_MODES = ("exact", "estimated", "none")

Rows = list[Any]
# How many, and whether that is `exact`, `estimated` or `none`.
Count = tuple[int | None, str]


@dataclass(frozen=True)
class Ordering:
    """One column and the primary key, both in the same direction.

    Ascending is PostgreSQL's order: NULL is larger than any value. Texts of any length are ordered
    by their beginning: an address could not hold a cursor that names all of one.
    """

    column: str
    is_ascending: bool
    is_nullable: bool = False
    is_text: bool = False

    @property
    def value(self) -> F | Left:
        column = F(self.column)
        return Left(column, ORDERED_CHARACTERS) if self.is_text else column

    def shorten(self, value: Any) -> Any:
        """A value of the column as `value` has it."""
        return value[:ORDERED_CHARACTERS] if self.is_text and value else value

    def reverse(self) -> "Ordering":
        return replace(self, is_ascending=not self.is_ascending)


@dataclass(frozen=True)
class Cursor:
    """The row next to which a page begins: `n`ext to it onward, or the `p`revious ones."""

    direction: str
    value: Any
    pk: Any


@dataclass(frozen=True)
class Wanted:
    """What is asked of the database for a page: `limit` rows after the cursor's, in this order."""

    ordering: Ordering
    cursor: Cursor | None
    limit: int
    count_mode: str


class KeysetPagination(BasePagination):
    """Pages of `results` with `next`, `previous` and `count`.

    A view names its default `ordering` (such as `-id`) and the model's columns it may be ordered
    by in `ordering_fields`; `ordering_aliases` maps names of these to columns of the same order.
    """

    rows_key = "results"

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> Rows:
        self.request = request
        self.columns: Mapping[str, str] = getattr(view, "list_columns", dict)()
        ordering = read_ordering(request, queryset.model, view)
        cursor = read_cursor(request, queryset.model, ordering)
        mode = read_count_mode(request)
        size = read_page_size(request, getattr(view, "page_size", DEFAULT_PAGE_SIZE))
        direction = "" if cursor is None else cursor.direction
        way = ordering.reverse() if direction == "p" else ordering
        wanted = Wanted(way, cursor, size + 1, mode)
        rows, (self.count, self.count_is) = self.fetch(queryset, wanted)
        return self.frame(rows, size, direction, lambda row: self.mark(row, ordering))

    def fetch(self, queryset: QuerySet[Any], wanted: Wanted) -> tuple[Rows, Count]:
        """The rows of the page, and how many match."""
        return fetch_rows(queryset, wanted), count_rows(queryset, wanted.count_mode)

    def mark(self, row: Any, ordering: Ordering) -> list[Any]:
        """The row's value in the column that it is ordered by, and its key."""
        return [ordering.shorten(getattr(row, ordering.column)), row.pk]

    def frame(
        self, rows: Rows, size: int, direction: str, mark: Callable[[Any], list[Any]]
    ) -> Rows:
        """The page, of `rows` that are one more than `size` where there are more in this direction,
        and its links, whose cursors hold what `mark` makes of the row next to them."""
        has_more = len(rows) > size
        rows = rows[:size]
        is_backward = direction == "p"
        if is_backward:
            rows.reverse()
        came_from_before = has_more if is_backward else direction == "n"
        has_next = rows and (has_more or is_backward)
        self.next = self._link("n", mark(rows[-1])) if has_next else None
        self.previous = self._link("p", mark(rows[0])) if rows and came_from_before else None
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {
                "next": self.next,
                "previous": self.previous,
                "count": self.count,
                "count_is": self.count_is,
                self.rows_key: data,
            }
        )

    def get_results(self, data: Any) -> Any:
        """The rows of an answer; the page for browsers asks for them."""
        return data[self.rows_key]

    def _link(self, direction: str, mark: list[Any]) -> str:
        # `str`, since Django's own encoder cuts timestamps to milliseconds: the walk would not end.
        text = json.dumps([direction, *mark], default=str)
        url = self.request.build_absolute_uri()
        return replace_query_param(url, "cursor", urlsafe_b64encode(text.encode()).decode())

    def get_paginated_response_schema(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "count", "count_is", self.rows_key],
            "properties": {
                "next": link,
                "previous": link,
                "count": {"type": "integer", "nullable": True},
                "count_is": {"type": "string", "enum": list(COUNT_MODES)},
                self.rows_key: schema,
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        size = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE}
        default = getattr(view, "page_size", DEFAULT_PAGE_SIZE)
        columns = [sign + name for name in view.ordering_fields for sign in ("", "-")]  # type: ignore[attr-defined]
        return [
            _describe("page_size", f"rows of a page (default {default})", size),
            _describe("cursor", "from a `next` or `previous` link", {"type": "string"}),
            _describe(
                "count",
                f"how to count (default: exact up to {MAX_EXACT_COUNT} rows, else estimated)",
                {"type": "string", "enum": list(COUNT_MODES)},
            ),
            _describe(
                "ordering", "a column, - for descending", {"type": "string", "enum": columns}
            ),
        ]


class GeoJsonPagination(KeysetPagination):
    """The same as a GeoJSON FeatureCollection."""

    rows_key = "features"

    def get_paginated_response(self, data: Any) -> Response:
        features = data["features"] if isinstance(data, Mapping) else data
        response = super().get_paginated_response(features)
        response.data = {"type": "FeatureCollection", **response.data}
        return response

    def get_paginated_response_schema(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        features = schema["properties"]["features"] if "properties" in schema else schema
        page = super().get_paginated_response_schema(features)
        kind = {"type": "string", "enum": ["FeatureCollection"]}
        return page | {
            "required": ["type", *page["required"]],
            "properties": {"type": kind, **page["properties"]},
        }


def fetch_rows(
    queryset: QuerySet[Any], wanted: Wanted, read: Callable[[QuerySet[Any]], Rows] = list
) -> Rows:
    """Values first, then the NULLs, or the other way round where the order descends. `read` makes
    rows of each query, which has its order and its limit."""
    ordering, cursor = wanted.ordering, wanted.cursor
    values = _select_values(queryset, ordering, cursor)
    if not ordering.is_nullable:
        return read(values[: wanted.limit])
    nulls = _select_nulls(queryset, ordering, cursor)
    segments = [values, nulls] if ordering.is_ascending else [nulls, values]
    rows: Rows = []
    for segment in segments:
        if len(rows) < wanted.limit:
            rows += read(segment[: wanted.limit - len(rows)])
    return rows


def _select_values(
    queryset: QuerySet[Any], ordering: Ordering, cursor: Cursor | None
) -> QuerySet[Any]:
    is_descending = not ordering.is_ascending
    rows = queryset.order_by(
        OrderBy(ordering.value, descending=is_descending),
        OrderBy(F("pk"), descending=is_descending),
    )
    if ordering.is_nullable:
        rows = rows.filter(**{f"{ordering.column}__isnull": False})
    if cursor is None:
        return rows
    if cursor.value is None:  # the NULLs are the last when ascending, the first when descending
        return rows.none() if ordering.is_ascending else rows
    # A row comparison is one index range; the same with OR is a hundred times slower.
    after = TupleGreaterThan if ordering.is_ascending else TupleLessThan
    return rows.filter(after((ordering.value, F("pk")), (cursor.value, cursor.pk)))


def _select_nulls(
    queryset: QuerySet[Any], ordering: Ordering, cursor: Cursor | None
) -> QuerySet[Any]:
    rows = queryset.filter(**{f"{ordering.column}__isnull": True})
    rows = rows.order_by("pk" if ordering.is_ascending else "-pk")
    if cursor is None:
        return rows
    if cursor.value is not None:
        return rows if ordering.is_ascending else rows.none()
    return rows.filter(**{"pk__gt" if ordering.is_ascending else "pk__lt": cursor.pk})


def count_rows(queryset: QuerySet[Any], mode: str) -> Count:
    """How many rows match, and whether that is `exact`, `estimated` or `none`.

    Without a mode it is exact up to MAX_EXACT_COUNT rows, beyond that the planner's estimate.
    """
    if mode == "none":
        return None, "none"
    rows = queryset.order_by()
    if mode == "exact":
        return rows.count(), "exact"
    if mode == "" and (count := count_few(rows)) is not None:
        return count, "exact"
    return estimate_rows(rows.values("pk")), "estimated"


def count_few(rows: QuerySet[Any]) -> int | None:
    """How many there are; None where they are too many to be counted for every page."""
    count = rows.order_by()[: MAX_EXACT_COUNT + 1].count()
    return count if count <= MAX_EXACT_COUNT else None


def estimate_rows(rows: QuerySet[Any, Any]) -> int:
    """What the planner expects."""
    plan = rows.explain(format="json")
    if not plan:  # Django asks nothing where it knows that nothing can match
        return 0
    return int(json.loads(plan)[0]["Plan"]["Plan Rows"])


def read_ordering(request: Request, model: type[Model], view: APIView | None) -> Ordering:
    text = get_single(request, "ordering") or str(getattr(view, "ordering", "id"))
    name = text.removeprefix("-")
    if name not in getattr(view, "ordering_fields", ()):
        raise ValidationError({"ordering": f"“{name[:40]}” is not a column to order by"})
    path = getattr(view, "ordering_aliases", {}).get(name, name)
    field = get_column(model, path)
    is_joined = "__" in path
    return Ordering(
        path if is_joined else field.attname,
        is_ascending=not text.startswith("-"),
        is_nullable=field.null or is_joined,
        is_text=isinstance(get_kind(field), TextField),
    )


def read_cursor(request: Request, model: type[Model], ordering: Ordering) -> Cursor | None:
    text = get_single(request, "cursor")
    if not text:
        return None
    try:
        direction, value, pk = decode_cursor(text)
        if value is None and not ordering.is_nullable:
            raise ValueError(text)
        column, key = get_column(model, ordering.column), get_column(model, "pk")
        read = None if value is None else read_mark(column, value)
        return Cursor(direction, read, read_mark(key, pk))
    except (ValueError, TypeError, OverflowError, InvalidValue, RecursionError) as error:
        raise ValidationError({"cursor": "not a cursor of this list"}) from error


def decode_cursor(text: str) -> list[Any]:
    """A direction, and what marks the row next to it. Raises ValueError, TypeError or
    RecursionError for what is no cursor."""
    direction, *mark = json.loads(urlsafe_b64decode(text.encode()))
    if direction not in {"n", "p"}:
        raise ValueError(text)
    return [direction, *mark]


def read_mark(column: Field[Any, Any], value: Any) -> Any:
    """A value of a cursor as one of the column's. Raises ValueError or InvalidValue."""
    column = get_kind(column)
    if isinstance(value, str):
        check_text(value)
    elif isinstance(column, (CharField, TextField)):
        raise ValueError(value)
    is_integer = isinstance(column, (AutoField, BigIntegerField))
    if value is None or (is_integer and (type(value) is not int or abs(value) >= 2**63)):
        raise ValueError(value)
    if isinstance(column, DateTimeField):  # which would take a time of no zone, or of an odd one
        return parse_timestamp(value)
    return column.to_python(value)


def get_column(model: type[Model], path: str) -> Field[Any, Any]:
    """The field that a path such as `pu_location__zone` leads to."""
    *relations, name = path.split("__")
    for relation in relations:
        model = model._meta.get_field(relation).related_model  # type: ignore[assignment]
    options: Any = model._meta
    field: Field[Any, Any] = options.pk if name == "pk" else options.get_field(name)
    return field


def read_page_size(request: Request, default: int = DEFAULT_PAGE_SIZE) -> int:
    text = get_single(request, "page_size", str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_PAGE_SIZE))):
        raise ValidationError({"page_size": f"a whole number from 1 to {MAX_PAGE_SIZE}"})
    size = int(text)
    if not 1 <= size <= MAX_PAGE_SIZE:
        raise ValidationError({"page_size": f"a whole number from 1 to {MAX_PAGE_SIZE}"})
    return size


def read_count_mode(request: Request) -> str:
    mode = get_single(request, "count")
    if mode and mode not in COUNT_MODES:
        raise ValidationError({"count": f"one of {', '.join(COUNT_MODES)}"})
    return mode


def _describe(name: str, description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }
