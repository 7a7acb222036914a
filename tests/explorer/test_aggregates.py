"""Figures of groups, beside those that Python computes of the same rows."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from math import isclose
from operator import eq, ge, gt, le, lt
from statistics import median, stdev
from typing import Any

import pytest
from rest_framework.test import APIClient

from config.api.reading import READER
from explorer.tables import GAMES, TRIPS
from tests.explorer.loaded import (
    ELEMENTS,
    Row,
    Rows,
    ask,
    group_rows,
    list_columns,
    list_elements,
    list_values,
    show,
)

pytestmark = pytest.mark.django_db(databases=["default", READER])

TABLES = {"games": GAMES, "trips": TRIPS}
COLUMNS = [(name, column.name) for name, table in TABLES.items() for column in table.columns]
TIMES = [("games", name) for name in list_columns(GAMES, buckets=("year", "month", "day"))]
TIMES += [("trips", name) for name in list_columns(TRIPS, buckets=("year", "month", "day", "hour"))]
COMPARISONS = {"gt": gt, "gte": ge, "lt": lt, "lte": le, "exact": eq}
EXACT = {"count", "distinct", "sum", "min", "max", "median"}

FIGURES: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    "count": len,
    "distinct": lambda values: len(set(values)),
    "sum": lambda values: sum(values) if values else None,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
    "avg": lambda values: sum(map(Fraction, values)) / len(values) if values else None,
    "median": lambda values: median(map(Decimal, values)) if values else None,
    "stddev": lambda values: stdev(map(Fraction, values)) if len(values) > 1 else None,
}


def compute(metric: str, rows: Sequence[Row]) -> Any:
    """A figure of rows, by its name in the API."""
    function, _, name = metric.partition(":")
    if not name:
        return len(rows)
    if function == "distinct" and name in ELEMENTS:
        return len({element for row in rows for element in list_elements(row, name)})
    return FIGURES[function](list_values(rows, name))


def is_same(metric: str, found: Any, expected: Any) -> bool:
    if found is None or expected is None or metric.partition(":")[0] in EXACT:
        return bool(found == show(expected))
    return isclose(float(found), float(expected), rel_tol=1e-12, abs_tol=1e-12)


def check_figures(found: Row, metrics: Sequence[str], rows: Sequence[Row]) -> None:
    for metric in metrics:
        expected = compute(metric, rows)
        assert is_same(metric, found[metric], expected), (metric, found[metric], expected)


def check_groups(
    found: Sequence[Row], names: Sequence[str], metrics: Sequence[str], rows: Sequence[Row]
) -> None:
    expected = group_rows(rows, names)
    assert [list(group) for group in found[:1]] in ([], [[*names, *metrics]])
    assert {tuple(group[name] for name in names) for group in found} == set(expected)
    assert len(found) == len(expected)
    for group in found:
        check_figures(group, metrics, expected[tuple(group[name] for name in names)])


def sort_keys(groups: Sequence[Row], *terms: str) -> list[Row]:
    """NULL after all values, in both directions."""
    ordered = list(groups)
    for term in reversed(terms):
        name = term.removeprefix("-")
        some = [group for group in ordered if group[name] is not None]
        none = [group for group in ordered if group[name] is None]
        some.sort(key=lambda group: group[name], reverse=term != name)
        ordered = some + none
    return ordered


# Figures


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_every_metric_of_a_column_is_that_of_python(
    api: APIClient, rows: Rows, table: str, column: str
) -> None:
    metrics = [f"{name}:{column}" for name in TABLES[table].by_name[column].kind.metrics]

    answer = ask(api, f"{table}/aggregate", metrics=",".join(metrics))

    [found] = answer["results"]
    assert list(found) == metrics
    assert answer["has_more"] is False
    check_figures(found, metrics, rows[table])


def test_without_a_question_there_is_one_count(api: APIClient, rows: Rows) -> None:
    assert ask(api, "games/aggregate")["results"] == [{"count": len(rows["games"])}]
    assert ask(api, "trips/aggregate")["results"] == [{"count": len(rows["trips"])}]


@pytest.mark.parametrize("query", [{"app_id": 7}, {"required_age": 99_999_999_999}])
def test_of_no_rows_there_is_a_count_and_nothing_else(
    api: APIClient, rows: Rows, query: Mapping[str, Any]
) -> None:
    metrics = "count,distinct:genres,sum:price,min:release_date,median:price,stddev:price"

    answer = ask(api, "games/aggregate", metrics=metrics, **query)

    [found] = answer["results"]
    assert found == dict.fromkeys(metrics.split(",")) | {"count": 0, "distinct:genres": 0}
    assert ask(api, "games/aggregate", group_by="genres", **query)["results"] == []


def test_median_of_an_even_count_lies_between(api: APIClient, rows: Rows) -> None:
    app_ids = {row["dlc_count"]: row["app_id"] for row in rows["games"]}
    low, high = sorted(app_ids.keys() - {None})[:2]
    asked = [app_ids[low], app_ids[high]]

    [found] = ask(api, "games/aggregate", app_id=asked, metrics="median:dlc_count")["results"]

    assert found["median:dlc_count"] == Decimal(low + high) / 2


# Groups


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_groups_of_a_column_are_those_of_python(
    api: APIClient, rows: Rows, table: str, column: str
) -> None:
    metrics = ["count", "avg:price"] if table == "games" else ["count", "sum:tolls"]
    parameters = {"group_by": column, "metrics": ",".join(metrics), "limit": 10_000}

    answer = ask(api, f"{table}/aggregate", **parameters)

    check_groups(answer["results"], [column], metrics, rows[table])
    assert answer["results"] == sort_keys(answer["results"], column)


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("games", "windows,mac"),
        ("games", "genres,linux"),
        ("games", "price,required_age"),
        ("games", "genres,tags"),
        ("games", "developers,publishers,supported_languages"),
        ("games", "tags,windows,release_date:year"),
        ("games", "release_date:year,release_date:month,release_date_precision"),
        ("trips", "pu_zone,do_borough"),
        ("trips", "pu_borough,do_borough,hvfhs_license_num"),
        ("trips", "pu_location_id,pu_zone"),
        ("trips", "pickup_datetime:month,wav_match_flag"),
    ],
)
def test_groups_of_several_columns_are_those_of_python(
    api: APIClient, rows: Rows, table: str, names: str
) -> None:
    metrics = {
        "games": ["count", "sum:price", "median:positive", "distinct:categories", "max:name"],
        "trips": ["count", "avg:trip_miles", "max:dropoff_datetime", "distinct:pu_zone"],
    }[table]
    parameters = {"group_by": names, "metrics": ",".join(metrics), "limit": 10_000}

    found = ask(api, f"{table}/aggregate", **parameters)["results"]

    check_groups(found, names.split(","), metrics, rows[table])
    assert found == sort_keys(found, *names.split(","))


@pytest.mark.parametrize(
    ("table", "name"),
    [
        (table, f"{column}:{bucket}")
        for table, column in TIMES
        for bucket in TABLES[table].by_name[column].kind.buckets
    ],
)
def test_times_are_grouped_by_their_buckets(
    api: APIClient, rows: Rows, table: str, name: str
) -> None:
    found = ask(api, f"{table}/aggregate", group_by=name, limit=10_000)["results"]

    check_groups(found, [name], ["count"], rows[table])


def test_filters_apply_first(api: APIClient, rows: Rows) -> None:
    left = [row for row in rows["games"] if row["price"] is not None and row["price"] > 4]
    parameters = {"group_by": "genres", "metrics": "count,avg:price", "price__gt": 4}

    found = ask(api, "games/aggregate", **parameters)["results"]

    assert 0 < len(left) < len(rows["games"])
    check_groups(found, ["genres"], ["count", "avg:price"], left)


@pytest.mark.parametrize("borough", ["Queens", "EWR"])
def test_filters_by_names_of_zones_apply_too(api: APIClient, rows: Rows, borough: str) -> None:
    left = [row for row in rows["trips"] if row["pu_borough"] == borough]

    found = ask(api, "trips/aggregate", group_by="do_zone", pu_borough=borough)["results"]

    check_groups(found, ["do_zone"], ["count"], left)


# Having


@pytest.mark.parametrize("comparison", COMPARISONS)
@pytest.mark.parametrize(
    "metric",
    ["count", "avg:price", "max:release_date", "distinct:tags", "sum:negative", "median:price"],
)
def test_having_keeps_the_groups_that_meet_it(
    api: APIClient, rows: Rows, metric: str, comparison: str
) -> None:
    groups = {
        key: compute(metric, some) for key, some in group_rows(rows["games"], ["tags"]).items()
    }
    is_exact = metric.partition(":")[0] in EXACT
    values = sorted(value for value in groups.values() if value is not None)
    bound = values[len(values) // 2] if is_exact else round(Decimal(float(values[-1])), 3) - 1
    expected = {
        key
        for key, value in groups.items()
        if value is not None and COMPARISONS[comparison](value, bound)
    }
    condition = f"{metric}__{comparison}:{show(bound)}"

    found = ask(api, "games/aggregate", group_by="tags", having=condition)["results"]

    assert {(group["tags"],) for group in found} == expected
    assert all(list(group) == ["tags", "count"] for group in found)


def test_every_condition_must_be_met(api: APIClient, rows: Rows) -> None:
    conditions = "count__gte:2,max:price__gt:5,min:price__lte:10"

    found = ask(api, "games/aggregate", group_by="genres", having=conditions)["results"]

    assert {(group["genres"],) for group in found} == {
        key
        for key, some in group_rows(rows["games"], ["genres"]).items()
        if len(some) >= 2
        and max(list_values(some, "price"), default=0) > 5
        and min(list_values(some, "price"), default=11) <= 10
    }


def test_having_compares_with_a_time_of_day(api: APIClient, rows: Rows) -> None:
    groups = group_rows(rows["trips"], ["pu_location_id", "pickup_datetime:day"])
    latest = {key: compute("max:dropoff_datetime", some) for key, some in groups.items()}
    bound = datetime.fromisoformat("2024-01-05T12:30:15+00:00")
    parameters = {
        "group_by": "pu_location_id,pickup_datetime:day",
        "having": "max:dropoff_datetime__gt:2024-01-05T12:30:15Z",
        "limit": 10_000,
    }

    found = ask(api, "trips/aggregate", **parameters)["results"]

    assert {tuple(group.values())[:2] for group in found} == {
        key for key, value in latest.items() if value > bound
    }


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_having_compares_with_a_whole_day(api: APIClient, rows: Rows, comparison: str) -> None:
    days = {trip["pickup_datetime"].date() for trip in rows["trips"]}
    day = sorted(days)[len(days) // 2] if days else datetime(2024, 1, 5, tzinfo=UTC).date()
    groups = group_rows(rows["trips"], ["pu_location_id"])
    latest = {key: compute("max:pickup_datetime", some) for key, some in groups.items()}
    having = f"max:pickup_datetime__{comparison}:{day}"

    found = ask(api, "trips/aggregate", group_by="pu_location_id", having=having)["results"]

    assert {(group["pu_location_id"],) for group in found} == {
        key for key, value in latest.items() if COMPARISONS[comparison](value.date(), day)
    }


def test_having_may_leave_nothing_of_all_rows(api: APIClient, rows: Rows) -> None:
    assert ask(api, "games/aggregate", having="count__gt:1000000")["results"] == []


# Order and limit


@pytest.mark.parametrize(
    "terms",
    [
        "-count",
        "count,-genres",
        "-genres",
        "avg:price",
        "-avg:price",
        "max:release_date",
        "-max:release_date,genres",
        "sum:score_rank,-count",
        "-sum:score_rank",
    ],
)
def test_groups_come_in_the_order_asked_for(api: APIClient, rows: Rows, terms: str) -> None:
    parameters = {
        "group_by": "genres,required_age",
        "metrics": "count,avg:price,max:release_date,sum:score_rank",
        "limit": 10_000,
    }
    keys = ("genres", "required_age")
    groups = ask(api, "games/aggregate", **parameters)["results"]

    found = ask(api, "games/aggregate", **parameters, ordering=terms)["results"]

    assert found == sort_keys(groups, *terms.split(","), *keys)


@pytest.mark.parametrize("missing", [-1, 0, 1])
def test_limit_cuts_and_tells_whether_there_is_more(
    api: APIClient, rows: Rows, missing: int
) -> None:
    groups = ask(api, "games/aggregate", group_by="tags")["results"]
    limit = len(groups) - missing

    answer = ask(api, "games/aggregate", group_by="tags", limit=limit)

    assert answer == {"results": groups[:limit], "has_more": missing > 0}


# JSON


def test_numbers_keep_their_digits(api: APIClient, rows: Rows) -> None:
    for row in rows["games"][:20]:
        metrics = "sum:price,avg:price,min:price,max:positive"

        [found] = ask(api, "games/aggregate", app_id=row["app_id"], metrics=metrics)["results"]

        assert found["sum:price"] == found["avg:price"] == found["min:price"] == row["price"]
        assert found["max:positive"] == row["positive"]
        assert isinstance(found["max:positive"], int | None)


def test_average_has_no_zeros_at_its_end(api: APIClient, rows: Rows) -> None:
    response = api.get("/api/v1/games/aggregate/?metrics=avg:app_id,stddev:app_id&group_by=app_id")

    assert b"avg:app_id" in response.content
    assert b"." not in response.content
