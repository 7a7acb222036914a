"""Timestamps of devices, which show the local time of where they are, as instants."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from timezonefinder import TimezoneFinder

FORM = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d{1,6})?(?:([Zz])|([+-]\d\d)(?::?([0-5]\d))?)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Moment:
    """When a fix was taken, in UTC.

    `submitted` is the timestamp as it was sent, by which repeats are known: local time written as
    if it were UTC or, where it `has_offset`, UTC itself. `repeated_at` is when its local time comes
    for the second time, where it does; `is_gap`: there is no such local time.
    """

    submitted: datetime
    has_offset: bool
    at: datetime
    repeated_at: datetime | None = None
    is_gap: bool = False


def read_timestamp(text: str) -> datetime:
    """`YYYY-MM-DD HH:MM:SS`, with `T` or a space, with a fraction up to microseconds or without,
    with an offset (`Z`, `+02:00`, `+0200`, `+02`) or without, which makes it a naive one.

    Raises ValueError, with a sentence for the sender.
    """
    match = FORM.fullmatch(text)
    if match is None:
        msg = f"“{text[:40]}” is not a timestamp such as 2024-07-01 04:00:28.008"
        raise ValueError(msg)
    day, time, fraction, utc, hours, minutes = match.groups()
    offset = "+00:00" if utc else f"{hours}:{minutes or '00'}" if hours else ""
    try:
        return datetime.fromisoformat(f"{day}T{time}{fraction or ''}{offset}")
    except ValueError as error:
        msg = f"“{text}” does not exist: {error}"
        raise ValueError(msg) from error


def find_moment(timestamp: datetime, *, lat: float, long: float) -> Moment:
    """When that is, at these coordinates (degrees, EPSG:4326) where it has no offset.

    A local time that does not exist, since clocks were put forward, is as much later as they were.
    Raises ValueError where it would be outside of the years 1 to 9999.
    """
    try:
        if timestamp.tzinfo is not None:
            instant = timestamp.astimezone(UTC)
            return Moment(instant, has_offset=True, at=instant)
        return _resolve(timestamp, find_zone(lat, long))
    except OverflowError as error:
        msg = f"“{timestamp}” does not exist in UTC: {error}"
        raise ValueError(msg) from error


def _resolve(local: datetime, zone: tzinfo) -> Moment:
    """A time in a gap has, by PEP 495, the offset from before it in the first place."""
    submitted = local.replace(tzinfo=UTC)
    first = local.replace(tzinfo=zone).utcoffset() or timedelta()
    second = local.replace(tzinfo=zone, fold=1).utcoffset() or timedelta()
    return Moment(
        submitted,
        has_offset=False,
        at=submitted - first,
        repeated_at=submitted - second if second < first else None,
        is_gap=second > first,
    )


def find_zone(lat: float, long: float) -> tzinfo:
    """The time zone at these coordinates (degrees, EPSG:4326); at sea that of the longitude."""
    # The zones of the seas cover what is no land: there is always one.
    return load_zone(load_shapes().timezone_at(lat=lat, lng=long) or "UTC")


@cache
def load_shapes() -> TimezoneFinder:
    """40 MB, which only those processes need that take fixes."""
    finder: TimezoneFinder = import_module("timezonefinder").TimezoneFinder(in_memory=True)
    return finder


@lru_cache(maxsize=1024)
def load_zone(name: str) -> tzinfo:
    return ZoneInfo(name)
