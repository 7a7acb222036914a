"""What tests tell of themselves, which pytest puts into its report as a property of theirs."""

from collections.abc import Callable, Iterator

import pytest
from campaigns import Notes


@pytest.fixture
def notes(record_property: Callable[[str, object], None]) -> Iterator[Notes]:
    """What a test tells of itself, also where it fails: `bin/test faults` writes it down."""
    notes = Notes()
    yield notes
    record_property("notes", notes.write())
