"""Every column of every table has its filters: in the filterset, in OpenAPI, in the page's form."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from django.contrib.postgres.fields import ArrayField
from django.db import models
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from config.api.fields import NumericField
from config.api.filtersets import ColumnFilterSet, get_kind
from config.api.reading import READER
from explorer.filtersets import GameFilterSet, TripFilterSet, ZoneFilterSet, ZoneTripsFilterSet
from explorer.models import Game, TaxiZone, Trip
from explorer.tables import GAMES, TRIPS, ZONES, Table

RANGE = {"", "__gt", "__gte", "__lt", "__lte"}
IDENTIFIER = {"", "__icontains"}
TEXT = {"", "__exact"}
SUFFIXES: Mapping[type[models.Field[Any, Any]], set[str]] = {
    models.BooleanField: {""},
    models.IntegerField: RANGE,
    models.BigIntegerField: RANGE,
    NumericField: RANGE,
    models.DateField: RANGE,
    models.DateTimeField: RANGE,
    models.TextField: TEXT,
    models.ForeignKey: RANGE,
}
# What a column's type does not tell.
SPECIAL = {
    ("games", "import_id"): IDENTIFIER,
    ("trips", "import_id"): IDENTIFIER,
    ("trips", "id"): IDENTIFIER,
}
JOINED = {"pu_zone", "pu_borough", "do_zone", "do_borough"}
# A list's elements are filtered by `__has`, shapes are not.
EXEMPT = {
    "games": {
        "supported_languages_list",
        "developers_list",
        "publishers_list",
        "categories_list",
        "genres_list",
        "tags_list",
    },
    "trips": set(),
    "zones": {"geometry"},
}
PAGES = {"page_size", "cursor", "count", "ordering"}
TABLES = [(GAMES, Game), (TRIPS, Trip), (ZONES, TaxiZone)]
FILTERSETS: dict[str, type[ColumnFilterSet]] = {
    "games": GameFilterSet,
    "trips": TripFilterSet,
    "zones": ZoneFilterSet,
}

each_table = pytest.mark.parametrize(
    ("table", "model"), TABLES, ids=[table.name for table, _ in TABLES]
)
each_address = pytest.mark.parametrize(
    ("path", "names", "others"),
    [
        ("games/", "games", PAGES | {"fields"}),
        ("games/aggregate/", "games", {"group_by", "metrics", "having", "ordering", "limit"}),
        ("games/facets/", "games", {"fields", "limit"}),
        ("games/histogram/", "games", {"field", "bins"}),
        ("trips/", "trips", PAGES | {"fields"}),
        ("trips/aggregate/", "trips", {"group_by", "metrics", "having", "ordering", "limit"}),
        ("trips/facets/", "trips", {"fields", "limit"}),
        ("trips/histogram/", "trips", {"field", "bins"}),
        ("zones/", "zones trips", PAGES | {"geometry"}),
    ],
)


@pytest.fixture(scope="module")
def paths() -> dict[str, Any]:
    """The addresses as OpenAPI describes them."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    described: dict[str, Any] = schema["paths"]
    return described


def list_parameters(name: str, model: type[models.Model]) -> set[str]:
    """The filters that a table must have, by the types of its model's fields."""
    wanted = set()
    for field in model._meta.concrete_fields:
        if field.attname in EXEMPT[name]:
            continue
        column = "import_id" if field.attname == "import_record_id" else field.attname
        suffixes = SPECIAL.get((name, column), SUFFIXES[type(get_kind(field))])
        wanted |= {column + suffix for suffix in suffixes}
        wanted |= {f"{column}__isnull"} if field.null else set()
        wanted |= {f"{column}__has"} if f"{column}_list" in EXEMPT[name] else set()
    if name == "trips":
        wanted |= {f"{column}{suffix}" for column in JOINED for suffix in (*TEXT, "__isnull")}
    return wanted


def list_all_parameters(names: str) -> set[str]:
    models_by_name = {table.name: model for table, model in TABLES}
    return set().union(*(list_parameters(name, models_by_name[name]) for name in names.split()))


@each_table
def test_every_column_of_the_model_is_in_its_table(table: Table, model: type[models.Model]) -> None:
    columns = {field.attname for field in model._meta.concrete_fields}

    assert columns - set(table.paths.values()) == EXEMPT[table.name]


def test_every_list_stands_beside_its_text() -> None:
    lists = {f.attname for f in Game._meta.concrete_fields if isinstance(get_kind(f), ArrayField)}

    assert {column.elements for column in GAMES.columns if column.elements} == lists


@each_table
def test_every_column_has_the_filters_of_its_type(table: Table, model: type[models.Model]) -> None:
    assert set(FILTERSETS[table.name].base_filters) == list_parameters(table.name, model)


def test_zones_have_the_filters_of_trips_too() -> None:
    assert set(ZoneTripsFilterSet.base_filters) == list_all_parameters("zones trips")


@each_address
def test_openapi_names_every_parameter(
    paths: dict[str, Any], path: str, names: str, others: set[str]
) -> None:
    described = [each["name"] for each in paths[f"/api/v1/{path}"]["get"]["parameters"]]

    assert set(described) == list_all_parameters(names) | others
    assert len(described) == len(set(described))


@pytest.mark.parametrize("name", ["games", "trips"])
def test_openapi_names_every_parameter_of_an_export(paths: dict[str, Any], name: str) -> None:
    described = {each["name"] for each in paths[f"/api/v1/{name}/export.csv"]["get"]["parameters"]}

    assert list_all_parameters(name) <= described


@each_table
def test_openapi_names_every_column_in_both_directions(
    paths: dict[str, Any], table: Table, model: type[models.Model]
) -> None:
    parameters = paths[f"/api/v1/{table.name}/"]["get"]["parameters"]
    [ordering] = [each for each in parameters if each["name"] == "ordering"]

    wanted = [sign + column for column in table.paths for sign in ("", "-")]
    assert ordering["schema"]["enum"] == wanted


@pytest.mark.django_db(databases=["default", READER])
@pytest.mark.parametrize(
    ("path", "names"), [("games/", "games"), ("trips/", "trips"), ("zones/", "zones trips")]
)
def test_form_of_the_page_has_every_filter(api: APIClient, path: str, names: str) -> None:
    page = api.get(f"/api/v1/{path}", headers={"accept": "text/html"})

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    inputs = set(re.findall(r'<input type="text" name="(\w+)"', page.content.decode()))
    assert inputs == list_all_parameters(names)


@pytest.mark.django_db
@each_table
def test_every_filter_is_a_query_that_the_database_takes(
    table: Table, model: type[models.Model]
) -> None:
    filterset = FILTERSETS[table.name]

    for column in table.columns:
        for lookup in column.lookups:
            is_time = column.kind.name in {"date", "timestamp"} and lookup.suffix != "__isnull"
            name = column.name + lookup.suffix
            rows = filterset(
                {name: ["2008-10-21" if is_time else "1"]}, model._default_manager.all()
            )
            assert rows.is_valid(), (name, rows.errors)
            assert list(rows.qs) == [], name
