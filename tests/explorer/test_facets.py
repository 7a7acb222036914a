"""How often values occur, beside Python's counts of the same rows and what the filters find."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from rest_framework.test import APIClient

from config.api.filtersets import MAX_VALUE_CHARACTERS
from config.api.reading import READER
from explorer.tables import GAMES, TRIPS
from tests.explorer.loaded import (
    Row,
    Rows,
    ask,
    group_rows,
    list_keys,
)

pytestmark = pytest.mark.django_db(databases=["default", READER])

TABLES = {"games": GAMES, "trips": TRIPS}
COLUMNS = [(name, column.name) for name, table in TABLES.items() for column in table.columns]
LISTS = [column.name for column in GAMES.columns if column.elements]
EXACT = [
    (name, column.name)
    for name, table in TABLES.items()
    for column in table.columns
    if column.lookups[-1].suffix == "__isnull"  # a list's facet is of its elements
]


def count_values(rows: list[Row], column: str) -> list[Row]:
    """As the API has them: the most frequent first, then in the order of the values."""
    counts = Counter(key for row in rows for key in list_keys(row, column))
    ordered = sorted(key for key in counts if key is not None) + [None] * (None in counts)
    found = [{"value": key, "count": counts[key]} for key in ordered]
    return sorted(found, key=lambda each: -each["count"])


def count_rows(api: APIClient, table: str, **filters: Any) -> int:
    return int(ask(api, table, page_size=1, count="exact", **filters)["count"])


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_facet_of_a_column_is_that_of_python(
    api: APIClient, rows: Rows, table: str, column: str
) -> None:
    expected = count_values(rows[table], column)

    answer = ask(api, f"{table}/facets", fields=column, limit=1_000)

    assert answer["results"] == {column: expected[:1_000]}
    assert answer["has_more"] == ([column] if len(expected) > 1_000 else [])


@pytest.mark.parametrize("column", LISTS)
def test_count_of_an_element_is_what_its_filter_finds(
    api: APIClient, rows: Rows, column: str
) -> None:
    found = ask(api, "games/facets", fields=column, limit=1_000)["results"][column]

    assert found
    for facet in found:
        if facet["value"] is not None:
            filters = {f"{column}__has": facet["value"]}
            assert count_rows(api, "games", **filters) == facet["count"], facet


@pytest.mark.parametrize(("table", "column"), EXACT)
def test_count_of_a_value_is_what_its_filter_finds(
    api: APIClient, rows: Rows, table: str, column: str
) -> None:
    is_text = TABLES[table].by_name[column].kind.name == "text"
    name = f"{column}__exact" if is_text else column

    found = ask(api, f"{table}/facets", fields=column, limit=15)["results"][column]

    for facet in found:
        if len(str(facet["value"])) > MAX_VALUE_CHARACTERS:
            continue  # longer than what a filter takes
        filters = {f"{column}__isnull": "true"}
        if facet["value"] is not None:
            filters = {name: facet["value"]}
        assert count_rows(api, table, **filters) == facet["count"], facet


@pytest.mark.parametrize("rows", ["real"], indirect=True)
def test_company_of_the_real_file_keeps_its_suffix(api: APIClient, rows: Rows) -> None:
    found = ask(api, "games/facets", fields="developers,publishers", limit=1_000)["results"]

    developers = {facet["value"]: facet["count"] for facet in found["developers"]}
    publishers = {facet["value"] for facet in found["publishers"]}
    assert developers["Gemdrops, Inc."] == developers["Wise Wizard Games, LLC"] == 1
    assert {"aNCHOR Inc.", "fuzz, Inc."} <= developers.keys()
    assert {"CFK Co., Ltd.", "Clouded Leopard Entertainment Inc.", None} <= publishers
    assert not {"Inc.", "LLC", "Ltd.", ""} & (developers.keys() | publishers)


def test_several_facets_are_in_the_order_asked_for(api: APIClient, rows: Rows) -> None:
    fields = ["windows", "genres", "release_date", "required_age"]

    answer = ask(api, "games/facets", fields=",".join(fields), limit=2)

    expected = {name: count_values(rows["games"], name) for name in fields}
    assert list(answer["results"]) == fields
    assert answer["results"] == {name: values[:2] for name, values in expected.items()}
    assert answer["has_more"] == [name for name in fields if len(expected[name]) > 2]


def test_filters_apply_first(api: APIClient, rows: Rows) -> None:
    left = [row for row in rows["games"] if "Indie" in list_keys(row, "genres")]

    answer = ask(api, "games/facets", fields="tags,price", limit=1_000, genres__has="Indie")

    assert 0 < len(left) < len(rows["games"])
    assert answer["results"] == {name: count_values(left, name) for name in ("tags", "price")}


@pytest.mark.parametrize("query", [{"app_id": 7}, {"required_age": 99_999_999_999}])
def test_of_no_rows_there_are_no_values(
    api: APIClient, rows: Rows, query: Mapping[str, int]
) -> None:
    answer = ask(api, "games/facets", fields="tags,price", **query)

    assert answer == {"results": {"tags": [], "price": []}, "has_more": []}


def test_facet_agrees_with_the_aggregate(api: APIClient, rows: Rows) -> None:
    facets = ask(api, "games/facets", fields="tags", limit=1_000)["results"]["tags"]
    groups = ask(api, "games/aggregate", group_by="tags", ordering="-count")["results"]

    assert [(each["tags"], each["count"]) for each in groups] == [
        (each["value"], each["count"]) for each in facets
    ]
    assert len(groups) == len(group_rows(rows["games"], ["tags"]))
