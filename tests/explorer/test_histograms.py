"""How numbers and times are spread, beside Python's counts of the same rows."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import ceil, isclose
from typing import Any

import pytest
from rest_framework.test import APIClient

from config.api.reading import READER
from explorer.tables import GAMES, TRIPS
from tests.explorer.loaded import (
    Row,
    Rows,
    ask,
    list_columns,
    list_values,
)

pytestmark = pytest.mark.django_db(databases=["default", READER])

TABLES = {"games": GAMES, "trips": TRIPS}
COLUMNS = [
    (name, column)
    for name, table in TABLES.items()
    for column in list_columns(table, has_histogram=True)
]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def measure(value: Any) -> Any:
    """A value, or an edge as JSON has it, as a number."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(microseconds=1)
    return value.toordinal() if isinstance(value, date) else value


def plan_edges(values: list[Any], bins: int, *, is_whole: bool) -> list[Any]:
    """Of bins of equal width, as many as were asked for or, of what is whole, fewer."""
    low, high = Decimal(min(values)), Decimal(max(values))
    width: Decimal | int
    if is_whole:
        width = ceil((high - low + 1) / bins)
        count = ceil((high - low + 1) / width)
    else:
        width = (high - low) / bins or Decimal(1)
        count = bins if high > low else 1
    return [low + width * place for place in range(count + 1)]


def check_histogram(answer: Row, values: list[Any], bins: int, *, is_whole: bool) -> None:
    found = answer["results"]
    if not values:
        assert found == []
        return
    numbers = [measure(value) for value in values]
    edges = [measure(each["from"]) for each in found] + [measure(found[-1]["to"])]
    planned = plan_edges(numbers, bins, is_whole=is_whole)
    assert len(edges) == len(planned)
    for edge, other in zip(edges, planned, strict=True):
        assert edge == other if is_whole else isclose(edge, other, rel_tol=1e-14, abs_tol=1e-14)
    assert [each["to"] for each in found[:-1]] == [each["from"] for each in found[1:]]
    last = len(found) - 1
    assert [each["count"] for each in found] == [
        sum(
            edges[place] <= number and (number < edges[place + 1] or (place == last))
            for number in numbers
        )
        for place in range(len(found))
    ]


@pytest.mark.parametrize("bins", [1, 2, 7, 20, 200])
@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_histogram_of_a_column_is_that_of_python(
    api: APIClient, rows: Rows, table: str, column: str, bins: int
) -> None:
    values = list_values(rows[table], column)
    is_whole = TABLES[table].by_name[column].kind.name != "number"

    answer = ask(api, f"{table}/histogram", field=column, bins=bins)

    assert answer["field"] == column
    assert sum(each["count"] for each in answer["results"]) == len(values)
    assert answer["missing"] == len(rows[table]) - len(values)
    check_histogram(answer, values, bins, is_whole=is_whole)


def test_there_are_twenty_bins_where_none_are_asked_for(api: APIClient, rows: Rows) -> None:
    assert ask(api, "games/histogram", field="price") == ask(
        api, "games/histogram", field="price", bins=20
    )


def test_filters_apply_first(api: APIClient, rows: Rows) -> None:
    left = [row for row in rows["games"] if row["windows"] is True]
    values = list_values(left, "price")

    answer = ask(api, "games/histogram", field="price", bins=3, windows="true")

    check_histogram(answer, values, 3, is_whole=False)
    assert answer["missing"] == len(left) - len(values)


@pytest.mark.parametrize("column", list_columns(GAMES, has_histogram=True))
@pytest.mark.parametrize("query", [{"app_id": 7}, {"required_age": 99_999_999_999}])
def test_of_no_rows_there_are_no_bins(
    api: APIClient, rows: Rows, query: Mapping[str, int], column: str
) -> None:
    answer = ask(api, "games/histogram", field=column, **query)

    assert answer == {"field": column, "results": [], "missing": 0}
