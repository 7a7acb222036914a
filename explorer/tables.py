"""The explorer's tables: their columns, and what can be asked of each by its type."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from django.db import models
from django.db.models import Field, Model, Q
from rest_framework import serializers

from config.api.fields import NumericField
from config.api.filtersets import (
    BOOLEAN,
    IDENTIFIER,
    ISNULL,
    STRING,
    TEXT,
    Lookup,
    find_lookups,
    get_kind,
    parse_boolean,
    parse_integer,
)
from config.api.pagination import get_column
from explorer.models import Game, TaxiZone, Trip
from explorer.partitions import MAX_IMPORT_ID, match_import

NAMES = {"import_record_id": "import_id"}
LIST_SUFFIX = "_list"
LITERALS = frozenset({"supported_languages"})

ANY = ("count", "distinct")
ORDERED = (*ANY, "min", "max")
MEASURED = (*ORDERED, "sum", "avg", "median", "stddev")


@dataclass(frozen=True)
class Kind:
    """A type of column: what its values are in JSON, which metrics it has, which buckets its values
    can be grouped by, and whether it has a histogram."""

    name: str
    api_field: type[serializers.Field[Any, Any, Any, Any]]
    metrics: tuple[str, ...]
    buckets: tuple[str, ...] = ()
    has_histogram: bool = False


# The first that a field is an instance of.
KINDS: tuple[tuple[type[Field[Any, Any]], Kind], ...] = (
    (models.BooleanField, Kind("boolean", serializers.BooleanField, ANY)),
    (models.ForeignKey, Kind("integer", serializers.IntegerField, ORDERED)),
    (
        models.IntegerField,
        Kind("integer", serializers.IntegerField, MEASURED, has_histogram=True),
    ),
    (NumericField, Kind("number", serializers.FloatField, MEASURED, has_histogram=True)),
    (
        models.DateTimeField,
        Kind(
            "timestamp",
            serializers.DateTimeField,
            ORDERED,
            buckets=("year", "month", "day", "hour"),
            has_histogram=True,
        ),
    ),
    (
        models.DateField,
        Kind(
            "date",
            serializers.DateField,
            ORDERED,
            buckets=("year", "month", "day"),
            has_histogram=True,
        ),
    ),
    (models.TextField, Kind("text", serializers.CharField, ORDERED)),
)


@dataclass(frozen=True)
class Column:
    """A column by its name in the API, and the path to it from the model.

    `elements` is the path to the same as an array, where it holds a list.
    """

    name: str
    path: str
    kind: Kind
    lookups: tuple[Lookup, ...]
    elements: str = ""

    @property
    def has_ranges(self) -> bool:
        """Whether there are filters from one value to another."""
        return any(lookup.suffix == "__gte" for lookup in self.lookups)


@dataclass(frozen=True)
class Table:
    """A table as the API shows it."""

    name: str
    model: type[Model]
    columns: tuple[Column, ...]

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        return MappingProxyType({column.name: column for column in self.columns})

    @cached_property
    def paths(self) -> Mapping[str, str]:
        return MappingProxyType({column.name: column.path for column in self.columns})


def match_element(path: str, value: str) -> Q:
    """The array of languages has an index of its own, since a literal may write them in other
    letters. An element of the other lists is a part of the text, whose index finds the few rows
    that the array is looked at of."""
    found = Q(**{f"{path}_list__contains": [value]})
    return found if path in LITERALS else found & Q(**{f"{path}__icontains": value})


def match_no_element(path: str, is_missing: bool) -> Q:
    """A list without elements is as much without a value as none: facets tell of both as null."""
    empty = Q(**{f"{path}__isnull": True}) | Q(**{f"{path}_list": []})
    return empty if is_missing else ~empty


ELEMENT = Lookup("__has", str, match_element, STRING)
NO_ELEMENT = Lookup("__isnull", parse_boolean, match_no_element, BOOLEAN)
LIST = (*TEXT, NO_ELEMENT, ELEMENT)


def describe_table(
    name: str,
    model: type[Model],
    *,
    lookups: Mapping[str, tuple[Lookup, ...]] = MappingProxyType({}),
    joined: Mapping[str, str] = MappingProxyType({}),
) -> Table:
    """All columns of the model, and those of other models that `joined` names with their paths.

    `lookups` are those of columns whose type does not tell them. A column `genres_list` holds the
    elements of `genres`.
    """
    paths = {
        NAMES.get(field.attname, field.attname): field.attname
        for field in model._meta.concrete_fields
    }
    columns = (
        describe_column(column, model, path, lookups.get(column, ()))
        for column, path in {**paths, **joined}.items()
        if not path.endswith(LIST_SUFFIX) and path != "geometry"
    )
    return Table(name, model, tuple(columns))


def describe_column(
    name: str, model: type[Model], path: str, lookups: tuple[Lookup, ...]
) -> Column:
    field = get_column(model, path)
    elements = path + LIST_SUFFIX
    has_elements = any(other.attname == elements for other in model._meta.concrete_fields)
    return Column(
        name,
        path,
        kind=next(kind for type_, kind in KINDS if isinstance(get_kind(field), type_)),
        lookups=LIST if has_elements else lookups or find_lookups(field),
        elements=elements if has_elements else "",
    )


def parse_import_id(text: str) -> int:
    number = parse_integer(text)
    if not 0 <= number <= MAX_IMPORT_ID:
        msg = f"no import has a number outside 0 to {MAX_IMPORT_ID}"
        raise ValueError(msg)
    return number


# An import's trips are found by the range of their ids.
TRIP_IMPORT = Lookup(
    "", parse_import_id, lambda name, import_id: match_import(import_id), {"type": "integer"}
)

ZONE_NAME = (*TEXT, *ISNULL)
ZONE_NAMES = {
    f"{end}_{name}": f"{end}_location__{name}"
    for end in ("pu", "do")
    for name in ("zone", "borough")
}

GAMES = describe_table("games", Game)
TRIPS = describe_table(
    "trips",
    Trip,
    lookups={
        "id": IDENTIFIER,
        "import_id": (TRIP_IMPORT, *IDENTIFIER[1:]),
        **dict.fromkeys(ZONE_NAMES, ZONE_NAME),
    },
    joined=ZONE_NAMES,
)
ZONES = describe_table("zones", TaxiZone)
