"""A real worker never connects to a denied address, whichever way it is led there.

It runs in a network of its own, where every address that Linux lets a machine have is really there,
and somebody listens.

The large campaign is of all denied addresses.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest
from campaigns import Notes
from django.conf import settings
from supervisor import MARK, Program, kill_leftovers, last_lines

from config.api.reading import READER
from config.variables import read_redis
from explorer.samples import write_trips
from imports.choices import ENDED, Status
from imports.jobs import create_import, delete_import, drop_stale_staging, kick_import
from imports.models import Import
from tests.faults.hosts import (
    ADDRESSES,
    HOSTS,
    NAMES,
    PUBLIC,
    SPELLINGS,
    UNKNOWN,
    list_addresses,
    list_answers,
    name_rebinding,
)
from tests.faults.networks import Listeners, add_addresses, enter_network, listen
from tests.faults.own_stores import RedisServer
from tests.faults.processes import ROOT, WORKER_COMMANDS, name_database
from tests.faults.sizes import read_sizes
from tests.faults.sources import Page, Sources, cut, redirect, run_sources
from tests.faults.watched_worker import CONNECTS, LOOK_UP, Watch
from tests.waiting import wait_until

WORKERS = 3  # they wait for PostgreSQL most of the time
PATIENCE_SECONDS = 300
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
ROWS = 100
BODY = b"".join(write_trips(ROWS, seed=1))
HALF = len(BODY) // 2
PAGE = Page(BODY, etag='"1"')

Outcome = tuple[str, str]
DENIAL: Outcome = (Status.FAILED, "url_denied")
# Names that are not known, by the way: that may pass by itself, so it is tried again. The rebinding
# one is known again at the next look-up, and the download goes on where it broke off.
OUTCOMES_OF_UNKNOWN: Mapping[str, Outcome] = {
    "direct": (Status.FAILED, "source_unreliable"),
    "redirect": (Status.FAILED, "source_unreliable"),
    "rebinding": (Status.FINISHED, ""),
    "resume": (Status.FAILED, "source_unreliable"),
}


@dataclass(frozen=True)
class Target:
    """A host that is denied, and another name of it that first leads to the public server."""

    number: int
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"{('http', 'https')[self.number % 2]}://{self.host}:{self.port}/trips.csv"

    @property
    def location(self) -> str:
        """As a header has it, which knows Latin-1 only."""
        return self.url.encode().decode("latin-1")

    @property
    def rebinding(self) -> str:
        return name_rebinding(self.number)


def go_directly(sources: Sources, target: Target) -> str:
    return target.url


def be_redirected(sources: Sources, target: Target) -> str:
    return sources.redirect(f"/redirect/{target.number}", target.location)


def be_rebound(sources: Sources, target: Target) -> str:
    """The name leads elsewhere at once: between a check and its connection, or else after it."""
    url = sources.serve(f"/rebinding/{target.number}", PAGE, cut(HALF))
    return url.replace(PUBLIC, target.rebinding)


def be_resumed(sources: Sources, target: Target) -> str:
    return sources.serve(f"/resume/{target.number}", PAGE, cut(HALF), redirect(target.location))


WAYS: Mapping[str, Callable[[Sources, Target], str]] = {
    "direct": go_directly,
    "redirect": be_redirected,
    "rebinding": be_rebound,
    "resume": be_resumed,
}


@dataclass
class Stage:
    """A network with a public server and denied listeners, and what runs in it."""

    folder: Path
    redis: RedisServer
    sources: Sources
    listeners: Listeners
    records: dict[tuple[str, str], Import] = field(default_factory=dict)

    def queue(self, way: str, host: str) -> None:
        target = Target(list(HOSTS).index(host), host, self.listeners.port)
        record = queue_import(WAYS[way](self.sources, target))
        self.records[way, host] = record

    def run_workers(self, count: int = 1, *, hole: str = "") -> "Seen":
        """Runs all that is queued; returns what the workers were seen to do."""
        log = self.folder / "seen.log"
        watch = self.folder / "watch.json"
        watch.write_text(json.dumps(asdict(Watch(str(log), list_answers(), hole))))
        workers = [self.start_worker(watch) for _ in range(count)]
        end = time.monotonic() + PATIENCE_SECONDS
        try:
            codes = [worker.wait(end - time.monotonic()) for worker in workers]
        finally:
            kill_leftovers(self.folder)
            for worker in workers:
                worker.wait()
        assert codes == [0] * count, last_lines(self.folder / "workers.log", 60)
        return Seen([json.loads(line) for line in log.read_text().splitlines()])

    def start_worker(self, watch: Path) -> subprocess.Popen[bytes]:
        module = (sys.executable, "-m", "tests.faults.watched_worker", str(watch))
        program = Program(
            "worker",
            (*module, *WORKER_COMMANDS["imports"], "--burst"),
            {},
            ROOT,
            stop_signal=signal.SIGKILL,
        )
        environment = {
            **os.environ,
            "DATABASE_URL": name_database("default"),
            "READER_DATABASE_URL": name_database(READER),
            "REDIS_URL": self.redis.home.redis_url,
            "SECRET_KEY": "of-the-tests" * 5,
            "IMPORT_ALLOWED_NETWORKS": "",
            "IMPORT_LOADERS": "1",
            "SSL_CERT_FILE": os.devnull,  # reading them would take half the time
            # Nobody must heed them: they lead to a denied address.
            **dict.fromkeys(PROXIES, f"http://10.0.0.1:{self.listeners.port}"),
            "no_proxy": "",
            MARK: str(self.folder),
        }
        with (self.folder / "workers.log").open("ab") as output:
            return subprocess.Popen(
                program.prefixed_command(),
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def read_outcomes(self) -> dict[tuple[str, str], Outcome]:
        """How each import ended, by its way and host."""
        rows = Import.objects.filter(status__in=ENDED).values_list("pk", "status", "error_code")
        found = {pk: (status, code) for pk, status, code in rows}
        return {key: found[record.pk] for key, record in self.records.items()}


def queue_import(url: str) -> Import:
    record = create_import("trips", url)
    kick_import(record.pk)
    return record


def clear_imports() -> None:
    for record in Import.objects.filter(status=Status.FINISHED):
        delete_import(record.pk)
    Import.objects.all().delete()
    drop_stale_staging()


@dataclass(frozen=True)
class Seen:
    """What processes were seen to do: events and hosts."""

    events: Sequence[tuple[str, str]]

    @property
    def connects(self) -> Counter[str]:
        return Counter(host for event, host in self.events if event in CONNECTS)

    @property
    def look_ups(self) -> Counter[str]:
        return Counter(host for event, host in self.events if event == LOOK_UP)


@pytest.fixture
def stage(
    transactional_db: None, redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    if not settings.DATABASES["default"]["HOST"].startswith("/") or not shutil.which("ip"):
        pytest.skip("a network of its own needs `ip`, and PostgreSQL behind a Unix socket")
    monkeypatch.setenv("REDIS_URL", redis.home.redis_url)
    monkeypatch.setitem(settings.RQ_QUEUES["imports"], "URL", read_redis("REDIS_URL"))
    with ExitStack() as stack:
        stack.enter_context(enter_network())
        add_addresses([PUBLIC, *list_addresses()])
        sources = stack.enter_context(run_sources(PUBLIC))
        port = int(sources.url.rpartition(":")[2])
        stage = Stage(tmp_path, redis, sources, stack.enter_context(listen(port, list_addresses())))
        stack.callback(clear_imports)
        yield stage


def choose_hosts() -> list[str]:
    """Some of the denied addresses, evenly spread over their table, and all that is not one."""
    step = max(1, len(ADDRESSES) // read_sizes("guard").rounds)
    return [*list(ADDRESSES)[::step], *SPELLINGS, *NAMES, *UNKNOWN]


def expect_outcome(way: str, host: str) -> Outcome:
    return OUTCOMES_OF_UNKNOWN[way] if host in UNKNOWN else DENIAL


def test_worker_never_connects_to_a_denied_address(stage: Stage, notes: Notes) -> None:
    hosts, sources = choose_hosts(), stage.sources
    for host in hosts:
        for way in WAYS:
            stage.queue(way, host)
    control = queue_import(sources.serve("/trips.csv", PAGE))

    seen = stage.run_workers(WORKERS)

    note_connections(notes, stage, seen)
    assert stage.read_outcomes() == {key: expect_outcome(*key) for key in stage.records}
    assert stage.listeners.accepted == Counter()
    # Each request to the public server was seen to connect, and nothing else was.
    assert seen.connects == Counter({PUBLIC: len(sources.requests)})
    check_ways(stage, seen, hosts)
    control.refresh_from_db()
    assert (control.status, control.rows_loaded) == (Status.FINISHED, ROWS)
    assert len(sources.list_requests("/trips.csv")) == 1


def note_connections(notes: Notes, stage: Stage, seen: Seen) -> None:
    denied = seen.connects.total() - seen.connects[PUBLIC]
    notes.count += len(stage.records)
    notes.remarks += [f"{len(stage.records) // len(WAYS)} hosts, each by {len(WAYS)} ways"]
    notes.counts.update(
        {
            "denied addresses where somebody listened": len(stage.listeners.addresses),
            "connections to any of them": max(denied, stage.listeners.accepted.total()),
            "connections to the public server": seen.connects[PUBLIC],
        }
    )


def check_ways(stage: Stage, seen: Seen, hosts: Sequence[str]) -> None:
    """The imports were led to their hosts as they should be."""
    for host in hosts:
        if host in UNKNOWN:
            continue
        number = list(HOSTS).index(host)
        requests = {way: stage.sources.list_requests(f"/{way}/{number}") for way in WAYS}
        assert [request.range for request in requests["redirect"]] == [""]
        assert [request.range for request in requests["rebinding"]] == [""]
        assert [request.range for request in requests["resume"]] == ["", f"bytes={HALF}-"]
        # One for the connection that was cut, one for the next; none between check and connection.
        assert seen.look_ups[name_rebinding(number)] == 2


# The addresses that each way leads to, one for each way so that they can be told apart.
LEADS = {
    "direct": "10.1.2.3",
    "redirect": "127.0.0.1",
    "rebinding": "169.254.169.254",
    "resume": "168.63.129.16",
}


@pytest.mark.parametrize(
    ("hole", "ways"),
    [("checks nothing", list(LEADS)), ("looks up twice", ["rebinding"])],
)
def test_watch_sees_what_goes_through_a_hole(
    stage: Stage, notes: Notes, hole: str, ways: list[str]
) -> None:
    for way, host in LEADS.items():
        stage.queue(way, host)

    seen = stage.run_workers(hole=hole)

    reached = {LEADS[way] for way in ways}
    outcomes = stage.read_outcomes()
    notes.count += stage.listeners.accepted.total()
    assert set(seen.connects) == {PUBLIC, *reached}
    assert set(stage.listeners.accepted) == reached
    assert {host for (_, host), outcome in outcomes.items() if outcome != DENIAL} == reached


def test_listeners_count_who_connects(stage: Stage, notes: Notes) -> None:
    listeners = stage.listeners
    assert len(listeners.addresses) > 100
    assert {*LEADS.values(), "10.0.0.1", "100.64.0.1", "192.168.1.1", "::1"} <= listeners.addresses

    for address in listeners.addresses:
        socket.create_connection((address, listeners.port), timeout=5).close()

    wait_until(lambda: listeners.accepted.total() >= len(listeners.addresses))
    notes.count += listeners.accepted.total()
    assert listeners.accepted == Counter(listeners.addresses)
