"""The other forms of an export hold the same averages."""

import pytest
from django.http import FileResponse
from rest_framework.test import APIClient

from tests.exported import read_export, read_types
from tests.factories.locations import MINUTE, MinuteAverageFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/locations/export."


@pytest.mark.parametrize(
    ("suffix", "minute"), [("jsonl", "2024-07-01T10:00:00Z"), ("parquet", MINUTE)]
)
def test_every_form_has_the_same_minutes(api: APIClient, suffix: str, minute: object) -> None:
    MinuteAverageFactory(user_id="ada")
    average = MinuteAverageFactory(user_id="Bob", at_lat=40.7, at_long=-74.0, is_fold=True)

    [row] = read_export(api.get(f"{URL}{suffix}?user_id=Bob"))

    assert list(row.items()) == [
        ("id", average.pk),
        ("user_id", "Bob"),
        ("minute", minute),
        ("count", 1),
        ("lat", 40.7),
        ("long", -74),
        ("accuracy", 12.5),
        ("speed", 1.25),
        ("is_gap", False),
        ("is_fold", True),
        ("last_fix_at", minute),
    ]


def test_numbers_that_postgresql_computes_are_numbers(api: APIClient) -> None:
    response = api.get(f"{URL}parquet")

    assert isinstance(response, FileResponse)
    types = read_types(response)
    assert types["lat"] == types["long"] == types["accuracy"] == "DOUBLE"
    assert types["is_gap"] == "BOOLEAN"
