"""How the pages of imports tell what they show."""

import pytest

from imports.pages import write_seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0.44, "0.4 s"),
        (59.6, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3_600 * 25 + 61, "1 d 1 h"),
    ],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    assert write_seconds(seconds) == text
