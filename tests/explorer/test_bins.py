"""Bins of few rows: their edges, as they are written."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from explorer.facets import count_bins
from explorer.models import Game, Trip
from explorer.tables import GAMES, TRIPS
from tests.explorer.trips import PICKUP, import_trips
from tests.factories.explorer import GameFactory

pytestmark = pytest.mark.django_db


def read_bins(answer: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [
        (bytes(each["from"]).decode(), bytes(each["to"]).decode(), each["count"])
        for each in answer["results"]
    ]


def bin_games(column: str, values: Sequence[Any], bins: int) -> list[tuple[str, str, int]]:
    for value in values:
        GameFactory(**{"release_date_text" if column == "release_date" else column: value})
    answer = count_bins(Game.objects.all(), GAMES.by_name[column], bins)
    assert answer["missing"] == sum(value is None for value in values)
    return read_bins(answer)


@pytest.mark.parametrize(
    ("values", "bins", "expected"),
    [
        ([5], 20, [("5", "6", 1)]),
        ([5, 5, None], 1, [("5", "6", 2)]),
        ([None, None], 20, []),
        ([1, 2, 3], 20, [("1", "2", 1), ("2", "3", 1), ("3", "4", 1)]),
        ([1, 2, 3], 2, [("1", "3", 2), ("3", "5", 1)]),
        ([-3, -1, 0, 3], 2, [("-3", "1", 3), ("1", "5", 1)]),
        ([0, 9], 3, [("0", "4", 1), ("4", "8", 0), ("8", "12", 1)]),
        ([0, 99], 200, [(f"{n}", f"{n + 1}", int(n in (0, 99))) for n in range(100)]),
    ],
)
def test_bins_of_whole_numbers_are_whole(
    values: list[int | None], bins: int, expected: list[tuple[str, str, int]]
) -> None:
    assert bin_games("required_age", values, bins) == expected


def test_bins_hold_the_largest_whole_numbers() -> None:
    low, high = -(2**63), 2**63 - 1

    found = bin_games("positive", [low, 0, high], 2)

    assert found == [(f"{low}", "0", 1), ("0", f"{2**63}", 2)]


@pytest.mark.parametrize(
    ("values", "bins", "expected"),
    [
        (["5.00"], 20, [("5", "6", 1)]),
        (["5.0", "5", None], 20, [("5", "6", 2)]),
        ([None], 1, []),
        (["0", "0.5", "1"], 2, [("0", "0.5", 1), ("0.5", "1", 2)]),
        (["-1.5", "-1", "1.5"], 3, [("-1.5", "-0.5", 2), ("-0.5", "0.5", 0), ("0.5", "1.5", 1)]),
        (["0", "4"], 1, [("0", "4", 2)]),
        (["0.1", "0.2", "0.3"], 2, [("0.1", "0.2", 1), ("0.2", "0.3", 2)]),
    ],
)
def test_last_bin_of_numbers_holds_its_end(
    values: list[str | None], bins: int, expected: list[tuple[str, str, int]]
) -> None:
    prices = [None if value is None else Decimal(value) for value in values]

    assert bin_games("price", prices, bins) == expected


@pytest.mark.parametrize("bins", [3, 6, 7, 200])
@pytest.mark.parametrize("high", ["1", "4", "59.99"])
def test_last_bin_ends_at_the_largest_number(high: str, bins: int) -> None:
    found = bin_games("price", [Decimal(0), Decimal(high)], bins)

    assert (found[0][0], found[-1][1]) == ("0", high)
    assert [count for _, _, count in found] == [1, *[0] * (bins - 2), 1]


@pytest.mark.parametrize(
    ("values", "bins", "expected"),
    [
        (["May 2020"], 20, [("2020-05-01", "2020-05-02", 1)]),
        (
            ["Feb 28, 2020", "Mar 1, 2020", None],
            3,
            [
                ("2020-02-28", "2020-02-29", 1),
                ("2020-02-29", "2020-03-01", 0),
                ("2020-03-01", "2020-03-02", 1),
            ],
        ),
        (
            ["Dec 31, 1969", "Jan 3, 1970"],
            2,
            [("1969-12-31", "1970-01-02", 1), ("1970-01-02", "1970-01-04", 1)],
        ),
        ([None], 5, []),
    ],
)
def test_bins_of_dates_are_days(
    values: list[str | None], bins: int, expected: list[tuple[str, str, int]]
) -> None:
    dated = [(f'"{start}"', f'"{end}"', count) for start, end, count in expected]

    assert bin_games("release_date", values, bins) == dated


@pytest.mark.parametrize(
    ("moments", "bins", "expected"),
    [
        ([PICKUP], 20, [("2024-01-01T05:21:47", "2024-01-01T05:21:47.000001", 1)]),
        (
            [datetime(1969, 12, 31, tzinfo=UTC), datetime(1970, 1, 1, 23, 59, 59, 999_999, UTC)],
            2,
            [
                ("1969-12-31T00:00:00", "1970-01-01T00:00:00", 1),
                ("1970-01-01T00:00:00", "1970-01-02T00:00:00", 1),
            ],
        ),
        (
            [datetime(2199, 12, 31, 23, 59, 59, 999_998 + n, UTC) for n in (0, 1)],
            20,
            [
                ("2199-12-31T23:59:59.999998", "2199-12-31T23:59:59.999999", 1),
                ("2199-12-31T23:59:59.999999", "2200-01-01T00:00:00", 1),
            ],
        ),
    ],
)
def test_bins_of_times_are_microseconds(
    moments: list[datetime], bins: int, expected: list[tuple[str, str, int]]
) -> None:
    import_trips(*({"request_datetime": moment} for moment in [*moments, None]))

    answer = count_bins(Trip.objects.all(), TRIPS.by_name["request_datetime"], bins)

    assert read_bins(answer) == [
        (f'"{start}Z"', f'"{end}Z"', count) for start, end, count in expected
    ]
    assert answer["missing"] == 1


def test_every_microsecond_of_many_years_has_its_bin() -> None:
    steps = [timedelta(microseconds=n) for n in range(200)]
    first = datetime(2199, 6, 1, tzinfo=UTC)
    import_trips(*({"request_datetime": first + step} for step in steps))

    answer = count_bins(Trip.objects.all(), TRIPS.by_name["request_datetime"], 200)

    assert [count for _, _, count in read_bins(answer)] == [1] * 200
