"""A fleet of made-up phones that sends fixes to a server, and compares what the server makes of
them with what must come of them."""

import json
import math
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from fractions import Fraction
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import urllib3

from locations.phones import Average, Minutes, Phone, PhoneFix, Plan, make_phone, shorten

TOLERANCE = Fraction(1, 10**9)
TIMEOUT_SECONDS = 60
PAGE_SIZE = 1_000

T = TypeVar("T")


class SimulationFailed(Exception):
    """Nothing can be told of the averages: the server is not there, or lets nobody in."""


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


# What differs


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
