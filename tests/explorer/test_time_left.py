"""One time for all that a page asks: the first look, the page and the count."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.db.models import QuerySet
from pytest_django import Settings

from config.api.pagination import Ordering, Wanted
from config.api.reading import READER
from config.api.rows import JsonRowPagination
from explorer.models import Game
from explorer.tables import GAMES
from tests.factories.explorer import GameFactory

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", READER])

ROWS = 60
SECONDS_FOR_EACH = 0.05


@pytest.fixture(autouse=True)
def _in_order_of_the_index(settings: Settings) -> Iterator[None]:
    """A page looks at no more rows than it has; to look at all of them takes three seconds."""
    GameFactory.create_batch(ROWS)
    settings.QUERY_SECONDS = 1
    with connections[READER].cursor() as cursor:
        cursor.execute("SET enable_sort = off; SET enable_seqscan = off")
    yield
    connections[READER].close()


def make_slow() -> QuerySet[Game]:
    condition = f"pg_sleep({SECONDS_FOR_EACH}) IS NOT NULL"
    return Game.objects.using(READER).extra(where=[condition])  # noqa: S610 (its words are ours)


def fetch(rows: QuerySet[Any], *, count_mode: str, limit: int = 3) -> Any:
    pages = JsonRowPagination()
    pages.columns = GAMES.paths
    return pages.fetch(rows, Wanted(Ordering("app_id", is_ascending=True), None, limit, count_mode))


def test_count_that_takes_too_long_is_estimated() -> None:
    rows, (count, count_is) = fetch(make_slow(), count_mode="")

    first = Game.objects.using(READER).order_by("app_id")[:3]
    assert [key for _, _, key in rows] == [game.app_id for game in first]
    assert count is not None
    assert count_is == "estimated"


def test_count_that_must_be_exact_is_not_estimated() -> None:
    with pytest.raises(OperationalError, match="statement timeout"):
        fetch(make_slow(), count_mode="exact")


def test_page_without_a_count_has_all_the_time() -> None:
    rows, count = fetch(make_slow(), count_mode="none", limit=12)

    assert (len(rows), count) == (12, (None, "none"))


def test_page_that_takes_too_long_is_cancelled() -> None:
    with pytest.raises(OperationalError, match="statement timeout"):
        fetch(make_slow(), count_mode="none", limit=ROWS)


def test_few_rows_are_counted_exactly() -> None:
    rows, count = fetch(Game.objects.using(READER), count_mode="")

    assert (len(rows), count) == (3, (ROWS, "exact"))
