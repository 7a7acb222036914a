"""Made-up phones: what each sends, and what must come of it.

What must come of it is reckoned in exact fractions from the instants and the texts that were made
up, by nothing that the server reckons with.
"""

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import TypeVar
from zoneinfo import ZoneInfo

START = datetime(2024, 7, 1, 8, 0, tzinfo=UTC)
RADIUS = 0.01  # degrees
LAP_SECONDS = 600
NOISE = 0.0001  # degrees
WITH_OFFSET = 0.15  # share of the fixes

Draw = Callable[[], float]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """What a phone goes round, RADIUS away: degrees (EPSG:4326). There all is in the same zone, or
    in another one beyond ±180°."""

    lat: float
    long: float
    zone: str
    zone_beyond: str = ""


PLACES = (
    Place(-16.83, 180.0, "Pacific/Fiji"),  # Taveuni: land on both sides of ±180°
    Place(-25.0, 180.0, "Etc/GMT-12", "Etc/GMT+12"),  # at sea: a day between both sides
    Place(27.7172, 85.324, "Asia/Kathmandu"),
    Place(-34.9285, 138.6007, "Australia/Adelaide"),
    Place(47.5615, -52.7126, "America/St_Johns"),
    Place(38.7223, -9.1393, "Europe/Lisbon"),
    Place(-1.2921, 36.8219, "Africa/Nairobi"),
    Place(-33.4489, -70.6693, "America/Santiago"),
    Place(22.5726, 88.3639, "Asia/Kolkata"),
    Place(-43.9535, -176.55, "Pacific/Chatham"),
    Place(60.1699, 24.9384, "Europe/Helsinki"),
    Place(21.3069, -157.8583, "Pacific/Honolulu"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the phones do, the same for the same plan. `duplicates` is the share of what they send
    that repeats a timestamp: from 0, below 1."""

    run: str
    users: int = 50
    minutes: int = 60
    interval_seconds: float = 10.0
    duplicates: float = 0.2
    seed: int = 1
    start: datetime = START


@dataclass(frozen=True, slots=True)
class Reading:
    """The numbers of a fix as they are sent: degrees (EPSG:4326), metres, metres a second."""

    lat: str
    long: str
    accuracy: str
    speed: str


@dataclass(frozen=True, slots=True)
class PhoneFix:
    """`at` is when it was taken, in UTC; `shown` is what its timestamp says, by which repeats are
    known: naive local time, or an instant where it has an offset."""

    at: datetime
    shown: datetime
    timestamp: str
    reading: Reading


@dataclass(frozen=True, slots=True)
class Average:
    """Of the fixes of a minute: degrees (EPSG:4326), metres, metres a second."""

    count: Fraction
    lat: Fraction
    long: Fraction
    accuracy: Fraction
    speed: Fraction


Minutes = Mapping[datetime, Sequence[Average]]


@dataclass(frozen=True, slots=True)
class Phone:
    """A user, the fixes in the order of their sending, and what must come of them: a status for
    each, and an average for each minute of UTC."""

    user_id: str
    fixes: Sequence[PhoneFix]
    statuses: Sequence[str]
    minutes: Minutes


def make_phone(plan: Plan, number: int) -> Phone:
    fixes = tuple(make_fixes(plan, number))
    return Phone(f"sim-{plan.run}-{number:03d}", fixes, *foresee(fixes))


def make_fixes(plan: Plan, number: int) -> Iterator[PhoneFix]:
    """Sorted by time, but for repeats, which come any time after what they repeat."""
    # Only .random() is promised to give the same numbers in every version of Python.
    draw = random.Random(f"{plan.seed}/{number}").random  # noqa: S311 - made-up data, not secrets
    route = make_route(draw, PLACES[number % len(PLACES)])
    taken: list[PhoneFix] = []
    for at in make_instants(draw, plan):
        taken.append(make_fix(draw, route, at))
        yield taken[-1]
        while draw() < plan.duplicates:
            yield repeat_fix(draw, choose(draw, taken))


def choose(draw: Draw, things: Sequence[T]) -> T:
    return things[int(draw() * len(things))]


def make_instants(draw: Draw, plan: Plan) -> Iterator[datetime]:
    """Each later than the one before: to the millisecond, and some to the second."""
    end = plan.start + timedelta(minutes=plan.minutes)
    last = plan.start - timedelta.resolution
    at = plan.start + timedelta(milliseconds=int(1000 * draw()))
    while at < end:
        whole = at.replace(microsecond=0)
        last = whole if draw() < 0.2 and whole > last else at
        yield last
        pause = plan.interval_seconds * (0.7 + 0.6 * draw())
        at += timedelta(milliseconds=max(1, round(1000 * pause)))


@dataclass(frozen=True, slots=True)
class Route:
    """Round the place, from `phase` (in laps) on; `digits` is to how many degrees are told."""

    place: Place
    phase: float
    digits: int


def make_route(draw: Draw, place: Place) -> Route:
    return Route(place, phase=draw(), digits=5 + int(draw() * 11))


def make_fix(draw: Draw, route: Route, at: datetime) -> PhoneFix:
    reading = make_reading(draw, route, at)
    long = float(reading.long)
    there = at.astimezone(ZoneInfo(find_zone(route.place, long)))
    offset = there.utcoffset() or timedelta()
    # At ±180° itself two zones meet, and a time that occurs twice may mean either.
    needs_offset = abs(long) == 180 or occurs_twice(there)
    # Of a fixed offset, since instants in ZoneInfo's zones are not always the same as in others.
    shown = at.astimezone(timezone(offset))
    if not needs_offset and draw() >= WITH_OFFSET:
        shown = shown.replace(tzinfo=None)
    return PhoneFix(at, shown, spell_timestamp(draw, shown), reading)


def repeat_fix(draw: Draw, fix: PhoneFix) -> PhoneFix:
    """The same timestamp, be it spelled in another way, with the numbers of any place."""
    reading = make_reading(draw, make_route(draw, choose(draw, PLACES)), fix.at)
    return replace(fix, timestamp=spell_timestamp(draw, fix.shown), reading=reading)


def make_reading(draw: Draw, route: Route, at: datetime) -> Reading:
    angle = 2 * math.pi * (at.timestamp() / LAP_SECONDS + route.phase)
    lat = route.place.lat + RADIUS * math.sin(angle) + NOISE * draw()
    long = route.place.long + RADIUS * math.cos(angle) + NOISE * draw()
    return Reading(
        lat=repr(round(lat, route.digits)),
        long=repr(round(long - 360 if long > 180 else long, route.digits)),
        accuracy=repr(round(3 + 60 * draw() * draw(), 3)),
        speed=repr(round(max(0.0, 14 * draw() - 2), 2)),
    )


def find_zone(place: Place, long: float) -> str:
    is_beyond = long * place.long < 0
    return place.zone_beyond or place.zone if is_beyond else place.zone


def occurs_twice(there: datetime) -> bool:
    return there.replace(fold=0).utcoffset() != there.replace(fold=1).utcoffset()


def spell_timestamp(draw: Draw, shown: datetime) -> str:
    """One of the ways to write it: `T` or space, with a fraction or without, `Z` or offset."""
    if shown.tzinfo is not None and draw() < 0.4:
        shown = shown.astimezone(UTC)
    text = shown.isoformat("T" if draw() < 0.5 else " ", choose_precision(draw, shown))
    return text.replace("+00:00", "Z")


def choose_precision(draw: Draw, shown: datetime) -> str:
    if shown.microsecond == 0 and draw() < 0.7:
        return "seconds"
    return "milliseconds" if shown.microsecond % 1000 == 0 and draw() < 0.9 else "microseconds"


# What must come of it


def foresee(fixes: Iterable[PhoneFix]) -> tuple[Sequence[str], Minutes]:
    """The status of each fix, and the average of each minute: the first of a timestamp counts."""
    seen: set[datetime] = set()
    statuses: list[str] = []
    readings: dict[datetime, list[Reading]] = defaultdict(list)
    for fix in fixes:
        is_new = fix.shown not in seen
        statuses.append("stored" if is_new else "duplicate")
        if is_new:
            seen.add(fix.shown)
            readings[fix.at.replace(second=0, microsecond=0)].append(fix.reading)
    return statuses, {minute: [average(some)] for minute, some in readings.items()}


def average(readings: Sequence[Reading]) -> Average:
    """Longitudes as differences from the first one, the short way round."""
    first = Fraction(readings[0].long)
    return Average(
        count=Fraction(len(readings)),
        lat=mean(Fraction(reading.lat) for reading in readings),
        long=first + mean(shorten(Fraction(reading.long) - first) for reading in readings),
        accuracy=mean(Fraction(reading.accuracy) for reading in readings),
        speed=mean(Fraction(reading.speed) for reading in readings),
    )


def mean(values: Iterable[Fraction]) -> Fraction:
    known = list(values)
    return sum(known, Fraction()) / len(known)


def shorten(degrees: Fraction) -> Fraction:
    """The same difference of longitudes, from -180 to below 180."""
    return (degrees + 180) % 360 - 180
