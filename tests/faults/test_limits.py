"""Limits of a real server with two processes, whose Redis is killed and comes back."""

import http.client
import json
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from campaigns import Notes
from django.contrib.auth.models import User

from config.api.limits import PAUSE_SECONDS
from tests.faults.conftest import MakeCrew
from tests.faults.own_stores import RedisServer
from tests.faults.processes import Crew
from tests.locations.test_fixes import write

PASSWORD = "correct horse battery"  # noqa: S105 (of the tests)


@pytest.fixture
def crew(make_crew: MakeCrew, time_limit: None) -> Crew:
    crew = make_crew()
    crew.environment |= {"RATE_LIMITS": "ingest=100/minute"}
    return crew


def send(port: int, method: str, path: str, body: bytes, forged: str = "") -> int:
    """The status of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": "application/json"}
    if forged:
        headers["X-Forwarded-For"] = forged
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def send_fix(port: int, number: int) -> int:
    body = write(user_id=f"phone-{number}")
    return send(port, "PUT", "/location", body, forged=f"203.0.113.{number}")


def sign_in(port: int) -> int:
    body = json.dumps({"username": "ada", "password": PASSWORD}).encode()
    return send(port, "POST", "/api/v1/auth/token/", body)


def send_many(port: int, numbers: range) -> Counter[int]:
    with ThreadPoolExecutor(16) as pool:
        return Counter(pool.map(partial(send_fix, port), numbers))


def note_answers(notes: Notes, while_redis: str, statuses: Counter[int]) -> None:
    notes.count += statuses.total()
    for status, count in statuses.items():
        notes.counts[f"{status} while Redis {while_redis}"] += count


def test_of_two_hundred_at_once_one_hundred_pass(crew: Crew, notes: Notes) -> None:
    port = crew.start_web()

    statuses = send_many(port, range(200))

    note_answers(notes, "works", statuses)
    assert statuses == {200: 100, 429: 100}


def test_ingest_is_open_and_login_closed_while_redis_is_gone(
    crew: Crew, redis: RedisServer, notes: Notes
) -> None:
    User.objects.create_user("ada", password=PASSWORD)
    port = crew.start_web()
    before = (sign_in(port), send_fix(port, 0))

    redis.kill()
    without = (sign_in(port), send_fix(port, 1))
    redis.start()
    crew.wait_for(lambda: sign_in(port) == 200, seconds=6 * PAUSE_SECONDS)

    note_answers(notes, "is gone", Counter(without))
    assert before == (200, 200)
    assert without == (503, 200)
    # Each of the processes may wait out its pause once more before it counts with the other.
    crew.wait_for(lambda: send_many(port, range(40))[429] == 40, seconds=6 * PAUSE_SECONDS)


def test_redis_that_hangs_holds_up_one_request_not_each(
    crew: Crew, redis: RedisServer, notes: Notes
) -> None:
    port = crew.start_web()
    send_fix(port, 0)

    redis.send_signal(signal.SIGSTOP)
    try:
        statuses = send_many(port, range(1, 41))
    finally:
        redis.send_signal(signal.SIGCONT)

    note_answers(notes, "hangs", statuses)
    assert statuses == {200: 40}
