"""What changes something: whatever is sent is taken in or refused, and never a fault of ours."""

import pytest
from pytest_django import Settings

from config.api.reading import READER
from tests.fuzz.asking import EVERYTHING, IDENTITIES, WRITING, ask_all, sign_in
from tests.fuzz.rows import store_rows

pytestmark = pytest.mark.django_db(databases=["default", READER], transaction=True)


@pytest.mark.parametrize("identity", IDENTITIES)
@pytest.mark.parametrize("name", WRITING)
def test_answer_is_as_described(
    name: str, identity: str, settings: Settings, empty_queue: None
) -> None:
    settings.ANONYMOUS_ACCESS = EVERYTHING if identity == "anybody" else frozenset()
    rows = store_rows()

    ask_all(name, rows.find(name), sign_in(None if identity == "anybody" else rows.superuser))
