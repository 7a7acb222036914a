"""Pages of the explorer's tables: every column, in both directions, holds each row once."""

from datetime import timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Left
from rest_framework.test import APIClient

from config.api.pagination import ORDERED_CHARACTERS
from config.api.reading import READER
from explorer.models import Game, Trip
from explorer.tables import GAMES, TRIPS, Table
from tests.explorer.conftest import Commit
from tests.explorer.trips import PICKUP, import_trips
from tests.factories.explorer import GameFactory, TaxiZoneFactory
from tests.factories.imports import ImportFactory
from tests.walking import walk

pytestmark = pytest.mark.django_db(databases=["default", READER])

SIZES = (1, 3, 5)
LONG = "é" * 5_000
# Seven rows: ties, NULLs, and texts that differ after the characters that they are ordered by.
TEXTS = (LONG + "2", None, "b", LONG + "1", None, "b", "A")
NUMBERS = (2, None, -1, 2, None, 0, 10)
AMOUNTS = tuple(n if n is None else Decimal(n) / 3 for n in NUMBERS)
FLAGS = (True, None, False, True, None, False, True)
DATES = ("Oct 21, 2008", None, "May 2020", "May 1, 2020", None, "2008-10-21", "Jan 2, 1999")
LISTS = tuple(text and f"{text},x" for text in TEXTS)
GAME_TEXTS = ("name", "about_the_game", "developers", "publishers", "categories", "genres", "tags")
GAME_VALUES: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(GAME_TEXTS, LISTS),
    **dict.fromkeys(("source_index", "required_age", "dlc_count"), NUMBERS),
    **dict.fromkeys(("positive", "negative"), NUMBERS[::-1]),
    **dict.fromkeys(("price", "score_rank"), AMOUNTS),
    **dict.fromkeys(("windows", "mac", "linux"), FLAGS),
    "release_date_text": DATES,
    "supported_languages": TEXTS[::-1],
}
TRIP_KINDS = {
    "text": tuple(text or "" for text in TEXTS),
    "number": AMOUNTS,
    "timestamp": tuple(PICKUP + timedelta(days=n or 0, microseconds=n or 0) for n in NUMBERS),
    "integer": (1, None, 2, 1, None, 3, 2),  # of these zones there is none with number 3
}
COLUMNS = [
    pytest.param(table, column, id=f"{table.name}-{column}")
    for table in (GAMES, TRIPS)
    for column in table.paths
]


def make_games() -> None:
    imports = ImportFactory.create_batch(2, dataset="games")
    for n, app_id in enumerate((50, 2**40, 7, 30, 60, 20, 40)):
        row = {name: values[n] for name, values in GAME_VALUES.items()}
        GameFactory(app_id=app_id, import_record=imports[n % 2], **row)


def make_trips() -> None:
    for location_id, zone in ((1, LONG), (2, "b")):
        TaxiZoneFactory(location_id=location_id, zone=zone)
    columns = {
        column.path: TRIP_KINDS[column.kind.name]
        for column in TRIPS.columns
        if "__" not in column.path and column.path not in {"id", "import_record_id"}
    }
    nullable = {field.attname for field in Trip._meta.concrete_fields if field.null}
    rows = [
        {
            path: None if NUMBERS[n] is None and path in nullable else values[n]
            for path, values in columns.items()
        }
        for n in range(len(NUMBERS))
    ]
    import_trips(*rows[:4])
    import_trips(*rows[4:])


@pytest.fixture(scope="module", autouse=True)
def _rows(commit: Commit) -> None:
    commit(make_games)
    commit(make_trips)


def list_keys(table: Table, column: str, *, descending: bool) -> list[int]:
    """All keys in PostgreSQL's own order."""
    path = F(table.paths[column])
    is_text = table.by_name[column].kind.name == "text"
    value = Left(path, ORDERED_CHARACTERS) if is_text else path
    key = F("pk")
    terms = [term.desc() if descending else term.asc() for term in (value, key)]
    rows = table.model._default_manager.order_by(*terms)
    return list(rows.values_list("pk", flat=True))


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_walk_finds_every_row_once_in_both_directions(
    api: APIClient, table: Table, column: str, sign: str
) -> None:
    expected = list_keys(table, column, descending=sign == "-")
    key = next(iter(table.paths))

    for size, count in zip(SIZES, ("none", "exact", "exact"), strict=True):
        query = f"ordering={sign}{column}&page_size={size}&fields={key}&count={count}"
        pages, last = walk(api, f"/api/v1/{table.name}/?{query}", "next")
        back, _ = walk(api, last, "previous")

        assert list(chain(*pages)) == expected
        assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)
        assert list(chain(*reversed(back))) == expected


@pytest.mark.parametrize(("sign", "expected"), [("", [30, 50, 40]), ("-", [40, 50, 30])])
def test_filter_and_order_hold_over_all_pages(
    api: APIClient, sign: str, expected: list[int]
) -> None:
    query = f"windows=true&price__gte=0&ordering={sign}price&page_size=1&fields=app_id"

    pages, _ = walk(api, f"/api/v1/games/?{query}", "next")

    assert list(chain(*pages)) == expected


def test_every_column_has_ties_and_different_values() -> None:
    for table in (GAMES, TRIPS):
        for column in table.columns:
            values = list(table.model._default_manager.values_list(column.path, flat=True))
            assert len(set(values)) > 1, column.name
            is_key = column.path in {"app_id", "id"}
            assert (len(set(values)) < len(values)) != is_key, column.name


@pytest.mark.parametrize("column", ["release_date", "pickup_datetime"])
def test_times_end_in_z_and_dates_do_not(api: APIClient, column: str) -> None:
    table = "games" if column == "release_date" else "trips"

    rows = api.get(f"/api/v1/{table}/", {"fields": column}).json()["results"]

    shown = {row[column] for row in rows} - {None}
    form = "2020-05-01" if table == "games" else "2024-01-03T05:21:47.000002Z"
    assert form in shown
    assert all(text.endswith("Z") == (table == "trips") for text in shown)


@pytest.mark.parametrize("name", ["games", "trips", "zones"])
@pytest.mark.parametrize(
    ("mode", "count_is"),
    [("", "exact"), ("exact", "exact"), ("estimated", "estimated"), ("none", "none")],
)
def test_count_says_what_it_is(api: APIClient, name: str, mode: str, count_is: str) -> None:
    page = api.get(f"/api/v1/{name}/?count={mode}&page_size=1").json()

    assert page["count_is"] == count_is
    assert (page["count"] is None) == (mode == "none")
    if count_is == "exact":
        assert page["count"] == {"games": Game.objects.count(), "trips": 7, "zones": 2}[name]


@pytest.mark.parametrize(
    "query", ["pu_location_id=3", "pu_location_id__gt=2", "pu_location_id__isnull=false&tips=0"]
)
def test_trip_of_a_zone_that_no_file_has_is_found(api: APIClient, query: str) -> None:
    page = api.get(f"/api/v1/trips/?{query}").json()

    assert [(row["pu_location_id"], row["pu_zone"]) for row in page["results"]] == [(3, None)]
    assert page["count"] == 1
