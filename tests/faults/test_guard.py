"""A real worker never connects to a denied address, whichever way it is led there.

It runs in a network of its own, where every address that Linux lets a machine have is really there,
and somebody listens.

The long campaign, of all denied addresses: `FAULT_ROUNDS=200 pytest tests/faults/test_guard.py -s`.
"""

import ctypes
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from pathlib import Path
from threading import Event, Thread

import pytest
from django.conf import settings
from supervisor import MARK, Program, kill_leftovers, last_lines

from config.api.reading import READER
from config.variables import read_redis
from explorer.samples import write_trips
from imports.choices import ENDED, Status
from imports.jobs import create_import, delete_import, drop_stale_staging, kick_import
from imports.models import Import
from tests.faults.own_stores import RedisServer
from tests.faults.processes import ROOT, WORKER_COMMANDS, name_database, read_rounds
from tests.faults.sources import Page, Sources, cut, redirect, run_sources
from tests.faults.watched_worker import CONNECTS, LOOK_UP, Watch
from tests.imports.test_guarding import DENIED
from tests.waiting import wait_until

NEW_NETWORK = 0x4000_0000  # CLONE_NEWNET of <sched.h>
WORKERS = 3  # they wait for PostgreSQL most of the time
PATIENCE_SECONDS = 300
ADDRESS_COUNT = 24  # of the denied ones, in a short run
PUBLIC = "93.184.215.14"
BROADCASTS = {"127.255.255.255", "255.255.255.255"}
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
ROWS = 100
BODY = b"".join(write_trips(ROWS, seed=1))
HALF = len(BODY) // 2
PAGE = Page(BODY, etag='"1"')

# Hosts as a URL has them, and the addresses that they lead to.
ADDRESSES: Mapping[str, Sequence[str]] = {
    f"[{text}]" if ":" in text else text: [text] for text in DENIED if "%" not in text
}
SPELLINGS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("127.1", "0x7f.1", "0177.0.0.1", "2130706433", "0x7f000001"), ("127.0.0.1",)),
    **dict.fromkeys(("017700000001", "①27.0.0.1", "127。0。0。1", "%31%32%37.1"), ("127.0.0.1",)),
    **dict.fromkeys(("10.1", "0xa.1", "012.0.0.1", "167772161"), ("10.0.0.1",)),
    **dict.fromkeys(("0xa9fea9fe", "2852039166", "169.254.43518"), ("169.254.169.254",)),
    **dict.fromkeys(("0", "0x0", "0.0.0.0"), ("0.0.0.0",)),  # noqa: S104
    "[0:0:0:0:0:ffff:7f00:1]": ["::ffff:7f00:1"],
    "[fe80::1%25lo]": ["fe80::1%lo"],
    f"{PUBLIC}@10.0.0.1": ["10.0.0.1"],
    f"{PUBLIC}\\@10.0.0.1": ["10.0.0.1"],
}
NAMES: Mapping[str, Sequence[str]] = {
    "localhost": ["127.0.0.1", "::1"],
    "localhost.": ["127.0.0.1"],
    "127.0.0.1.": ["127.0.0.1"],
    "inner.example": ["10.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "agent.example": ["168.63.129.16"],
    "carrier.example": ["100.64.0.1"],
    "inner6.example": ["fd00:ec2::254"],
    "mapped.example": ["::ffff:10.0.0.1"],
    "zone.example": ["fe80::1%lo"],
    "nat64.example": ["64:ff9b::a00:1"],
    "public-first.example": [PUBLIC, "192.168.1.1"],
    "public-last.example": ["192.168.1.1", PUBLIC],
    "public-often.example": [*[PUBLIC] * 5, "::1"],
    "xn--bcher-kva.example": ["192.168.1.1"],
    "a_b.example": ["192.168.1.1"],
}
UNKNOWN: Mapping[str, Sequence[str]] = {"nowhere.example": []}
HOSTS = {**ADDRESSES, **SPELLINGS, **NAMES, **UNKNOWN}

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


def name_rebinding(number: int) -> str:
    return f"rebinding-{number}.example"


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
class Listeners:
    """Something listens at each of these addresses, at one port, and counts who connects."""

    port: int
    accepted: Counter[str] = field(default_factory=Counter)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    is_stopping: Event = field(default_factory=Event)

    @property
    def addresses(self) -> set[str]:
        return {str(key.data) for key in self.selector.get_map().values()}

    def add(self, address: str) -> None:
        """Leaves out what this network's loopback could not be given."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family)
        try:
            listener.bind((address, self.port))
            listener.listen(64)
        except OSError:
            listener.close()
        else:
            self.selector.register(listener, selectors.EVENT_READ, address)

    def serve(self) -> None:
        while not self.is_stopping.is_set():
            for key, _ in self.selector.select(0.02):
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.accept()[0].close()
                self.accepted[key.data] += 1

    def close(self) -> None:
        for key in list(self.selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self.selector.close()


@contextmanager
def enter_network() -> Iterator[None]:
    """This thread, and the processes that it starts, have a network of their own meanwhile."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(NEW_NETWORK):
            pytest.skip(f"no network of its own: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            assert libc.setns(home, NEW_NETWORK) == 0
    finally:
        os.close(home)


def add_addresses(addresses: Sequence[str]) -> None:
    """Gives this network's loopback the addresses that Linux lets an interface have."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    lines = [
        f"addr add {text}/{'128 dev lo nodad' if ':' in text else '32 dev lo'}\n"
        for text in addresses
    ]
    command = ["ip", "-force", "-batch", "-"]
    subprocess.run(command, input="".join(lines).encode(), capture_output=True)


def list_addresses() -> list[str]:
    """What HOSTS lead to, as far as a socket can be connected to just that."""
    found = {text for addresses in HOSTS.values() for text in addresses}
    parsed = {ip_address(text) for text in found - BROADCASTS - {PUBLIC} if "%" not in text}
    plain = {getattr(address, "ipv4_mapped", None) or address for address in parsed}
    return sorted(str(one) for one in plain if not (one.is_unspecified or one.is_multicast))


@contextmanager
def listen(port: int) -> Iterator[Listeners]:
    listeners = Listeners(port)
    for address in list_addresses():
        listeners.add(address)
    thread = Thread(target=listeners.serve, daemon=True)
    thread.start()
    try:
        yield listeners
    finally:
        listeners.is_stopping.set()
        thread.join()
        listeners.close()


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


def list_answers() -> dict[str, list[list[str]]]:
    """What names lead to, at each look-up; the rebinding ones first to the public server."""
    names = {host: [list(found)] for host, found in {**NAMES, **UNKNOWN}.items()}
    rebinding = {
        name_rebinding(number): [[PUBLIC], list(found)]
        for number, found in enumerate(HOSTS.values())
    }
    return names | rebinding


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
        stage = Stage(tmp_path, redis, sources, stack.enter_context(listen(port)))
        stack.callback(clear_imports)
        yield stage


def choose_hosts() -> list[str]:
    """Some of the denied addresses, evenly spread over their table, and all that is not one."""
    step = max(1, len(ADDRESSES) // read_rounds(ADDRESS_COUNT))
    return [*list(ADDRESSES)[::step], *SPELLINGS, *NAMES, *UNKNOWN]


def expect_outcome(way: str, host: str) -> Outcome:
    return OUTCOMES_OF_UNKNOWN[way] if host in UNKNOWN else DENIAL


def test_worker_never_connects_to_a_denied_address(stage: Stage) -> None:
    hosts, sources = choose_hosts(), stage.sources
    for host in hosts:
        for way in WAYS:
            stage.queue(way, host)
    control = queue_import(sources.serve("/trips.csv", PAGE))

    seen = stage.run_workers(WORKERS)

    assert stage.read_outcomes() == {key: expect_outcome(*key) for key in stage.records}
    assert stage.listeners.accepted == Counter()
    # Each request to the public server was seen to connect, and nothing else was.
    assert seen.connects == Counter({PUBLIC: len(sources.requests)})
    check_ways(stage, seen, hosts)
    control.refresh_from_db()
    assert (control.status, control.rows_loaded) == (Status.FINISHED, ROWS)
    assert len(sources.list_requests("/trips.csv")) == 1
    print(
        f"\nguard: {len(hosts)} hosts x {len(WAYS)} ways = {len(stage.records)} imports; "
        f"{len(stage.listeners.addresses)} denied addresses listened; 0 connects to any, "
        f"{seen.connects.total()} to the public one; {seen.look_ups.total()} look-ups"
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
def test_watch_sees_what_goes_through_a_hole(stage: Stage, hole: str, ways: list[str]) -> None:
    for way, host in LEADS.items():
        stage.queue(way, host)

    seen = stage.run_workers(hole=hole)

    reached = {LEADS[way] for way in ways}
    outcomes = stage.read_outcomes()
    assert set(seen.connects) == {PUBLIC, *reached}
    assert set(stage.listeners.accepted) == reached
    assert {host for (_, host), outcome in outcomes.items() if outcome != DENIAL} == reached
    print(f"\nguard that {hole}: {dict(seen.connects)}")


def test_listeners_count_who_connects(stage: Stage) -> None:
    listeners = stage.listeners
    assert len(listeners.addresses) > 100
    assert {*LEADS.values(), "10.0.0.1", "100.64.0.1", "192.168.1.1", "::1"} <= listeners.addresses

    for address in listeners.addresses:
        socket.create_connection((address, listeners.port), timeout=5).close()

    wait_until(lambda: listeners.accepted.total() >= len(listeners.addresses))
    assert listeners.accepted == Counter(listeners.addresses)
