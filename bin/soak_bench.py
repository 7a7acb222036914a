"""All doors at once, at half of the peak, while workers are ended: what is lost, and what grows."""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dropzone_bench import EMPTY as EMPTY_PAYLOADS
from dropzone_bench import SCRIPT as POST_PAYLOADS
from dropzone_bench import wait_until_drained
from explorer_bench import SAMPLE_GAMES, ask_ours, list_queries, read_lines, settle
from figures import Section
from footprint_bench import HEATMAP, ingest, list_tiles
from loading import fetch_paths, run_wrk_patiently
from location_bench import SCRIPT as PUT_LOCATIONS
from machine import step
from pacing import Plan, Told, read_plan, read_result, write_plan
from running import start_drainers, start_importers
from sampling import Sample, take_sample
from soak_checks import MISSED, Course, Imports, Restart, Stored, write_soak
from soak_importing import COUNT_LEFT, Importer, make_importer, wait_for_imports
from supervisor import Child, Refusal, descendants, last_lines, read_parents, say, send
from workbench import (
    FILES,
    LOCAL,
    WORKER_START_SECONDS,
    Bench,
    Options,
    call,
    end_child,
    ensure_tool,
    query,
    run_worker,
)

GAMES, FOOTPRINTS, TRIPS = 10_000, 5_000, 200_000
VALUES = 10  # that each query is asked with
PAGE_PATHS = ("/", "/explorer/games/", "/explorer/trips/", "/map/", "/imports/", "/dropzone/")

# At half of the peak, with the database's log; the peak itself, and the imports that are kept.
SOAK_DISK_BYTES_PER_MINUTE, SOAK_DISK_BYTES = 400_000_000, 4_000_000_000

# What is asked for the first time is read from the disk first.
WARM_SECONDS, PEAK_SECONDS = 10, 20
SHARE = 0.5  # of the peak
CONNECTIONS = {"fixes": 16, "payloads": 16, "reads": 8}
READERS = 2  # at the peak: an answer costs as much as many fixes

LOOK_SECONDS = 0.2
ASK_EVERY, DELETE_EVERY, SAMPLE_EVERY = 0.5, 5.0, 10.0
IMPORT_EVERY, RESTART_EVERY = 30.0, 60.0
# A worker of imports is ended while it works: so long is waited until one does.
BUSY_PATIENCE = 15.0
# Before the end nothing begins, and no worker is ended.
QUIET_SECONDS = 20.0
SETTLE_SECONDS = 120.0
DRAIN_SECONDS = 60

# In turn, so that each of both workers gets either.
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGTERM)

EMPTY_LOCATIONS = "TRUNCATE locations_fix, locations_minuteaverage"
READ_STORED = """
    SELECT (SELECT count(*) FROM locations_fix),
           (SELECT coalesce(sum(count), 0) FROM locations_minuteaverage),
           count(*) FILTER (WHERE state = 'processed'),
           count(*) FILTER (WHERE state = 'rejected' AND reasons <> '[]'),
           count(*) FILTER (WHERE state = 'received'),
           (SELECT count(*) FROM dropzone_measurement), (SELECT count(*) FROM dropzone_lineage),
           (SELECT count(*) FROM dropzone_rawbody)
      FROM dropzone_payload
"""


def measure_soak(bench: Bench, options: Options) -> Section:
    ensure_tool(bench.workshop, "wrk")
    seconds = options.minutes * 60
    load_tables(bench)
    with run_service(bench) as workers:
        paths = list_paths(bench)
        peak = measure_peak(bench, [path for _, path in paths])
        say(f"{options.minutes} minutes of all doors")
        loads = start_loads(bench, peak, paths, seconds)
        course = follow_loads(bench, workers, loads, seconds)
        stored = read_stored(query(bench, READ_STORED))
    rates = ", ".join(f"{rate:,.0f} {door}" for door, rate in peak.items())
    what = (
        f"{options.minutes} minutes. At the peak, {PEAK_SECONDS} s of all three at once, {rates}"
        f" a second were answered; {SHARE:.0%} of these are sent."
    )
    content = "\n\n".join([what, *write_soak(course, stored)])
    missed = "Something has to hold and does not." if MISSED in content else ""
    return Section(content, missed=missed)


# What runs


@dataclass(frozen=True)
class Workers:
    importers: Sequence[Child]
    drainer: Child


def load_tables(bench: Bench) -> None:
    """What is read meanwhile."""
    with run_worker(bench, loaders=2) as worker:
        ingest(bench, worker, "games", GAMES)
        ingest(bench, worker, "footprints", FOOTPRINTS)
        ingest(bench, worker, "trips", TRIPS)
    settle(bench)


@contextmanager
def run_service(bench: Bench) -> Iterator[Workers]:
    """The workers and the sweeper of `bin/up` beside the web server, until the block ends."""
    importers = start_importers(bench.workshop)
    drainer, sweeper = start_drainers(bench.workshop)
    with step("Workers"):
        bench.supervisor.wait_until(lambda: is_ready(bench), drainer, WORKER_START_SECONDS)
    yield Workers(importers, drainer)
    for child in (sweeper, drainer, *importers):
        end_child(bench.supervisor, child)


def is_ready(bench: Bench) -> bool:
    found = call(bench, "GET", "/readyz")
    return int(found["workers"]) >= 2 and int(found["payload_workers"]) >= 1


def list_paths(bench: Bench) -> list[tuple[str, str]]:
    """What is read, the kinds in turn, each as often as the others."""
    games = list_queries(read_lines(bench, SAMPLE_GAMES.format(count=VALUES)))
    zones = [ask_ours({"pu_location_id": number}, "trips") for number in range(1, VALUES + 1)]
    kinds = {
        "games and trips": [*(path for one in games for path in one.ours[:VALUES]), *zones],
        "heat and tiles": [HEATMAP, f"{HEATMAP}?method=grid&cell=50000", *list_tiles()],
        "pages": list(PAGE_PATHS),
    }
    length = max(map(len, kinds.values()))
    return [
        (kind, paths[place % len(paths)])
        for place in range(length)
        for kind, paths in kinds.items()
    ]


# The peak


def measure_peak(bench: Bench, paths: Sequence[str]) -> dict[str, float]:
    """Answers a second by door; what was sent for it is gone."""
    with step("Peak"):
        drive_all(bench, paths, run="1", seconds=WARM_SECONDS)
        peak = drive_all(bench, paths, run="2", seconds=PEAK_SECONDS)
    wait_until_drained(bench, PEAK_SECONDS)
    for statement in (EMPTY_LOCATIONS, EMPTY_PAYLOADS, "CHECKPOINT"):
        query(bench, statement)
    return peak


def drive_all(bench: Bench, paths: Sequence[str], *, run: str, seconds: int) -> dict[str, float]:
    """All doors at once, as fast as they go."""
    drive = partial(run_wrk_patiently, bench, bench.web, run=run, seconds=seconds)
    read = partial(fetch_paths, bench, bench.web, paths, connections=READERS, seconds=seconds)
    with ThreadPoolExecutor() as pool:
        futures = {
            "fixes": pool.submit(drive, PUT_LOCATIONS),
            "payloads": pool.submit(drive, POST_PAYLOADS),
            "reads": pool.submit(read),
        }
        return {door: future.result().rate for door, future in futures.items()}


# The load


def start_loads(
    bench: Bench, peak: Mapping[str, float], paths: Sequence[tuple[str, str]], seconds: int
) -> dict[str, Child]:
    """A process for each door."""
    loads = {}
    for door, rate in peak.items():
        read = tuple(paths) if door == "reads" else ()
        plan = Plan(door, bench.web, rate * SHARE, seconds, CONNECTIONS[door], read)
        file = name_plan(door)
        write_plan(file, plan)
        command = (sys.executable, "bin/pacing.py", str(file))
        load = bench.supervisor.keep_running(bench.workshop.program(f"soak-{door}", *command))
        load.restarts = False
        loads[door] = load
    return loads


@dataclass
class Task:
    """What is done each time that so many seconds have passed; moments that were missed are left
    out."""

    do: Callable[[float], object]
    every: float
    due: float = 0.0
    until: float = math.inf

    def look(self, seconds: float) -> None:
        if not self.due <= seconds < self.until:
            return
        while self.due <= seconds:
            self.due += self.every
        self.do(seconds)


def follow_loads(
    bench: Bench, workers: Workers, loads: Mapping[str, Child], seconds: int
) -> Course:
    """Looks on until they end, lets imports in, and ends workers."""
    importer = make_importer(bench, FILES / f"trips-{TRIPS}.csv", TRIPS)
    restarter = Restarter(workers)
    samples: list[Sample] = []
    web = list_web(bench)
    quiet = seconds - QUIET_SECONDS
    tasks = [
        Task(lambda now: samples.append(take_sample(bench, now)), SAMPLE_EVERY),
        Task(lambda _: importer.begin(), IMPORT_EVERY, until=quiet),
        Task(lambda _: importer.look(), ASK_EVERY),
        Task(lambda _: importer.delete_oldest(), DELETE_EVERY),
        Task(restarter.ask, RESTART_EVERY, due=RESTART_EVERY, until=quiet),
        Task(restarter.look, LOOK_SECONDS),
    ]
    began = time.monotonic()
    while any(load.process for load in loads.values()):
        bench.supervisor.pump(LOOK_SECONDS)
        for task in tasks:
            task.look(time.monotonic() - began)
    wait_for_end(bench, importer)
    told = read_told(loads)
    return Course(
        seconds=seconds,
        told=told,
        unsent=count_unsent(loads, told),
        samples=samples,
        restarts=restarter.done,
        deaths=sum(child.deaths for child in bench.supervisor.children if child.restarts),
        replaced=len(web - list_web(bench)),
        imports=Imports(
            importer.begun, importer.ended, importer.answers, int(query(bench, COUNT_LEFT))
        ),
    )


def list_web(bench: Bench) -> set[int]:
    web = {child.pid for child in bench.supervisor.children if child.program.name == "web"}
    return {pid for pid, parent in read_parents().items() if parent in web}


def wait_for_end(bench: Bench, importer: Importer) -> None:
    """What has not ended by then is told by the figures."""
    wait_for_imports(importer, SETTLE_SECONDS)
    with suppress(Refusal):
        wait_until_drained(bench, DRAIN_SECONDS)


def read_told(loads: Mapping[str, Child]) -> dict[str, Told]:
    """By kinds of requests; raises Refusal where a load did not come to its end."""
    told: dict[str, Told] = {}
    for door, load in loads.items():
        if load.exit_code:
            raise Refusal(f"The load on {door} ended:\n{last_lines(load.program.log)}")
        told |= read_result(name_plan(door))
    return told


def count_unsent(loads: Mapping[str, Child], told: Mapping[str, Told]) -> int:
    planned = sum(read_plan(name_plan(door)).count for door in loads)
    return planned - sum(found.sent for found in told.values())


def name_plan(door: str) -> Path:
    return LOCAL / f"soak-{door}.json"


def read_stored(output: str) -> Stored:
    return Stored(*map(int, output.split("|")))


# Ending workers


@dataclass
class Restarter:
    """Ends workers in turn, those of imports at work; the supervisor starts them again."""

    workers: Workers
    asked_at: float | None = None
    done: list[Restart] = field(default_factory=list)

    def ask(self, seconds: float) -> None:
        self.asked_at = seconds

    def look(self, seconds: float) -> None:
        if self.asked_at is None:
            return
        child = self._choose(is_late=seconds > self.asked_at + BUSY_PATIENCE)
        if child is None or child.pid is None:
            return
        self.asked_at = None
        number = SIGNALS[len(self.done) % len(SIGNALS)]
        say(f"{number.name} for {child.program.name}")
        self.done.append(Restart(child.program.name, number))
        end_worker(child.pid, number)

    def _choose(self, is_late: bool) -> Child | None:
        turn = len(self.done)
        if turn % 2:
            return self.workers.drainer
        importers = self.workers.importers
        parents = set(read_parents().values())
        busy = [child for child in importers if child.pid in parents]
        return busy[0] if busy else importers[turn // 2 % 2] if is_late else None


def end_worker(pid: int, number: signal.Signals) -> None:
    """By SIGKILL with the process of its job; asked by SIGTERM it lets the job come to its end."""
    below = descendants({pid}, read_parents()) if number == signal.SIGKILL else set()
    for one in (pid, *below):
        send(one, number)
