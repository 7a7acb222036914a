"""How the pages of imports tell what they show."""

import pytest
from django.test import Client
from pytest_django import Settings

from imports.choices import Status
from imports.pages import write_seconds
from tests.factories.imports import ImportFactory


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


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ({}, "None: there is nothing to explain."),
        (
            {"status": Status.FAILED, "error_code": "wrong_header"},
            "None: the import ended for what is told above.",
        ),
    ],
)
def test_import_without_rejects_says_why(
    client: Client, settings: Settings, outcome: dict[str, str], words: str
) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read"})
    record = ImportFactory(**outcome)

    assert words in client.get(f"/imports/{record.pk}/").content.decode()
