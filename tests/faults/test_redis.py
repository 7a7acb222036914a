"""Redis only carries: with it gone, hanging or empty every import finishes all the same."""

import signal
import time
from collections.abc import Callable
from functools import partial

import pytest
from campaigns import Notes
from django.conf import settings
from redis import Redis

from config.variables import read_redis
from imports.choices import Status
from imports.jobs import create_import, kick_import
from imports.models import Import
from tests.faults.conftest import MakeCrew
from tests.faults.numbered import check_exact, write_numbered
from tests.faults.own_stores import RedisServer
from tests.faults.processes import Crew
from tests.faults.sizes import read_sizes
from tests.faults.sources import Page, Sources, drip

PATH = "/trips.csv"
CHUNKS = 20
SLOW_SECONDS = 1.5
LONGEST_KICK_SECONDS = 2.0


def flush(server: RedisServer) -> None:
    Redis(unix_socket_path=str(server.socket)).flushall()


HARMS: dict[str, Callable[[RedisServer], None]] = {
    "killed": RedisServer.kill,
    "stopped": partial(RedisServer.send_signal, number=signal.SIGSTOP),
    "flushed": flush,
}
# What happens, and whether an owner works already.
CASES = [
    ("killed", False),
    ("stopped", True),
    ("flushed", True),
    ("stopped", False),
    ("killed", True),
    ("flushed", False),
]


def bring_back(server: RedisServer) -> None:
    server.send_signal(signal.SIGCONT)
    if server.process.poll() is not None:
        server.start()


def run_import(crew: Crew, server: RedisServer, url: str, case: tuple[str, bool]) -> Import:
    harm, is_at_work = case
    if not is_at_work:
        HARMS[harm](server)
    record = crew.queue(url)
    if is_at_work:
        crew.wait_for(record.chunks.exists)
        HARMS[harm](server)
    elif harm == "flushed":
        crew.wait_for(lambda: crew.read(record).kicked_at is not None)
        flush(server)
    crew.wait_for(lambda: crew.read(record).kicked_at is not None or not is_waiting(crew, record))
    crew.lose_patience(record)
    return crew.wait_for_end(record)


def is_waiting(crew: Crew, record: Import) -> bool:
    return crew.read(record).status == Status.QUEUED


def test_import_finishes_whatever_becomes_of_redis(
    make_crew: MakeCrew, sources: Sources, redis: RedisServer, notes: Notes
) -> None:
    sizes = read_sizes("redis")
    page = Page(write_numbered(sizes.rows), etag='"numbered"')
    url = sources.serve(PATH, page, drip(int(page.stream.size / SLOW_SECONDS)))
    crew = make_crew(chunk_bytes=page.stream.size // CHUNKS)
    crew.start_worker()
    crew.start_sweeper()
    notes.remarks += [f"{sizes.rows:,} rows"]

    for number in range(sizes.rounds):
        harm, is_at_work = CASES[number % len(CASES)]
        began = time.monotonic()
        record = run_import(crew, redis, url, (harm, is_at_work))
        seconds = time.monotonic() - began
        notes.count += 1
        notes.counts[f"{harm} while {'it runs' if is_at_work else 'it waits'}"] += 1
        notes.measure(f"s of an import, of {SLOW_SECONDS} at least", [seconds])
        check_exact(record, sizes.rows, page.stream.size, notes)
        bring_back(redis)
        crew.delete(record)


@pytest.mark.parametrize("harm", ["stopped", "killed"])
def test_kick_is_soon_over_without_redis(
    transactional_db: None,
    redis: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    notes: Notes,
    harm: str,
) -> None:
    monkeypatch.setenv("REDIS_URL", redis.home.redis_url)
    monkeypatch.setitem(settings.RQ_QUEUES["imports"], "URL", read_redis("REDIS_URL"))
    HARMS[harm](redis)

    began = time.monotonic()
    record = create_import("trips", "https://data.example/trips.csv")
    kick_import(record.pk)
    took = time.monotonic() - began

    notes.count += 1
    notes.counts[f"{harm} before a kick"] += 1
    notes.measure("s of a kick without Redis", [took])
    assert took < LONGEST_KICK_SECONDS
    assert record.status == Status.QUEUED
