"""PostgreSQL crashes and recovers during imports: each row is there exactly once."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from campaigns import Notes
from django.db import connections
from pytest_django import DjangoDbBlocker

from config.variables import read_database
from imports.choices import ENDED
from tests.faults.numbered import check_exact, write_numbered
from tests.faults.own_stores import Cluster, RedisServer, migrate, run_cluster
from tests.faults.processes import Crew
from tests.faults.sizes import make_random, read_sizes
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
    chunk_bytes = len(write_numbered(read_sizes("restarts").rows)) // CHUNKS
    crew = Crew(tmp_path, alias=ALIAS, redis_url=redis.home.redis_url, chunk_bytes=chunk_bytes)
    try:
        yield crew
    finally:
        crew.end()


def test_crash_of_the_database_loses_nothing(
    crew: Crew, cluster: Cluster, sources: Sources, notes: Notes
) -> None:
    sizes = read_sizes("restarts")
    page = Page(write_numbered(sizes.rows), etag='"numbered"')
    slow = drip(int(page.stream.size / SLOW_SECONDS))
    chance, seed = make_random()
    crew.start_worker()
    crew.start_sweeper()
    notes.remarks += [f"seed {seed}", f"{sizes.rows:,} rows"]

    while notes.count < sizes.rounds:
        record = crew.queue(sources.serve(f"/{notes.count}.csv", page, slow))
        crew.wait_for_token(record, 0)
        while notes.count < sizes.rounds and crew.read(record).status not in ENDED:
            time.sleep(chance.uniform(0, SLOW_SECONDS))
            began = time.monotonic()
            cluster.restart()
            notes.measure("s that PostgreSQL was away", [time.monotonic() - began])
            notes.count += 1
        check_exact(crew.wait_for_end(record), sizes.rows, page.stream.size, notes)
