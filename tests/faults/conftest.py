"""What the tests with real processes share."""

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from pytest_django import Settings

pytest.register_assert_rewrite("tests.faults.numbered")

from tests.faults.processes import Crew, RedisServer  # noqa: E402
from tests.faults.sources import Sources, run_sources  # noqa: E402

MakeCrew = Callable[..., Crew]


@pytest.fixture
def sources() -> Iterator[Sources]:
    with run_sources() as sources:
        yield sources


@pytest.fixture
def loopback(settings: Settings) -> None:
    """This process may fetch from servers on loopback."""
    settings.IMPORT_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    try:
        yield server
    finally:
        server.end()


@pytest.fixture
def make_crew(transactional_db: None, redis: RedisServer, tmp_path: Path) -> Iterator[MakeCrew]:
    """Makes the workers and the sweeper of a test; they end with it."""
    crews: list[Crew] = []

    def make(**trial: object) -> Crew:
        crew = Crew(tmp_path, alias="default", redis_url=redis.home.redis_url, **trial)
        crews.append(crew)
        return crew

    try:
        yield make
    finally:
        for crew in crews:
            crew.end()
