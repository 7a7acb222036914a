"""Rows that a module's tests only read.

A module that has them has no test with `transaction=True`, which would find these rows, and then
empty the tables.
"""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import pytest
from pytest_django import DjangoDbBlocker

from tests.conftest import empty_tables

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
