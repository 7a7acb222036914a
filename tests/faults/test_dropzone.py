"""Whatever is killed while payloads come in: what was acknowledged is kept, and processed."""

import http.client
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random

import pytest
from campaigns import Notes
from running import answers_health
from supervisor import read_parents

from dropzone.choices import State
from dropzone.models import Lineage, Measurement, Payload, RawBody
from dropzone.partitions import make_next_partitions
from tests.faults.conftest import MakeCrew
from tests.faults.own_stores import RedisServer
from tests.faults.processes import Crew, is_alive, send_signal
from tests.faults.sizes import make_random, read_sizes

CLIENTS = 16
START = datetime(2024, 7, 1, tzinfo=UTC)
POINTS = read_sizes("payloads").points
SECONDS = max(240.0, 0.16 * POINTS)  # for all payloads of a client
LONGEST_ANSWER_SECONDS = 3.0  # on a busy machine; a hanging Redis would take 30

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True)
class Answer:
    """Of one request: the id, where it was acknowledged, and how long it took."""

    number: int
    payload_id: int
    seconds: float


def write_body(number: int) -> bytes:
    at = START + timedelta(milliseconds=number)
    return json.dumps({"time_stamp": at.isoformat(), "data": [number, 1, 2]}).encode()


def post_all(port: int, numbers: Sequence[int]) -> list[Answer]:
    """One after the other; what is not answered is sent again, as anybody would."""
    answers: list[Answer] = []
    end = time.monotonic() + SECONDS
    for number in numbers:
        while (answer := post(port, number)) is None:
            assert time.monotonic() < end, "the server does not come back"
            time.sleep(0.05)
        answers.append(answer)
    return answers


def post(port: int, number: int) -> Answer | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    began = time.monotonic()
    try:
        connection.request("POST", "/dropzone", write_body(number))
        response = connection.getresponse()
        body = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    if response.status != 202:
        return None
    return Answer(number, body["id"], time.monotonic() - began)


def send_from_all(port: int) -> list[Answer]:
    with ThreadPoolExecutor(CLIENTS) as pool:
        shares = [range(number, POINTS, CLIENTS) for number in range(CLIENTS)]
        return [
            answer for found in pool.map(post_all, [port] * CLIENTS, shares) for answer in found
        ]


def check_all_processed(crew: Crew, answers: Sequence[Answer], notes: Notes) -> None:
    """Each that was acknowledged is there byte for byte, and its instant has its measurement."""
    assert {answer.number for answer in answers} == set(range(POINTS))
    seconds = max(120.0, 0.08 * POINTS)
    crew.wait_for(lambda: not Payload.objects.filter(state=State.RECEIVED).exists(), seconds)
    note_difference(notes, answers)
    rows = Payload.objects.in_bulk([answer.payload_id for answer in answers])
    for answer in answers:
        row = rows[answer.payload_id]
        assert bytes(row.sha256) == sha256(write_body(answer.number)).digest()
        assert row.state == State.PROCESSED
    bodies = dict(RawBody.objects.values_list("payload_id", "body"))
    assert all(bytes(bodies[a.payload_id]) == write_body(a.number) for a in answers)
    assert Measurement.objects.count() == POINTS
    assert Lineage.objects.count() == Payload.objects.count()
    last = dict(Lineage.objects.order_by("payload_id").values_list("timestamp", "payload_id"))
    assert dict(Measurement.objects.values_list("timestamp", "payload_id")) == last


def note_difference(notes: Notes, answers: Sequence[Answer]) -> None:
    """A payload that was not acknowledged may have been kept, and is sent again: that is none too
    many, as long as its instant has one measurement."""
    kept = set(Payload.objects.values_list("pk", flat=True))
    notes.count += len(answers)
    notes.rows += len(answers)
    notes.counts["kept without an answer, and sent again"] += len(kept) - len(answers)
    notes.lost += sum(answer.payload_id not in kept for answer in answers)
    notes.doubled += len(answers) - len({answer.payload_id for answer in answers})
    notes.doubled += max(0, Measurement.objects.count() - POINTS)


@contextmanager
def harming(harm: Callable[[], None], pause: Callable[[], float]) -> Iterator[list[int]]:
    """Does harm again and again until the block ends; yields how often it was."""
    is_over = threading.Event()
    counts = [0]

    def run() -> None:
        while not is_over.wait(pause()):
            harm()
            counts[0] += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield counts
    finally:
        is_over.set()
        thread.join()


def find_web_workers(crew: Crew) -> list[int]:
    assert crew.web is not None
    return [pid for pid, parent in read_parents().items() if parent == crew.web.pid]


def test_acknowledged_payloads_outlive_whatever_is_killed(
    make_crew: MakeCrew, redis: RedisServer, notes: Notes
) -> None:
    make_next_partitions()
    random, seed = make_random()
    crew = make_crew()
    port = crew.start_web()
    crew.start_worker("payloads")
    crew.start_sweeper()

    kills: Counter[str] = Counter()
    with harming(
        lambda: kills.update(kill_something(random, crew, redis, port)), random.random
    ) as counts:
        answers = send_from_all(port)
    redis_is_back(redis)

    assert counts[0]
    notes.remarks += [f"seed {seed}"]
    notes.counts.update(kills)
    check_all_processed(crew, answers, notes)


def kill_something(random: Random, crew: Crew, redis: RedisServer, port: int) -> list[str]:
    """Who was killed; of the web one that answers, or else it would never do so."""
    victim = random.choice(["web", "worker", "redis", "redis back"])
    if victim == "web":
        if not answers_health(port):
            return []
        for pid in find_web_workers(crew)[:1]:
            send_signal(pid, signal.SIGKILL)
    elif victim == "worker":
        send_signal(crew.workers["payloads"].pid, signal.SIGKILL)
        crew.revive()
    elif victim == "redis" and redis.process.poll() is None:
        redis.kill()
    else:
        redis_is_back(redis)
        return []
    return [f"kills of {victim}"]


def redis_is_back(redis: RedisServer) -> None:
    if redis.process.poll() is not None:
        redis.start()


def test_payloads_are_processed_with_redis_gone_for_good(
    make_crew: MakeCrew, redis: RedisServer, notes: Notes
) -> None:
    make_next_partitions()
    crew = make_crew()
    port = crew.start_web()
    crew.start_sweeper()
    redis.kill()

    answers = send_from_all(port)

    notes.counts["payloads with Redis gone for good"] += len(answers)
    check_all_processed(crew, answers, notes)


def test_redis_that_hangs_holds_up_nobody_for_long(
    make_crew: MakeCrew, redis: RedisServer, notes: Notes
) -> None:
    make_next_partitions()
    crew = make_crew()
    port = crew.start_web()
    redis.send_signal(signal.SIGSTOP)
    try:
        answers = send_from_all(port)
    finally:
        redis.send_signal(signal.SIGCONT)

    notes.counts["payloads while Redis hung"] += len(answers)
    notes.measure("s of a payload's request while Redis hung", [a.seconds for a in answers])
    assert max(answer.seconds for answer in answers) < LONGEST_ANSWER_SECONDS
    crew.start_worker("payloads")
    crew.start_sweeper()
    check_all_processed(crew, answers, notes)
    assert is_alive(redis.process.pid)
