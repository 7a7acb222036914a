"""A load at a steady rate, in a process of its own: `pacing.py PLAN`, a file of JSON.

Each request has its moment, and is sent at once where that has passed already. Its time counts from
that moment: an answer that takes long counts for all requests that it held up.
"""

from __future__ import annotations

import http.client
import itertools
import json
import math
import random
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock, Thread
from typing import Any

TIMEOUT_SECONDS = 60
# After its end what could not be sent yet is left out.
LATE_SECONDS = 30
MOST_TOLD = 20  # of the answers that nobody wanted

FIXES, WHOLE, BROKEN = "fixes", "payloads", "payloads to be rejected"

PHONES = 100
FIRST_FIX = datetime(2024, 7, 1)
POINTS, LISTS = 100, 8
FIRST_PAYLOAD = datetime(2019, 5, 1, 10, tzinfo=UTC)
BROKEN_EVERY = 100


@dataclass(frozen=True)
class Request:
    kind: str
    method: str
    path: str
    wanted: int  # status
    body: bytes | None = None


@dataclass(frozen=True)
class Plan:
    """What is sent: to a door, or to `paths` in turn, each with its kind."""

    door: str
    port: int
    rate: float
    seconds: float
    connections: int
    paths: tuple[tuple[str, str], ...] = ()

    @property
    def count(self) -> int:
        """All requests that have their moment before the end."""
        return math.ceil(self.rate * self.seconds)


@dataclass
class Tally:
    """What became of the requests of one kind."""

    sent: int = 0
    acknowledged: int = 0
    failed: int = 0  # without an answer
    others: Counter[int] = field(default_factory=Counter)  # answers by their status
    times: array[float] = field(default_factory=lambda: array("f"))

    def note(self, wanted: int, status: int, seconds: float) -> None:
        """A status of 0 is no answer."""
        self.sent += 1
        self.times.append(seconds)
        if status == wanted:
            self.acknowledged += 1
        elif status:
            self.others[status] += 1
        else:
            self.failed += 1


@dataclass(frozen=True)
class Told:
    """What a load tells of one kind of requests."""

    sent: int
    acknowledged: int
    failed: int
    others: Mapping[str, int]
    p50_ms: float
    p99_ms: float


# What is sent


def choose_requests(plan: Plan) -> Callable[[int], Request]:
    """What makes the request of a number."""
    if plan.door == "fixes":
        return make_fix
    if plan.door == "payloads":
        lists = make_lists()
        return lambda number: make_payload(lists, number)
    return lambda number: Request(*read_path(plan.paths, number), wanted=200)


def make_fix(number: int) -> Request:
    """All of them new: a hundred phones in turn, each with ten fixes a second of its time."""
    tenths, phone = divmod(number, PHONES)
    body = {
        "timestamp": str(FIRST_FIX + timedelta(milliseconds=100 * tenths)),
        "lat": round(52.5 + phone * 0.01 + tenths * 1e-6, 6),
        "long": round(13.4 + tenths * 1e-6, 6),
        "accuracy": 12.5,
        "speed": 1.25,
        "user_id": f"soak-{phone}",
    }
    return Request(FIXES, "PUT", "/location", 200, json.dumps(body).encode())


def make_lists() -> list[str]:
    numbers = random.Random(1)  # noqa: S311 (numbers of measurements)
    points = ([0.2 + 3.4 * numbers.random() for _ in range(POINTS)] for _ in range(LISTS))
    return [json.dumps(found) for found in points]


def make_payload(lists: Sequence[str], number: int) -> Request:
    """An instant for each; every hundredth is without numbers, which rejects it."""
    instant = FIRST_PAYLOAD + timedelta(seconds=number)
    is_broken = number % BROKEN_EVERY == BROKEN_EVERY - 1
    data = "[]" if is_broken else lists[number % len(lists)]
    body = f'{{"time_stamp":"{instant.isoformat()}","data":{data}}}'
    return Request(BROKEN if is_broken else WHOLE, "POST", "/dropzone", 202, body.encode())


def read_path(paths: Sequence[tuple[str, str]], number: int) -> tuple[str, str, str]:
    kind, path = paths[number % len(paths)]
    return kind, "GET", path


# Sending


class Load:
    """Threads that take the requests in turn, each with a connection of its own."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.make_request = choose_requests(plan)
        self.numbers = itertools.count()
        self.lock = Lock()
        self.tallies: dict[str, Tally] = {}
        self.told = 0
        self.began = time.monotonic()

    def run(self) -> dict[str, Tally]:
        threads = [Thread(target=self._work) for _ in range(self.plan.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.tallies

    def _work(self) -> None:
        address = ("127.0.0.1", self.plan.port)
        connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_SECONDS)
        for number, due_at in self._take_moments():
            request = self.make_request(number)
            time.sleep(max(0.0, due_at - time.monotonic()))
            status, fault = send(connection, request)
            seconds = time.monotonic() - due_at
            with self.lock:
                tally = self.tallies.setdefault(request.kind, Tally())
                tally.note(request.wanted, status, seconds)
                self._tell(request, status, fault)
        connection.close()

    def _take_moments(self) -> Iterator[tuple[int, float]]:
        end = self.began + self.plan.seconds + LATE_SECONDS
        while time.monotonic() < end:
            with self.lock:
                number = next(self.numbers)
            if number >= self.plan.count:
                return
            yield number, self.began + number / self.plan.rate

    def _tell(self, request: Request, status: int, fault: str) -> None:
        if status == request.wanted or self.told >= MOST_TOLD:
            return
        self.told += 1
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        print(f"{moment} {request.method} {request.path}: {status} {fault}", flush=True)


def send(connection: http.client.HTTPConnection, request: Request) -> tuple[int, str]:
    """The status, and the beginning of the answer; 0 and the reason where there is none."""
    headers = {} if request.body is None else {"Content-Type": "application/json"}
    try:
        connection.request(request.method, request.path, request.body, headers)
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()  # the next request opens another one
        return 0, repr(error)
    return response.status, answer[:500].decode(errors="replace")


# Telling


def tell(tally: Tally) -> Told:
    times = sorted(tally.times)
    return Told(
        sent=tally.sent,
        acknowledged=tally.acknowledged,
        failed=tally.failed,
        others={str(status): count for status, count in tally.others.items()},
        p50_ms=find_share(times, 0.5) * 1e3,
        p99_ms=find_share(times, 0.99) * 1e3,
    )


def find_share(times: Sequence[float], share: float) -> float:
    """What that share of them is not above."""
    return times[min(len(times) - 1, int(share * len(times)))]


def name_result(file: Path) -> Path:
    return file.with_suffix(".told.json")


def write_plan(file: Path, plan: Plan) -> None:
    name_result(file).unlink(missing_ok=True)
    file.write_text(json.dumps(asdict(plan)))


def read_plan(file: Path) -> Plan:
    values: dict[str, Any] = json.loads(file.read_text())
    return Plan(**values | {"paths": tuple((kind, path) for kind, path in values["paths"])})


def read_result(file: Path) -> dict[str, Told]:
    found = json.loads(name_result(file).read_text())
    return {kind: Told(**values) for kind, values in found.items()}


def main(file: Path) -> None:
    tallies = Load(read_plan(file)).run()
    told = {kind: asdict(tell(tally)) for kind, tally in sorted(tallies.items())}
    name_result(file).write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
