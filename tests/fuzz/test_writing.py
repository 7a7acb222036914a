"""What changes something: whatever is sent is taken in or refused, and never a fault of ours."""

import pytest

from config.api.reading import READER
from tests.fuzz.asking import ASKERS, WRITING, ask_all
from tests.fuzz.rows import store_rows

pytestmark = [
    pytest.mark.django_db(databases=["default", READER], transaction=True),
    pytest.mark.no_cover,
]


@pytest.mark.parametrize("asker", ASKERS)
@pytest.mark.parametrize("name", WRITING)
def test_answer_is_as_described(name: str, asker: str, empty_queue: None) -> None:
    """Each asker finds rows that nobody else has changed."""
    ask_all(name, store_rows(), [asker])
