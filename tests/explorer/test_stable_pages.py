"""Pages stay what they are while rows are inserted between two of them."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from config.api.reading import READER
from tests.explorer.trips import import_trips
from tests.factories.explorer import GameFactory

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", READER])

Add = Callable[..., list[int]]


def add_games(*prices: int | Decimal | None) -> list[int]:
    return [GameFactory(price=price, source_index=price and int(price)).pk for price in prices]


def add_trips(*prices: int | None) -> list[int]:
    return [trip.pk for trip in import_trips(*({"tips": price} for price in prices))]


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize(
    ("name", "columns", "add"),
    [
        ("games", ["app_id", "price", "source_index"], add_games),
        ("trips", ["id", "tips", "import_id"], add_trips),
    ],
)
def test_row_is_neither_lost_nor_repeated_while_others_come(
    api: APIClient, name: str, columns: list[str], add: Add, sign: str
) -> None:
    for column in columns:
        check_walk(api, f"/api/v1/{name}/?ordering={sign}{column}&page_size=2", columns[0], add)


def check_walk(api: APIClient, url: str, key: str, add: Add) -> None:
    add(1, 2, 2, 2, 3, None, None)
    present = [row[key] for row in api.get(url.split("&")[0]).json()["results"]]
    shown: list[int] = []

    while url:
        page: dict[str, Any] = api.get(url).json()
        shown += [row[key] for row in page["results"]]
        url = page["next"]
        if len(shown) <= 4:
            add(0, 2, 9, None)

    assert [pk for pk in shown if pk in present] == present
    assert len(set(shown)) == len(shown)


def test_page_before_holds_what_it_held_and_what_came(api: APIClient) -> None:
    keys = add_games(1, 2, 3, 4)
    url = "/api/v1/games/?ordering=price&page_size=2&fields=app_id"
    second = api.get(api.get(url).json()["next"]).json()
    [new] = add_games(Decimal("1.5"))

    before = api.get(second["previous"]).json()

    assert [row["app_id"] for row in before["results"]] == [new, keys[1]]
    assert before["previous"] is not None
