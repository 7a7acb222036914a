"""What is read: no question of any shape is a fault of the server."""

from typing import Any

import pytest
from pytest_django import Settings

from config.api.reading import READER
from tests.explorer.conftest import Commit, commit
from tests.fuzz.asking import EVERYTHING, IDENTITIES, READING, Known, ask_all, sign_in
from tests.fuzz.rows import store_rows

__all__ = ["commit"]

pytestmark = pytest.mark.django_db(databases=["default", READER])


@pytest.fixture(scope="module")
def rows(commit: Commit) -> Any:
    return commit(store_rows)


@pytest.mark.parametrize("identity", IDENTITIES)
@pytest.mark.parametrize("name", READING)
def test_answer_is_as_described(name: str, identity: str, rows: Any, settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = EVERYTHING if identity == "anybody" else frozenset()
    known: Known = rows.find(name)

    ask_all(name, known, sign_in(None if identity == "anybody" else rows.superuser))
