import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from explorer_bench import (
    DATASETTE,
    GROUP_GAMES,
    OURS,
    READ_GAMES,
    SAMPLE_GAMES,
    Query,
    check_rows,
    group_ours,
    list_queries,
    make_tables,
    measure_queries,
    write_database,
)
from loading import Load
from rest_framework.test import APIClient
from supervisor import Refusal
from workbench import Options

from config.api.reading import READER
from tests.factories.explorer import GameFactory

through_reader = pytest.mark.django_db(transaction=True, databases=["default", READER])
GAME = {
    "name": "Abba Borlek",
    "text": "You are Abbaba. Find the amber lighthouse!",
    "day": "2020-02-17",
    "positive": 1234,
}


def read_values(path: str) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(urlsplit(path).query).items()}


def read_lines(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [row for (row,) in cursor.fetchall()]


def read_sqlite(file: Path, statement: str, **values: object) -> list[dict[str, Any]]:
    with sqlite3.connect(file) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(statement, values)]


# The same rows, and the same questions


@through_reader
def test_database_of_datasette_has_every_value_of_the_api(api: APIClient, tmp_path: Path) -> None:
    for app_id, linux in ((10, None), (20, False)):
        GameFactory(
            app_id=app_id,
            source_index=app_id + 1,
            dlc_count=3,
            about_the_game='One "line"\nand another',
            supported_languages="['English']",
            mac=True,
            linux=linux,
            positive=5,
            negative=6,
            score_rank=Decimal("97.5"),
            developers="A, Inc.",
            publishers="B",
            categories="C",
            tags="D,E",
        )

    write_database(tmp_path / "games.db", read_lines(READ_GAMES))

    ours = api.get("/api/v1/games/").json()["results"]
    theirs = read_sqlite(tmp_path / "games.db", "SELECT * FROM games ORDER BY app_id")
    assert [set(row) | {"import_id"} for row in theirs] == [set(row) for row in ours]
    check_rows("rows", ours, theirs)


@through_reader
def test_figures_of_groups_are_those_of_datasette(api: APIClient, tmp_path: Path) -> None:
    for age, price in ((0, "0.1"), (0, "0.2"), (0, "0.7"), (17, "5"), (18, "1"), (18, "2")):
        GameFactory(required_age=age, price=Decimal(price))
    write_database(tmp_path / "games.db", read_lines(READ_GAMES))

    ours = api.get(group_ours(2)).json()["results"]
    theirs = read_sqlite(tmp_path / "games.db", GROUP_GAMES, least="2")  # as text, from an address

    assert [row["required_age"] for row in theirs] == [0, 18]
    check_rows("figures", ours, theirs)


@pytest.mark.django_db
def test_sample_holds_games_to_ask_for() -> None:
    GameFactory(name="Abba", positive=2000)
    GameFactory(name="Abba Borlek", positive=1000)
    GameFactory(name="Abba Borlek", positive=1001, about_the_game="Find it!")

    assert read_lines(SAMPLE_GAMES.format(count=5)) == [
        {"name": "Abba Borlek", "text": "Find it!", "day": "2008-10-21", "positive": 1001}
    ]


@through_reader
def test_addresses_find_what_they_are_made_of(api: APIClient) -> None:
    GameFactory(
        name=GAME["name"],
        about_the_game=GAME["text"],
        release_date_text="Feb 17, 2020",
        required_age=12,
    )
    GameFactory(name="Other", about_the_game="Other", required_age=16)

    answers = [api.get(one.ours[0]).json() for one in list_queries([GAME])[:4]]

    assert [answer["count"] for answer in answers] == [1, 1, 1, 1]


def test_datasette_is_asked_the_same() -> None:
    name, text, number, dates, groups = list_queries([GAME, GAME])

    page = {"_shape": "objects", "_size": "100"}
    assert read_values(name.theirs[1]) == {"name__contains": "Borlek"} | page
    assert read_values(text.theirs[1]) == {"about_the_game__contains": "lighthouse"} | page
    assert read_values(number.theirs[2]) == {"required_age": "17"} | page
    days = {"release_date__gte": "2020-02-01", "release_date__lt": "2020-03-03"}
    assert read_values(dates.theirs[0]) == days | {"_sort": "release_date"} | page
    assert read_values(groups.theirs[4])["least"] == "5"
    assert all(len(one.ours) == len(one.theirs) for one in (name, text, number, dates, groups))


# Checks


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([], []),
        ([{"id": 1}], []),
        ([], [{"id": 1}]),
        ([{"id": 1}], [{"id": 2}]),
        ([{"id": 1}, {"id": 2}], [{"id": 1}]),
        ([{"mean": 0.12345}], [{"mean": 0.12346}]),
    ],
)
def test_rows_that_are_others_are_refused(
    ours: list[dict[str, Any]], theirs: list[dict[str, Any]]
) -> None:
    with pytest.raises(Refusal, match="name: this server answers with other rows"):
        check_rows("name", ours, theirs)


def test_rows_with_flags_as_numbers_are_the_same() -> None:
    check_rows("name", [{"id": 1, "mac": True, "more": 2}], [{"id": 1, "mac": 1}])


# Rounds


def test_rounds_alternate_and_the_first_does_not_count() -> None:
    asked: list[tuple[str, str, int]] = []

    def drive(one: Query, name: str, seconds: int) -> Load:
        asked.append((one.name, name, seconds))
        return Load(len(asked), 1.0)

    options = Options(rounds=2, seconds=5)
    loads = measure_queries(drive, ["a", "b"], [Query("first", ()), Query("second", ())], options)

    order = ["a", "b", "a", "b", "b", "a", "b", "a", "a", "b", "a", "b"]
    assert [name for _, name, _ in asked] == order
    assert {seconds for _, _, seconds in asked} == {5}
    assert {name: [load.count for load in found] for name, found in loads.items()} == {
        "first, a": [6, 9],
        "first, b": [5, 10],
        "second, a": [8, 11],
        "second, b": [7, 12],
    }


# Telling


def test_tables_hold_each_query_against_datasette() -> None:
    loads = {
        f"dates, {DATASETTE}": [Load(1, 20.0, p95_ms=400.0), Load(1, 40.0, p95_ms=500.0)],
        f"dates, {OURS}": [Load(1, 300.0, p95_ms=45.0), Load(1, 150.0, p95_ms=90.0)],
    }

    rates, latencies = (table.write() for table in make_tables([Query("dates", ())], loads))

    assert rates.splitlines()[2:] == [
        "| dates, Datasette | 30 (20 to 40) |  |  |  |",
        "| dates, this server | 225 (150 to 300) | dates, Datasette | 7.50 | ≥ 5.00 |",
    ]
    assert latencies.splitlines()[2:] == [
        "| dates, Datasette | 450.00 (400.00 to 500.00) |  |  |  |",
        "| dates, this server | 67.50 (45.00 to 90.00) | dates, Datasette | 0.15 | ≤ 1.00 |",
    ]
