"""A fleet of made-up phones that sends fixes to a server, and knows what must come of them.

What must come of them is reckoned in exact fractions from the instants and the texts that were
made up, by nothing that the server reckons with.
"""

import json
import math
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields, replace
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

import urllib3

START = datetime(2024, 7, 1, 8, 0, tzinfo=UTC)
RADIUS = 0.01  # degrees
LAP_SECONDS = 600
NOISE = 0.0001  # degrees
WITH_OFFSET = 0.15  # share of the fixes
TOLERANCE = Fraction(1, 10**9)
TIMEOUT_SECONDS = 60
PAGE_SIZE = 1_000

Draw = Callable[[], float]
T = TypeVar("T")


class SimulationFailed(Exception):
    """Nothing can be told of the averages: the server is not there, or lets nobody in."""


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


@dataclass(frozen=True, slots=True)
class Server:
    """`url` has no slash at its end; `token` is sent where there is one."""

    url: str
    token: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """`moment` is the timestamp of a fix, or a minute of UTC."""

    user_id: str
    moment: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.user_id}, {self.moment}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, slots=True)
class Sending:
    """What a phone was answered, and how long each answer took."""

    statuses: Sequence[str]
    seconds: Sequence[float]


@dataclass(frozen=True, slots=True)
class Outcome:
    sent: int
    stored: int
    duplicates: int
    per_second: float
    p50_ms: float
    p99_ms: float
    minutes: int
    differences: Sequence[Difference]


def simulate(plan: Plan, server: Server) -> Outcome:
    """Sends all, reads back what was stored and compares it. Raises SimulationFailed."""
    phones = [make_phone(plan, number) for number in range(plan.users)]
    # Whoever may not read is told so before anything is sent.
    read_minutes(server, phones[0].user_id)
    started = time.perf_counter()
    sendings = do_for_all(phones, lambda phone, stop: send_fixes(server, phone, stop))
    seconds = time.perf_counter() - started
    found = do_for_all(phones, lambda phone, _: read_minutes(server, phone.user_id))
    differences = [
        *(wrong for pair in zip(phones, sendings, strict=True) for wrong in judge_answers(*pair)),
        *(wrong for pair in zip(phones, found, strict=True) for wrong in judge_minutes(*pair)),
    ]
    statuses = Counter(status for sending in sendings for status in sending.statuses)
    latencies = sorted(latency for sending in sendings for latency in sending.seconds)
    return Outcome(
        sent=len(latencies),
        stored=statuses["stored"],
        duplicates=statuses["duplicate"],
        per_second=len(latencies) / seconds,
        p50_ms=pick(latencies, 0.5) * 1000,
        p99_ms=pick(latencies, 0.99) * 1000,
        minutes=sum(len(phone.minutes) for phone in phones),
        differences=differences,
    )


def pick(ordered: Sequence[float], share: float) -> float:
    """The least value that so large a share of the values does not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def do_for_all(phones: Sequence[Phone], work: Callable[[Phone, threading.Event], T]) -> Sequence[T]:
    """All at once. Where one fails, or the user has enough, the others are asked to stop."""
    stop = threading.Event()
    with ThreadPoolExecutor(len(phones)) as pool:
        try:
            return list(pool.map(lambda phone: work(phone, stop), phones))
        finally:
            stop.set()


# What phones send


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


def judge_answers(phone: Phone, sending: Sending) -> Iterator[Difference]:
    answers = zip(phone.fixes, phone.statuses, sending.statuses, strict=True)
    for fix, expected, found in answers:
        if found != expected:
            yield Difference(phone.user_id, fix.timestamp, expected, found)


def judge_minutes(phone: Phone, found: Minutes) -> Iterator[Difference]:
    """No minute more and none less, and every number as it must be."""
    for minute in sorted(phone.minutes.keys() | found.keys(), key=str):
        for expected, actual in compare(phone.minutes.get(minute, ()), found.get(minute, ())):
            yield Difference(phone.user_id, f"{minute:%Y-%m-%dT%H:%MZ}", expected, actual)


def compare(expected: Sequence[Average], found: Sequence[Average]) -> Iterator[tuple[str, str]]:
    if len(expected) != len(found):
        yield f"averages: {len(expected)}", str(len(found))
        return
    for right, actual in zip(expected, found, strict=True):
        for field, one, other in zip(fields(Average), astuple(right), astuple(actual), strict=True):
            if not is_near(field.name, one, other):
                yield f"{field.name} {float(one)!r}", repr(float(other))


def is_near(name: str, expected: Fraction, found: Fraction) -> bool:
    """Degrees to 1e-9, longitudes up to whole turns; all else to 1e-9 of what it must be."""
    if name == "long":
        return abs(shorten(found - expected)) <= TOLERANCE
    return abs(found - expected) <= TOLERANCE * (1 if name == "lat" else abs(expected))


# The server


def send_fixes(server: Server, phone: Phone, stop: threading.Event) -> Sending:
    """One after the other over one connection. Raises SimulationFailed."""
    statuses: list[str] = []
    seconds: list[float] = []
    with connect(server) as pool:
        for fix in phone.fixes:
            if stop.is_set():
                break
            body = write_body(phone.user_id, fix)
            started = time.perf_counter()
            code, answer = ask(pool, "PUT", f"{urlsplit(server.url).path}/location", body)
            seconds.append(time.perf_counter() - started)
            statuses.append(read_status(code, answer))
    return Sending(statuses, seconds)


def write_body(user_id: str, fix: PhoneFix) -> bytes:
    """Written by hand, so that the numbers are sent as they stand."""
    return (
        f'{{"timestamp": {json.dumps(fix.timestamp)}, "lat": {fix.reading.lat},'
        f' "long": {fix.reading.long}, "accuracy": {fix.reading.accuracy},'
        f' "speed": {fix.reading.speed}, "user_id": {json.dumps(user_id)}}}'
    ).encode()


def read_status(code: int, answer: bytes) -> str:
    """The status in an answer of the right form, else the answer itself."""
    text = answer.decode(errors="replace")
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if code == 200 and isinstance(value, dict) and value.keys() == {"status"}:
        return str(value["status"])
    return f"{code} {text[:200]}"


def read_minutes(server: Server, user_id: str) -> Minutes:
    """The averages that the API has of this user, page by page. Raises SimulationFailed."""
    query = urlencode({"user_id": user_id, "page_size": PAGE_SIZE})
    address = f"{urlsplit(server.url).path}/api/v1/locations/?{query}"
    found: dict[datetime, list[Average]] = defaultdict(list)
    with connect(server) as pool:
        while address:
            code, answer = ask(pool, "GET", address)
            try:
                page = json.loads(answer, parse_float=Fraction, parse_int=Fraction)
                for feature in page["features"]:
                    minute = datetime.fromisoformat(feature["properties"]["minute"])
                    found[minute].append(read_average(feature))
                address = follow(page["next"])
            except (ValueError, TypeError, KeyError) as error:
                text = answer[:200].decode(errors="replace")
                msg = f"{server.url} has no averages at {address}: {code} {text}"
                raise SimulationFailed(msg) from error
    return found


def read_average(feature: Any) -> Average:
    """Of a GeoJSON feature. Raises KeyError, TypeError or ValueError where it is none."""
    properties = feature["properties"]
    long, lat = feature["geometry"]["coordinates"]
    numbers = (properties["count"], lat, long, properties["accuracy"], properties["speed"])
    return Average(*map(Fraction, numbers))


def follow(link: str | None) -> str:
    """Path and query alone: behind a proxy the server may know itself by another name."""
    parts = urlsplit(link or "")
    return f"{parts.path}?{parts.query}" if link else ""


def connect(server: Server) -> urllib3.HTTPConnectionPool:
    """One connection that is kept; nothing is sent twice, since it would be a duplicate then."""
    headers = {"Content-Type": "application/json"}
    if server.token:
        headers["Authorization"] = f"Bearer {server.token}"
    return urllib3.connection_from_url(
        server.url, maxsize=1, retries=False, timeout=TIMEOUT_SECONDS, headers=headers
    )


def ask(
    pool: urllib3.HTTPConnectionPool, method: str, address: str, body: bytes | None = None
) -> tuple[int, bytes]:
    """Status and body of the answer. Raises SimulationFailed where there is none, or no access."""
    asked = f"{method} {pool.scheme}://{pool.host}:{pool.port}{urlsplit(address).path}"
    try:
        response = pool.request(method, address, body=body)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise SimulationFailed(f"{asked} is not answered: {error}") from error
    if response.status in (401, 403):
        msg = f"{asked} is refused with {response.status}: a token is needed that allows it"
        raise SimulationFailed(msg)
    return response.status, response.data
