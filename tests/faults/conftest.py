"""What the tests with real processes share."""

import signal
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from types import FrameType

import pytest
from campaigns import Notes
from pytest_django import Settings

from imports.choices import Status
from imports.engine import cutting, fetching
from imports.models import Import

pytest.register_assert_rewrite("tests.faults.generated", "tests.faults.numbered")

from tests.faults.generated import RETRIES  # noqa: E402
from tests.faults.noting import notes as notes  # noqa: E402
from tests.faults.own_stores import RedisServer  # noqa: E402
from tests.faults.processes import Crew  # noqa: E402
from tests.faults.sources import Sources, run_sources  # noqa: E402

MakeCrew = Callable[..., Crew]
SECONDS_PER_TEST = 60


@pytest.fixture
def noted_ends(transactional_db: None, notes: Notes) -> Iterator[None]:
    """How the imports of a test ended is noted."""
    yield
    for status, code in Import.objects.values_list("status", "error_code"):
        notes.count += 1
        notes.counts[code if status == Status.FAILED else status] += 1


@pytest.fixture
def sources() -> Iterator[Sources]:
    with run_sources() as sources:
        yield sources


@pytest.fixture
def loopback(settings: Settings) -> None:
    """This process may fetch from servers on loopback."""
    settings.IMPORT_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that fails is soon asked again, and a file is cut into several chunks."""
    monkeypatch.setattr(fetching, "RETRY_PAUSES", (0.01,) * RETRIES)
    monkeypatch.setattr(cutting, "CHUNK_BYTES", 20_000)


@pytest.fixture
def time_limit() -> Iterator[None]:
    """Ends a test that does not end by itself."""

    def stop(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"it did not end within {SECONDS_PER_TEST} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS_PER_TEST)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


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
