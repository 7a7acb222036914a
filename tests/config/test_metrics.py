"""What Prometheus reads, as its own client parses it."""

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import django_rq
import pytest
from django.conf import settings as django_settings
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings
from rq import Queue, Worker

from config import sharing
from config.counting import find_series
from imports.choices import Status
from tests.factories.dropzone import PayloadFactory
from tests.factories.imports import ImportFactory
from tests.people import make_key, make_user, sign_in

pytestmark = pytest.mark.django_db

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def find(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((f"catchment_{name}", frozenset(labels.items())))


@pytest.fixture
def anybody(settings: Settings) -> Client:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "ingest"})
    return Client()


def scrape(client: Client) -> Samples:
    answer = client.get(
        "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"}
    )
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parse(answer.content.decode())


def count(samples: Samples, method: str, route: str, status: int) -> float:
    name = "request_seconds_count"
    return find(samples, name, method=method, route=route, status=str(status)) or 0


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/api/v1/imports/999999/", "/api/v1/imports/<pk>/", 404),
        ("GET", "/healthz", "/healthz", 200),
        ("PUT", "/location", "/location/", 400),
        ("PUT", "/location/", "/location/", 400),
        ("POST", "/dropzone", "/dropzone/", 400),
        ("GET", "/nothing/at/all", "none", 404),
        ("GET", "/static/nothing.js", "/static/…", 404),
        ("BREW", "/healthz", "/healthz", 200),
    ],
)
def test_request_is_counted_by_method_route_and_status(
    anybody: Client, method: str, path: str, route: str, status: int
) -> None:
    shown = "other" if method == "BREW" else method
    before = count(scrape(anybody), shown, route, status)

    assert anybody.generic(method, path, b"{").status_code == status

    after = scrape(anybody)
    assert count(after, shown, route, status) == before + 1
    labels = {"method": shown, "route": route, "status": str(status)}
    assert find(after, "request_seconds_bucket", le="+Inf", **labels) == before + 1


def test_addresses_without_end_make_one_series(anybody: Client) -> None:
    find_series.cache_clear()
    for number in range(20):
        anybody.get(f"/nothing/{number}/")
        anybody.get(f"/api/v1/imports/{number + 10**6}/")

    assert find_series.cache_info().currsize == 2


def test_imports_are_counted_with_rows_and_rejects(anybody: Client) -> None:
    for rows, rejects in ((10, 1), (20, 2)):
        ImportFactory(dataset="trips", rows_loaded=rows, rows_rejected=rejects)
    ImportFactory(dataset="games", queued=True)

    samples = scrape(anybody)

    labels = {"dataset": "trips", "status": "finished"}
    assert find(samples, "imports", **labels) == 2
    assert find(samples, "import_rows", **labels) == 30
    assert find(samples, "import_rejects", **labels) == 3
    assert find(samples, "imports", dataset="games", status="queued") == 1
    assert find(samples, "imports_waiting") == 1


def test_import_whose_owner_fell_silent_waits(anybody: Client) -> None:
    past = timezone.now() - timedelta(seconds=1)
    ImportFactory(status=Status.RUNNING, ended_at=None, lease_expires_at=past)
    ImportFactory(status=Status.RUNNING, ended_at=None, lease_expires_at=past + timedelta(hours=1))

    assert find(scrape(anybody), "imports_waiting") == 1


def test_payloads_that_wait_are_counted_with_the_oldest(anybody: Client) -> None:
    assert find(scrape(anybody), "payloads_oldest_seconds") == 0
    for seconds in (10, 300):
        PayloadFactory(received_at=timezone.now() - timedelta(seconds=seconds))

    samples = scrape(anybody)

    assert find(samples, "payloads_waiting") == 2
    assert 300 <= (find(samples, "payloads_oldest_seconds") or 0) < 400


def test_database_tells_its_size(anybody: Client) -> None:
    assert (find(scrape(anybody), "database_bytes") or 0) > 10**6


@pytest.fixture
def worker() -> Iterator[Worker]:
    queue = django_rq.get_queue("imports")
    worker = Worker([queue], connection=queue.connection, name="of-the-test")
    worker.register_birth()  # type: ignore[no-untyped-call]
    yield worker
    worker.register_death()  # type: ignore[no-untyped-call]


def test_workers_and_queues_are_told(anybody: Client, worker: Worker, empty_queue: None) -> None:
    worker.heartbeat()
    # Django's own queue would wait for the end of the test's transaction.
    Queue("imports", connection=worker.connection).enqueue(print, "nothing")

    samples = scrape(anybody)

    assert find(samples, "workers", queue="imports") == 1
    assert 0 <= (find(samples, "worker_heartbeat_seconds", queue="imports") or 0) < 60
    assert find(samples, "queue_jobs", queue="imports") == 1
    assert find(samples, "workers", queue="payloads") == 0
    assert find(samples, "worker_heartbeat_seconds", queue="payloads") is None
    assert find(samples, "up", store="redis") == 1
    django_rq.get_queue("imports").empty()  # type: ignore[no-untyped-call]


def test_scrape_survives_without_redis(anybody: Client, settings: Settings) -> None:
    gone = {"URL": "unix:///nowhere/redis.sock?db=0"}
    settings.RQ_QUEUES = dict.fromkeys(("imports", "payloads"), gone)

    samples = scrape(anybody)

    assert find(samples, "up", store="redis") == 0
    assert find(samples, "up", store="database") == 1
    assert find(samples, "payloads_waiting") == 0


def test_documented_metrics_are_those_that_are_told(anybody: Client) -> None:
    docs = Path(django_settings.BASE_DIR) / "docs"
    pages = "".join((docs / page).read_text() for page in ("watching.md", "runbook.md"))

    text = anybody.get("/metrics").content.decode()

    named = {name.removesuffix("_count") for name in re.findall(r"catchment_[a-z_]+", pages)}
    families = {family.name for family in text_string_to_metric_families(text)}
    # Which the client adds where a process counts for itself.
    assert named == families - {"catchment_request_seconds_created"}


# Who may read it


def test_nobody_reads_without_a_permission(client: Client, settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()
    settings.METRICS_TOKEN = ""

    for header in ("", "Bearer ", "Bearer x", "Bearer"):
        answer = client.get("/metrics", headers={"Authorization": header})
        assert answer.status_code == 401, header
        assert answer.json()["errors"]


def test_token_opens_the_metrics_and_nothing_else(client: Client, settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()
    settings.METRICS_TOKEN = "of the scraper"  # noqa: S105

    def ask(path: str, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return client.get(path, headers=headers).status_code

    assert ask("/metrics", "of the scraper") == 200
    assert ask("/metrics", "of the scrapeR") == 401
    assert ask("/metrics", "é") == 401
    assert ask("/api/v1/imports/", "of the scraper") == 401


def test_readers_key_and_analyst_read_them(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()
    _, key = make_key("read")

    assert Client(headers={"Authorization": f"Api-Key {key}"}).get("/metrics").status_code == 200
    assert sign_in(make_user(group="analyst")).get("/metrics").status_code == 200
    assert sign_in(make_user("nobody", group="")).get("/metrics").status_code == 403


def test_key_is_a_503_where_nobody_can_look_it_up(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError

    settings.ANONYMOUS_ACCESS = frozenset()
    monkeypatch.setattr("config.keys.find_key", fail)
    client.raise_request_exception = False

    answer = client.get("/metrics", headers={"Authorization": "Api-Key x"})

    assert answer.status_code == 503
    assert answer.json()["errors"][0]["code"] == "database_down"


# Counting together


def test_folders_of_servers_that_are_gone_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "FOLDER", tmp_path)
    gone, mine = sharing.name_folder(2**22 + 1), sharing.name_folder(os.getpid())
    for folder in (gone, mine):
        folder.mkdir()
        (folder / "histogram_1.db").touch()

    sharing.remove_stale_folders()

    assert not gone.exists()
    assert mine.exists()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process would count, if it were one of a server's."""
    monkeypatch.setattr(sharing, "FOLDER", tmp_path)
    monkeypatch.setenv(sharing.VARIABLE, "")
    monkeypatch.setattr("multiprocessing.parent_process", lambda: SimpleNamespace(pid=os.getpid()))
    return sharing.name_folder(os.getpid())


def test_processes_of_a_server_count_in_a_folder_of_their_own(folder: Path) -> None:
    sharing.share_counts()

    assert os.environ[sharing.VARIABLE] == str(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_folder_that_others_may_write_to_is_not_used(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)

    sharing.share_counts()

    assert os.environ[sharing.VARIABLE] == ""


def test_link_to_another_folder_is_not_used(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")

    sharing.share_counts()

    assert os.environ[sharing.VARIABLE] == ""


def test_process_of_no_server_counts_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sharing.VARIABLE, raising=False)

    sharing.share_counts()

    assert sharing.VARIABLE not in os.environ
