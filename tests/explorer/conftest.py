"""Rows that a module's tests only read.

A module that has them has no test with `transaction=True`, which would find these rows, and then
empty the tables.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import pytest
from django.test import Client
from pytest_django import DjangoDbBlocker, Settings

from tests.conftest import empty_tables
from tests.explorer.loaded import Rows, load_real_games, store_made

T = TypeVar("T")


class Commit(Protocol):
    def __call__(self, make: Callable[[], T]) -> T: ...


@pytest.fixture(scope="module")
def commit(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Commit]:
    """Calls what makes rows and keeps them until the module's end, for the reader too."""

    def run(make: Callable[[], T]) -> T:
        with django_db_blocker.unblock():
            return make()

    yield run
    with django_db_blocker.unblock():
        empty_tables()


@pytest.fixture(scope="module", params=["made", "real"])
def rows(
    request: pytest.FixtureRequest, commit: Commit, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rows]:
    """Made-up games and trips by their tables, or the games of the real file and no trips."""
    if request.param == "made":
        yield commit(store_made)
    else:
        file: Path = request.getfixturevalue("real_data") / "games" / "game_data.csv"
        folder = tmp_path_factory.mktemp("games")
        yield commit(partial(load_real_games, folder, file.read_bytes()))
    commit(empty_tables)  # before the others come


@pytest.fixture
def visitor(settings: Settings) -> Client:
    """Somebody with a browser, where anybody may read."""
    settings.ANONYMOUS_ACCESS = frozenset({"read"})
    return Client(headers={"Accept": "text/html,*/*"})
