"""Timestamps as text: RFC 3339, read strictly."""

import re
from datetime import UTC, date, datetime

RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,6})?)(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)?",
    re.ASCII | re.IGNORECASE,
)
BARE_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def parse_timestamp(text: str, *, assume_utc: bool = False) -> datetime:
    """The instant, in UTC, that an RFC 3339 text names (T or space, up to microseconds).

    Raises ValueError, with a sentence for the sender, for any other form, an impossible date or
    time, or a missing offset unless `assume_utc`. `datetime.fromisoformat` alone would also take
    week dates and bare dates.
    """
    match = RFC3339.fullmatch(text)
    if match is None:
        msg = f"“{text[:40]}” is not a timestamp such as 2024-07-01T04:00:28.008Z"
        raise ValueError(msg)
    if match[3] is None and not assume_utc:
        msg = f"“{text}” has no offset from UTC, such as Z or +02:00"
        raise ValueError(msg)
    return _build(text, f"{match[1]}T{match[2]}{(match[3] or 'Z').upper()}")


def write_timestamp(instant: datetime) -> str:
    """The instant in UTC as the API writes it, such as 2024-07-01T04:00:28.008000Z."""
    return instant.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def show_timestamp(text: str) -> str:
    """What the API has written, for people: 2024-07-01 04:00:28.008000."""
    return text.removesuffix("Z").replace("T", " ")


def parse_date(text: str) -> date | None:
    """The day that `YYYY-MM-DD` names, None for any other form; ValueError where none exists."""
    if BARE_DATE.fullmatch(text) is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        msg = f"“{text}” does not exist: {error}"
        raise ValueError(msg) from error


def _build(text: str, iso: str) -> datetime:
    try:
        return datetime.fromisoformat(iso).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        msg = f"“{text}” does not exist: {error}"
        raise ValueError(msg) from error
