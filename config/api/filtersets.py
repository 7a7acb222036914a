"""Filters that every list shares: each column by its type, and unknown parameters refused."""

import re
from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial, reduce
from operator import or_
from types import MappingProxyType
from typing import Any

import django_filters
from django import forms
from django.contrib.gis.geos import GEOSGeometry, LineString, Point, Polygon
from django.core.exceptions import ValidationError as InvalidValue
from django.db import models
from django.db.models import F, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.db.models.lookups import IContains
from django.http import HttpRequest
from django_filters.rest_framework import DjangoFilterBackend
from django_filters.utils import translate_validation
from drf_spectacular.drainage import set_override
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from config.api.errors import show_name
from config.api.fields import NumericField
from config.api.timestamps import parse_date, parse_timestamp

PAGE_PARAMETERS = frozenset({"page_size", "cursor", "count", "ordering"})
MAX_VALUE_CHARACTERS = 1_000
MAX_VALUES = 100
BIGINT = 2**63
SRID = 4326
MAX_EXPONENT = 300
NUMBER_FORM = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
COMPARISONS = ("gt", "gte", "lt", "lte")


class RepeatedWidget(forms.TextInput):
    """Reads every value that a parameter is given; a page shows them with commas."""

    def format_value(self, value: Any) -> str | None:
        return ", ".join(value) if value else None

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[str]:
        return data.getlist(name) if hasattr(data, "getlist") else list(data.get(name, []))


class RepeatedField(forms.Field):
    """Any number of texts, each turned into a value by `parse`, which raises ValueError."""

    widget = RepeatedWidget

    def __init__(self, *, parse: Callable[[str], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parse = parse

    def clean(self, value: Sequence[str]) -> list[Any]:
        if len(value) > MAX_VALUES:
            raise InvalidValue(f"at most {MAX_VALUES} values at once", code="too_many")
        try:
            return [self.parse(check_text(text)) for text in value]
        except ValueError as error:
            # django-filter formats messages, and this one holds what somebody sent.
            raise InvalidValue(str(error).replace("%", "%%"), code="invalid") from error


class RepeatableFilter(django_filters.Filter):
    """One parameter; where it is repeated, any of its values will do."""

    field_class = RepeatedField

    def __init__(self, build: Callable[[Any], Q], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.build = build

    def filter(self, qs: QuerySet[Any], value: list[Any]) -> QuerySet[Any]:
        return qs.filter(reduce(or_, map(self.build, value))) if value else qs


@dataclass(frozen=True)
class Lookup:
    """One filter of a column: the suffix of its parameter, how its text is read, what it means."""

    suffix: str
    parse: Callable[[str], Any]
    build: Callable[[str, Any], Q]
    schema: Mapping[str, str]


def check_text(text: str) -> str:
    """Raises ValueError for what PostgreSQL cannot hold, and for texts of undue length."""
    if len(text) > MAX_VALUE_CHARACTERS:
        msg = f"longer than {MAX_VALUE_CHARACTERS} characters"
        raise ValueError(msg)
    if "\0" in text or (not text.isprintable() and any(0xD800 <= ord(c) < 0xE000 for c in text)):
        raise ValueError("holds a character that no text can hold")
    return text


def parse_integer(text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()) or not -BIGINT <= int(text) < BIGINT:
        msg = f"“{text[:40]}” is not a whole number of 64 bits"
        raise ValueError(msg)
    return int(text)


def parse_number(text: str) -> Decimal:
    """A decimal number that a double can hold."""
    if NUMBER_FORM.fullmatch(text) is None or abs(Decimal(text).adjusted()) > MAX_EXPONENT:
        msg = f"“{text[:40]}” is not a finite number"
        raise ValueError(msg)
    return Decimal(text)


def parse_boolean(text: str) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in words:
        msg = f"“{text[:40]}” is neither true nor false"
        raise ValueError(msg)
    return words[text.lower()]


def parse_moment(text: str) -> date | datetime:
    """A bare date (the whole day, in UTC) or a timestamp; without an offset it is UTC."""
    day = parse_date(text)
    if day == date.max:
        raise ValueError("no day comes after 9999-12-31")
    return day or parse_timestamp(text, assume_utc=True)


def parse_day(text: str) -> date:
    day = parse_date(text)
    if day is None:
        msg = f"“{text[:40]}” is not a date such as 2008-10-21"
        raise ValueError(msg)
    return day


def parse_bbox(text: str) -> tuple[GEOSGeometry, ...]:
    """`west,south,east,north` in degrees (EPSG:4326); west > east crosses the antimeridian, and
    makes two boxes."""
    try:
        west, south, east, north = (float(parse_number(part)) for part in text.split(","))
    except ValueError as error:
        msg = f"“{text[:80]}” is not west,south,east,north in degrees"
        raise ValueError(msg) from error
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise ValueError("longitudes go from -180 to 180, latitudes from -90 to 90, south first")
    spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    return tuple(draw_box(left, south, right, north) for left, right in spans)


def draw_box(west: float, south: float, east: float, north: float) -> GEOSGeometry:
    """A polygon; a line or a point where that would be an invalid one, without an area."""
    if west < east and south < north:
        box = Polygon.from_bbox((west, south, east, north))
        box.srid = SRID
        return box
    if west < east or south < north:
        return LineString((west, south), (east, north), srid=SRID)
    return Point(west, south, srid=SRID)


def match_boxes(name: str, boxes: tuple[GEOSGeometry, ...]) -> Q:
    return reduce(or_, (Q(**{f"{name}__intersects": box}) for box in boxes))


def bound_day(lookup: str, day: date) -> dict[str, datetime]:
    """A comparison with a whole day, in UTC, as comparisons with moments that must all hold."""
    start = datetime.combine(day, time(), UTC)
    end = start + timedelta(days=1)
    return {
        "exact": {"gte": start, "lt": end},
        "gt": {"gte": end},
        "gte": {"gte": start},
        "lt": {"lt": start},
        "lte": {"lt": end},
    }[lookup]


def match_moment(lookup: str) -> Callable[[str, date | datetime], Q]:
    """A comparison with a moment, or with a whole day where the moment is a bare date."""

    def build(name: str, moment: date | datetime) -> Q:
        is_moment = isinstance(moment, datetime)
        bounds = {lookup: moment} if is_moment else bound_day(lookup, moment)
        return Q(**{f"{name}__{comparison}": value for comparison, value in bounds.items()})

    return build


def match_part(name: str, value: str) -> Q:
    """Identifiers are numbers: a part of one is a part of its digits."""
    return Q(IContains(Cast(F(name), TextField()), value))


def match(lookup: str) -> Callable[[str, Any], Q]:
    return lambda name, value: Q(**{f"{name}__{lookup}": value})


def match_range(lookup: str) -> Callable[[str, Any], Q]:
    """Django drops a comparison that every number of the column's type meets, and would let NULL
    through."""
    return lambda name, value: Q(**{f"{name}__{lookup}": value, f"{name}__isnull": False})


def compare(parse: Callable[[str], Any], schema: Mapping[str, str]) -> tuple[Lookup, ...]:
    """Exact, and by range."""
    return (
        Lookup("", parse, match("exact"), schema),
        *(Lookup(f"__{name}", parse, match_range(name), schema) for name in COMPARISONS),
    )


STRING = {"type": "string"}
MOMENT = {"type": "string", "format": "date-time"}
BOOLEAN = {"type": "boolean"}

TEXT = (
    Lookup("", str, match("icontains"), STRING),
    Lookup("__exact", str, match("exact"), STRING),
)
CHOICE = (Lookup("", str, match("exact"), STRING),)
INTEGER = compare(parse_integer, {"type": "integer"})
NUMBER = compare(parse_number, {"type": "number"})
MOMENTS = (
    Lookup("", parse_moment, match_moment("exact"), MOMENT),
    *(Lookup(f"__{name}", parse_moment, match_moment(name), MOMENT) for name in COMPARISONS),
)
DAYS = compare(parse_day, {"type": "string", "format": "date"})
FLAG = (Lookup("", parse_boolean, match("exact"), BOOLEAN),)
IDENTIFIER = (
    Lookup("", parse_integer, match("exact"), {"type": "integer"}),
    Lookup("__icontains", str, match_part, STRING),
)
TEXT_IDENTIFIER = (*CHOICE, Lookup("__icontains", str, match("icontains"), STRING))
ISNULL = (Lookup("__isnull", parse_boolean, match("isnull"), BOOLEAN),)
BBOX = (Lookup("", parse_bbox, match_boxes, STRING),)

# The first that a field is an instance of.
LOOKUPS_BY_TYPE: tuple[tuple[type[models.Field[Any, Any]], tuple[Lookup, ...]], ...] = (
    (models.BooleanField, FLAG),
    (models.ForeignKey, IDENTIFIER),
    (models.IntegerField, INTEGER),
    (models.FloatField, NUMBER),
    (models.DecimalField, NUMBER),
    (NumericField, NUMBER),
    (models.DateTimeField, MOMENTS),
    (models.DateField, DAYS),
    (models.CharField, TEXT),
    (models.TextField, TEXT),
)


def build_filters(
    name: str, lookups: Iterable[Lookup], *, source: str = ""
) -> dict[str, RepeatableFilter]:
    """The filters of one column: parameter `name` with each lookup's suffix."""
    return {name + lookup.suffix: _build_filter(source or name, lookup) for lookup in lookups}


def _build_filter(source: str, lookup: Lookup) -> RepeatableFilter:
    result = RepeatableFilter(partial(lookup.build, source), field_name=source, parse=lookup.parse)
    schema = {"type": "array", "items": dict(lookup.schema)}
    set_override(result, "field", schema)
    return result


class ColumnFilterSet(django_filters.FilterSet):
    """Filters for every column of `Meta.model`, by the column's type.

    `columns` maps a parameter to the lookups that it takes where the type does not tell;
    `sources` maps it to the field that it filters where the name does not tell; `exempt` names
    the fields that have no filter. `names` are the filters that are wanted, where that is not all:
    a form of a hundred of them takes longer to be made than most queries.
    """

    columns: Mapping[str, Sequence[Lookup]] = MappingProxyType({})
    sources: Mapping[str, str] = MappingProxyType({})
    exempt: frozenset[str] = frozenset()

    def __init__(self, *args: Any, names: Container[str] | None = None, **kwargs: Any) -> None:
        if names is not None:
            wanted = {name: kept for name, kept in self.base_filters.items() if name in names}
            self.base_filters = OrderedDict(wanted)
        super().__init__(*args, **kwargs)

    @classmethod
    def get_filters(cls) -> OrderedDict[str, django_filters.Filter]:
        filters: OrderedDict[str, django_filters.Filter] = OrderedDict(cls.declared_filters)
        model = getattr(cls, "_meta").model  # noqa: B009 (the stubs do not know the metaclass)
        for field in model._meta.concrete_fields if model else ():
            if field.name not in cls.exempt and field.name not in cls.sources.values():
                lookups = cls.columns.get(field.name) or find_lookups(field)
                filters |= build_filters(field.name, lookups)
        for name, source in cls.sources.items():
            filters |= build_filters(name, cls.columns[name], source=source)
        return filters


def find_lookups(field: models.Field[Any, Any]) -> tuple[Lookup, ...]:
    """The lookups of a model field's type. Raises TypeError for a type that has none."""
    value = get_kind(field)
    for kind, lookups in LOOKUPS_BY_TYPE:
        if isinstance(value, kind):
            return (*lookups, *ISNULL) if field.null else lookups
    msg = f"{field} has no lookups by its type: name them in `columns`, or list it as exempt"
    raise TypeError(msg)


def get_kind(field: models.Field[Any, Any]) -> models.Field[Any, Any]:
    """The field itself, or what a generated one holds."""
    if isinstance(field, models.GeneratedField):
        return field.output_field  # type: ignore[return-value] # it has one
    return field


class StrictFilterBackend(DjangoFilterBackend):
    """django-filter, with a 400 for every query parameter that the endpoint does not know.

    A view names what it takes beside filters and pages in `extra_parameters`.
    """

    def filter_queryset(
        self, request: HttpRequest | Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        assert isinstance(request, Request)  # noqa: S101 (DRF's views hand over nothing else)
        filterset_class = self.get_filterset_class(view, queryset)
        known = {"format"} | getattr(view, "extra_parameters", frozenset())
        if getattr(view, "paginator", None) is not None:
            known |= PAGE_PARAMETERS
        if filterset_class is not None:
            known |= filterset_class.base_filters.keys()
        refuse_unknown(request, known)
        if filterset_class is None:
            return queryset
        assert issubclass(filterset_class, ColumnFilterSet)  # noqa: S101 (there are no others)
        return filter_rows(filterset_class, request, queryset)


def filter_rows(
    filterset_class: type[ColumnFilterSet], request: Request, rows: QuerySet[Any]
) -> QuerySet[Any]:
    """The rows that the request's parameters leave of these. Raises ValidationError."""
    given = request.query_params
    filterset = filterset_class(given, rows, request=request, names=given.keys())
    if not filterset.is_valid():
        raise translate_validation(filterset.errors)  # type: ignore[misc] # it is an exception
    left: QuerySet[Any] = filterset.qs
    return left


def get_single(request: Request, name: str, default: str = "") -> str:
    """A parameter that has one value. Raises ValidationError where it is given again."""
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise ValidationError({name: "given more than once"})
    return values[0] if values else default


def refuse_unknown(request: Request, known: Iterable[str]) -> None:
    """Raises ValidationError that names every query parameter not in `known`."""
    if unknown := sorted(set(request.query_params) - set(known)):
        faults = dict.fromkeys(map(show_name, unknown), "unknown parameter")
        raise ValidationError(faults, code="unknown_parameter")
