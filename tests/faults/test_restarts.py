"""PostgreSQL crashes and recovers during imports: each row is there exactly once.

The long campaign: `FAULT_ROUNDS=10 FAULT_ROWS=100000 pytest tests/faults/test_restarts.py -s`.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from config.variables import read_database
from imports.choices import ENDED
from tests.faults.numbered import check_exact, write_numbered
from tests.faults.own_stores import Cluster, RedisServer, migrate, run_cluster
from tests.faults.processes import Crew, describe, make_random, read_rounds, read_rows
from tests.faults.sources import Page, Sources, drip

ALIAS = "restarted"
CHUNKS = 50
SLOW_SECONDS = 4.0


@pytest.fixture
def cluster(
    tmp_path: Path, django_db_blocker: DjangoDbBlocker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    """Behind a database alias of its own."""
    with run_cluster(tmp_path / "postgres.log") as cluster, django_db_blocker.unblock():
        migrate(cluster.home)
        monkeypatch.setenv("URL_OF_TESTS", cluster.home.database_url)
        database = {**connections.settings["default"], **read_database("URL_OF_TESTS")}
        monkeypatch.setitem(connections.settings, ALIAS, database)
        try:
            yield cluster
        finally:
            connections[ALIAS].close()
            del connections[ALIAS]


@pytest.fixture
def crew(cluster: Cluster, redis: RedisServer, tmp_path: Path) -> Iterator[Crew]:
    chunk_bytes = len(write_numbered(read_rows(20_000))) // CHUNKS
    crew = Crew(tmp_path, alias=ALIAS, redis_url=redis.home.redis_url, chunk_bytes=chunk_bytes)
    try:
        yield crew
    finally:
        crew.end()


def test_crash_of_the_database_loses_nothing(
    crew: Crew, cluster: Cluster, sources: Sources
) -> None:
    rounds, rows = read_rounds(1), read_rows(20_000)
    page = Page(write_numbered(rows), etag='"numbered"')
    slow = drip(int(page.stream.size / SLOW_SECONDS))
    chance, seed = make_random()
    crew.start_worker()
    crew.start_sweeper()
    restarts, pauses = 0, []

    while restarts < rounds:
        record = crew.queue(sources.serve(f"/{restarts}.csv", page, slow))
        crew.wait_for_token(record, 0)
        while restarts < rounds and crew.read(record).status not in ENDED:
            time.sleep(chance.uniform(0, SLOW_SECONDS))
            began = time.monotonic()
            cluster.restart()
            pauses.append(time.monotonic() - began)
            restarts += 1
        check_exact(crew.wait_for_end(record), rows, page.stream.size)

    print(f"\nrestarts: {rounds}, of s: {describe(pauses)}; imports of {rows} rows; seed {seed}")
