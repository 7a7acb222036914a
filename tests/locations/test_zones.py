"""Local times as instants: every zone at its own coordinates, and every change of its clocks."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest

from locations.zones import find_moment, find_zone, load_shapes, read_timestamp

# Degrees, minutes and, of some, seconds (ISO 6709).
POSITION = re.compile(r"([+-]\d\d)(\d\d)(\d\d)?([+-]\d\d\d)(\d\d)(\d\d)?")
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC)
STEP = timedelta(days=5)  # between two changes are weeks at least
TICK = timedelta(microseconds=1)
BERLIN = {"lat": 52.5, "long": 13.4}


def list_places() -> dict[str, tuple[float, float]]:
    """Latitude and longitude of each zone's main place, as the tz database has them, and of the
    zones at sea."""
    table = (files("tzdata.zoneinfo") / "zone.tab").read_text()
    rows = [line.split("\t") for line in table.splitlines() if line[0] != "#"]
    places = {row[2]: read_position(row[1]) for row in rows}
    sea = {f"Etc/GMT{-hours:+d}": (-60.0, 15.0 * hours) for hours in range(-11, 12) if hours}
    return places | sea


def read_position(text: str) -> tuple[float, float]:
    match = POSITION.fullmatch(text)
    assert match is not None
    lat, long = (
        (-1 if degrees[0] == "-" else 1)
        * (abs(int(degrees)) + int(minutes) / 60 + int(seconds or 0) / 3600)
        for degrees, minutes, seconds in (match.groups()[:3], match.groups()[3:])
    )
    return lat, long


PLACES = list_places()


def find_transitions(zone: ZoneInfo) -> Iterator[tuple[datetime, timedelta, timedelta]]:
    """The instant of each change of a zone's clocks, and the offsets before and after."""
    early = FIRST
    while early < LAST:
        late = early + STEP
        if get_offset(early, zone) != get_offset(late, zone):
            yield bisect(early, late, zone)
        early = late


def bisect(
    early: datetime, late: datetime, zone: ZoneInfo
) -> tuple[datetime, timedelta, timedelta]:
    before, after = get_offset(early, zone), get_offset(late, zone)
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=(late - early) // timedelta(seconds=2))
        early, late = (early, middle) if get_offset(middle, zone) == after else (middle, late)
    return late, before, after


def get_offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def resolve(local: datetime, place: tuple[float, float]) -> tuple[datetime, datetime | None, bool]:
    moment = find_moment(local.replace(tzinfo=None), lat=place[0], long=place[1])
    assert (moment.submitted, moment.has_offset) == (local.replace(tzinfo=UTC), False)
    return moment.at, moment.repeated_at, moment.is_gap


def test_every_zone_there_is_lies_where_it_says() -> None:
    found = {name: str(find_zone(*place)) for name, place in PLACES.items()}
    wrong = {name for name, zone in found.items() if zone != name}

    # Its harbour, in whole minutes of arc, lies beyond the border of so small a country.
    assert wrong == {"Europe/Monaco"}
    assert set(load_shapes().timezone_names) - PLACES.keys() <= {
        "Etc/GMT",
        "Etc/GMT+12",
        "Etc/GMT-12",
        "Etc/UTC",
    }


@pytest.mark.parametrize("part", range(8))
def test_every_change_of_clocks_is_handled_as_documented(part: int) -> None:
    count = 0
    for name in sorted(PLACES)[part::8]:
        for change, before, after in find_transitions(ZoneInfo(name)):
            check_change(name, change, before, after)
            count += 1
    assert count > 100


def check_change(name: str, change: datetime, before: timedelta, after: timedelta) -> None:
    """`change + offset` is what clocks show then."""
    place, zone = PLACES[name], ZoneInfo(name)
    start, end = sorted([change + before, change + after])
    width = end - start
    for local in (start, start + width / 2, end - TICK):
        if after > before:
            # An hour that does not exist: as much later as clocks were put forward.
            assert resolve(local, place) == (local - before, None, True)
            shown = (local - before).astimezone(zone).replace(tzinfo=UTC)
            assert shown == local + width
        else:
            assert resolve(local, place) == (local - before, local - after, False)
    assert resolve(start - TICK, place) == (start - TICK - before, None, False)
    assert resolve(end, place) == (end - after, None, False)


def test_a_time_that_does_not_exist_is_shown_later_by_clocks() -> None:
    moment = find_moment(datetime(2024, 3, 31, 2, 30), **BERLIN)

    assert moment.is_gap
    local = moment.at.astimezone(ZoneInfo("Europe/Berlin"))
    assert local.replace(tzinfo=None) == datetime(2024, 3, 31, 3, 30)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-07-01 04:00:28", datetime(2024, 7, 1, 4, 0, 28)),
        ("2024-07-01T04:00:28", datetime(2024, 7, 1, 4, 0, 28)),
        ("2024-07-01 04:00:28.008", datetime(2024, 7, 1, 4, 0, 28, 8_000)),
        ("2024-07-01 04:00:28.1", datetime(2024, 7, 1, 4, 0, 28, 100_000)),
        ("2024-07-01 04:00:28.123456", datetime(2024, 7, 1, 4, 0, 28, 123_456)),
        ("2024-02-29 23:59:59.999999", datetime(2024, 2, 29, 23, 59, 59, 999_999)),
        ("2024-07-01T04:00:28Z", datetime(2024, 7, 1, 4, 0, 28, tzinfo=UTC)),
        ("2024-07-01 04:00:28.5z", datetime(2024, 7, 1, 4, 0, 28, 500_000, tzinfo=UTC)),
        ("2024-07-01 04:00:28+00:00", datetime(2024, 7, 1, 4, 0, 28, tzinfo=UTC)),
        ("2024-07-01T06:00:28.008+02:00", datetime(2024, 7, 1, 4, 0, 28, 8_000, tzinfo=UTC)),
        ("2024-07-01T06:00:28+0200", datetime(2024, 7, 1, 4, 0, 28, tzinfo=UTC)),
        ("2024-07-01T06:00:28+02", datetime(2024, 7, 1, 4, 0, 28, tzinfo=UTC)),
        ("2024-06-30 22:15:28-05:45", datetime(2024, 7, 1, 4, 0, 28, tzinfo=UTC)),
    ],
)
def test_timestamp_is_read(text: str, expected: datetime) -> None:
    found = read_timestamp(text)

    assert found == expected
    assert (found.tzinfo is None) == (expected.tzinfo is None)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "now", "1719806428", "2024-07-01", "20240701T040028", "2024-W27-1 04:00:28"),
        *("2024-07-01 04:00", "2024-07-01 04:00:28.", "2024-07-01 04:00:28.1234567"),
        *("2024-07-01 04:00:28,5", "2024-07-01  04:00:28", " 2024-07-01 04:00:28"),
        *("2024-07-01 04:00:28\n", "2024-07-01_04:00:28", "2024-07-01t04:00:28"),
        *("24-07-01 04:00:28", "2024-7-1 04:00:28", "٢٠٢٤-07-01 04:00:28", "-2024-07-01 04:00:28"),
        *("2023-02-29 04:00:28", "2024-13-01 04:00:28", "2024-00-01 04:00:28"),
        *("2024-06-31 04:00:28", "0000-01-01 00:00:00", "2024-07-01 24:00:00"),
        *("2024-07-01 04:60:28", "2024-07-01 23:59:60", "2024-07-01 04:00:28 +02:00"),
        *("2024-07-01 04:00:28+24:00", "2024-07-01 04:00:28+2", "2024-07-01 04:00:28UTC"),
        "2024-07-01 04:00:28+02:60",
    ],
)
def test_what_is_no_timestamp_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="“"):
        read_timestamp(text)


def test_offset_is_taken_at_its_word() -> None:
    moment = find_moment(
        datetime(2024, 10, 27, 2, 30, tzinfo=timezone(timedelta(hours=9))), **BERLIN
    )

    assert moment.submitted == moment.at == datetime(2024, 10, 26, 17, 30, tzinfo=UTC)
    assert (moment.has_offset, moment.repeated_at, moment.is_gap) == (True, None, False)


@pytest.mark.parametrize(
    ("local", "place"),
    [
        (datetime(1, 1, 1), {"lat": 35.7, "long": 139.7}),
        (datetime(9999, 12, 31, 23, 59), {"lat": 40.7, "long": -74.0}),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), BERLIN),
    ],
)
def test_time_that_is_no_year_in_utc_is_refused(local: datetime, place: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="does not exist in UTC"):
        find_moment(local, **place)


@pytest.mark.parametrize(
    ("lat", "long"), [(90, 0), (-90, 0), (0, 180), (0, -180), (90, 180), (-90, -180), (0, 0)]
)
def test_there_is_a_zone_everywhere(lat: float, long: float) -> None:
    assert find_zone(lat, long).utcoffset(datetime(2024, 7, 1)) is not None
