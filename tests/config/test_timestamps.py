"""Timestamps are RFC 3339, nothing looser."""

from datetime import UTC, date, datetime

import pytest

from config.api.timestamps import parse_date, parse_timestamp


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-07-01T04:00:28.008Z", datetime(2024, 7, 1, 4, 0, 28, 8000, UTC)),
        ("2024-07-01 04:00:28Z", datetime(2024, 7, 1, 4, 0, 28, 0, UTC)),
        ("2024-07-01T06:00:28.123456+02:00", datetime(2024, 7, 1, 4, 0, 28, 123456, UTC)),
        ("2024-02-29t23:59:59z", datetime(2024, 2, 29, 23, 59, 59, 0, UTC)),
        ("2024-07-01T00:00:00-12:00", datetime(2024, 7, 1, 12, 0, 0, 0, UTC)),
    ],
)
def test_timestamp_is_read_as_an_instant(text: str, expected: datetime) -> None:
    assert parse_timestamp(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-07-01",
        "2024-07-01T04:00",
        "2024-07-01T04:00:28",
        "2024-07-01T04:00:28.008Z\n",
        " 2024-07-01T04:00:28Z",
        "2024-02-30T04:00:00Z",
        "2023-02-29T04:00:00Z",
        "2024-07-01T25:00:00Z",
        "2024-07-01T04:00:60Z",
        "2024-07-01T04:00:00+25:00",
        "2024-07-01T04:00:00.1234567Z",
        "2024-W27-1T04:00:00Z",
        "20240701T040000Z",
        "\uff12\uff10\uff12\uff14-07-01T04:00:00Z",
        "0001-01-01T00:00:00+12:00",
        "9999-12-31T23:59:59-12:00",
        "0000-01-01T00:00:00Z",
        "now",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="“"):
        parse_timestamp(text)


def test_missing_offset_is_utc_only_where_that_is_asked_for() -> None:
    assert parse_timestamp("2024-07-01T04:00:28", assume_utc=True) == datetime(
        2024, 7, 1, 4, 0, 28, 0, UTC
    )


def test_bare_date_is_told_from_a_timestamp() -> None:
    assert parse_date("2024-07-01") == date(2024, 7, 1)
    assert parse_date("2024-07-01T00:00:00Z") is None
    with pytest.raises(ValueError, match="does not exist"):
        parse_date("2024-02-30")
