"""What is read: no question of any shape is a fault of the server."""

import pytest

from config.api.reading import READER
from tests.explorer.conftest import Commit, commit
from tests.fuzz.asking import ASKERS, READING, ask_all
from tests.fuzz.rows import Stored, store_rows

__all__ = ["commit"]

pytestmark = [pytest.mark.django_db(databases=["default", READER]), pytest.mark.no_cover]


@pytest.fixture(scope="module")
def rows(commit: Commit) -> Stored:
    return commit(store_rows)


@pytest.mark.parametrize("name", READING)
def test_answer_is_as_described(name: str, rows: Stored) -> None:
    ask_all(name, rows, ASKERS)
