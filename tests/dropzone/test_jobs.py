"""Draining as a job and as a command; kicks, and what happens without them."""

import time
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils.timezone import now
from redis.exceptions import ConnectionError as RedisGone

from dropzone import jobs
from dropzone.choices import State
from dropzone.draining import drain_batch
from dropzone.jobs import (
    KICK_PATIENCE,
    LINGER_SECONDS,
    LONGEST_SECONDS,
    PATIENCE,
    PAUSE_SECONDS,
    QUIET_SECONDS,
    drain,
    has_unanswered,
    kicker,
)
from dropzone.models import Measurement, Payload
from dropzone.partitions import list_days, make_next_partitions
from tests.dropzone.payloads import receive, write

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    make_next_partitions()
    kicker.queue.empty()  # type: ignore[no-untyped-call]
    monkeypatch.setattr(kicker, "quiet_until", 0.0)


def kick_again() -> None:
    """As another process would, that is not quiet."""
    kicker.quiet_until = 0.0
    kicker.kick()


def test_kicks_are_one_until_somebody_begins() -> None:
    for _ in range(5):
        kick_again()
    assert len(kicker.queue) == 1

    kicker.queue.empty()  # type: ignore[no-untyped-call] # as the worker does who begins
    kick_again()

    assert len(kicker.queue) == 1


@pytest.mark.parametrize("seconds", [0.0, 2 * LINGER_SECONDS])
def test_what_comes_in_quiet_is_seen_by_whoever_was_kicked(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """The last look begins when nobody is quiet any more, though the first found nothing, and
    however long it took."""
    kicker.kick()
    began = time.monotonic()
    looks: list[float] = []

    def look() -> int:
        looks.append(time.monotonic())
        time.sleep(seconds)
        return 0

    monkeypatch.setattr(jobs, "drain_batch", look)

    drain()

    assert looks[-1] >= began + QUIET_SECONDS


def test_job_is_what_the_worker_runs() -> None:
    receive(write(1))
    kicker.kick()

    [job] = kicker.queue.jobs
    assert job.perform() == 1
    assert Measurement.objects.count() == 1


def test_after_a_failure_nobody_kicks_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    class Gone:
        @property
        def count(self) -> int:
            calls.append(1)
            raise RedisGone

    monkeypatch.setattr(kicker, "queue", Gone())

    for _ in range(3):
        kicker.kick()

    assert len(calls) == 1
    assert kicker.quiet_until > time.monotonic() + PAUSE_SECONDS - 1


def test_what_comes_while_it_drains_is_drained(monkeypatch: pytest.MonkeyPatch) -> None:
    late = [write(n, when=f"2024-07-01T10:00:0{n}Z") for n in range(3)]

    def drain_and_receive() -> int:
        count = drain_batch()
        if count and late:
            receive(late.pop())
        return count

    monkeypatch.setattr(jobs, "drain_batch", drain_and_receive)
    receive(write(9, when="2024-07-01T10:00:09Z"))

    assert drain() == 4


def test_job_makes_room_for_the_next_though_there_is_always_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "LONGEST_SECONDS", 0.2)
    monkeypatch.setattr(jobs, "drain_batch", lambda: 1)

    assert drain() > 1
    assert len(kicker.queue) == 1
    assert LONGEST_SECONDS < 60  # after which a worker that is silent counts as dead


def test_payload_is_unanswered_after_a_while_and_not_while_it_is_put_off() -> None:
    payload = Payload.objects.filter(pk=receive(write(1)).pk)
    assert not has_unanswered(KICK_PATIENCE)

    payload.update(next_attempt_at=now() - timedelta(seconds=6))
    assert has_unanswered(KICK_PATIENCE)
    assert not has_unanswered(PATIENCE)

    payload.update(next_attempt_at=now() + timedelta(seconds=6))
    assert not has_unanswered(KICK_PATIENCE)


def test_command_drains() -> None:
    receive(write(1))
    output = StringIO()

    call_command("drain_payloads", stdout=output)

    assert output.getvalue() == "1 payloads processed\n"
    assert Payload.objects.get().state == State.PROCESSED


def test_command_drops_old_bytes() -> None:
    output = StringIO()

    call_command("drop_raw", "--days", "1", stdout=output)

    assert output.getvalue().startswith("the bytes of ")
    assert datetime.now(UTC).date() in list_days()


@pytest.mark.parametrize("days", ["0", "-1", "x", "1.5"])
def test_command_needs_a_number_of_days(days: str) -> None:
    with pytest.raises(CommandError, match="days"):
        call_command("drop_raw", f"--days={days}")
