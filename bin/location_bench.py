"""Fixes of phones: this server, FastAPI with asyncpg, and the statement that both of them run."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from figures import Line, Quantity, Section, Table, make_section
from loading import (
    CONNECTIONS,
    RATE,
    WARM_SECONDS,
    Load,
    make_pgbench_script,
    read_statement,
    replace_parameters,
    run_pgbench,
    run_wrk,
)
from machine import CHECKOUT, step
from running import WEB_START_SECONDS, WEB_THREADS, answers_health
from supervisor import Refusal, say
from workbench import (
    PEERS,
    Bench,
    Options,
    end_child,
    ensure_environment,
    ensure_tool,
    find_free_port,
    query,
    read_versions,
)

SCRIPT = CHECKOUT / "tests/bench/put_locations.lua"

OURS = "this server"
FASTAPI = "FastAPI and asyncpg"
BARE = "the statement alone, pgbench"
LATENCY = Quantity("p99 in ms")
PACKAGES = ("fastapi", "asyncpg", "granian", "uvloop")

# In the order of the values in `store` of the peer.
ORDER = (
    "user_id",
    "submitted",
    "has_offset",
    "at",
    "repeated_at",
    "is_gap",
    "long",
    "lat",
    "accuracy",
    "speed",
)
# As wrk's script sends them: a hundred phones in turn, each ten times a second of its time.
SET_VARIABLES = f"""
\\set number :number + 1
\\set place :number * {CONNECTIONS} + :client_id
\\set phone :place % 100
\\set tenths :place / 100
\\set at 1719792000 + :tenths / 10.0
\\set lat 52.5 + :phone * 0.01 + :tenths * 0.000001
\\set long 13.4 + :tenths * 0.000001
\\set accuracy 12.5
\\set speed 1.25
"""
EXPRESSIONS = {
    "user_id": ":run::text || '-' || :phone::text",
    "submitted": "to_timestamp(:at)",
    "has_offset": "false",
    "at": "to_timestamp(:at)",
    # Not NULL itself: the planner would leave out what the others' prepared plans carry.
    "repeated_at": "nullif(:run::text, :run)::timestamptz",
    "is_gap": "false",
    "long": ":long",
    "lat": ":lat",
    "accuracy": ":accuracy",
    "speed": ":speed",
}
COUNT_STORED = """
    SELECT (SELECT count(*) FROM locations_fix),
           (SELECT coalesce(sum(count), 0) FROM locations_minuteaverage),
           (SELECT count(*) FROM locations_fix WHERE starts_with(user_id, '{run}-'))
"""


@dataclass(frozen=True)
class Stored:
    """Fixes and those that the averages hold, with the warm-up, and the fixes of one run."""

    fixes: int
    averaged: int
    of_run: int


# Puts a load on one of those that are compared: the run's name, which is part of its users, and
# the seconds.
Driver = Callable[[str, int], Load]


# Measuring


def measure_locations(bench: Bench, options: Options) -> Section:
    ensure_tool(bench.workshop, "wrk")
    python = ensure_environment(bench.workshop, "fastapi", *PACKAGES)
    statement = read_statement(bench, "locations.averaging", "ONE")
    loads: dict[str, list[Load]] = {}
    with run_fastapi(bench, python, number_parameters(statement)) as port:
        drivers = {
            OURS: partial(drive_service, bench, bench.web),
            FASTAPI: partial(drive_service, bench, port),
            BARE: partial(drive_statement, bench, statement),
        }
        for number in range(1, options.rounds + 1):
            say(f"Round {number} of {options.rounds}")
            for name in rotate(list(drivers), number - 1):
                load = measure(bench, name, drivers[name], options.seconds)
                loads.setdefault(name, []).append(load)
    what = f"Rounds: {options.rounds}, {options.seconds} s each; {CONNECTIONS} connections."
    peers = read_versions(bench, python, *PACKAGES)
    return make_section(what, make_tables(loads), peers=peers)


def measure(bench: Bench, name: str, drive: Driver, seconds: int) -> Load:
    query(bench, "TRUNCATE locations_fix, locations_minuteaverage")
    query(bench, "CHECKPOINT")
    return measure_load(bench, name, drive, seconds)


def measure_load(bench: Bench, name: str, drive: Driver, seconds: int) -> Load:
    """Raises Refusal where the averages hold other than all fixes."""
    run = make_run()
    with step(name):
        drive(make_run(), WARM_SECONDS)
        load = drive(run, seconds)
    bench.supervisor.pump(0)
    counts = query(bench, COUNT_STORED.format(run=run)).split("|")
    check_stored(name, load, Stored(*map(int, counts)))
    return load


def make_run() -> str:
    """A name of its own for each run, so that nothing late is counted for another."""
    return f"run{secrets.token_hex(4)}"


def rotate(names: Sequence[str], places: int) -> list[str]:
    """Whoever comes first finds the machine in another state than the rest."""
    first = places % len(names)
    return [*names[first:], *names[:first]]


def check_stored(name: str, load: Load, stored: Stored) -> None:
    """What wrk no longer waited for may be stored beyond what was answered."""
    if stored.averaged != stored.fixes:
        raise Refusal(f"{name}: {stored.fixes} fixes, but {stored.averaged} in the averages.")
    if not load.count <= stored.of_run <= load.count + CONNECTIONS:
        raise Refusal(f"{name}: {load.count} were answered, and {stored.of_run} stored.")


# This server and FastAPI


@contextmanager
def run_fastapi(bench: Bench, python: str, statement: str) -> Iterator[int]:
    """The port of the least service that could be written, until the block ends."""
    port = find_free_port()
    serve = ("-m", "granian", "--interface", "asgi", "fastapi_locations:app", "--loop", "uvloop")
    options = ("--host", "127.0.0.1", "--port", str(port), "--workers", "2")
    variables = {
        "FIX_STATEMENT": statement,
        "DATABASE_DSN": bench.home.database_url,
        "CONNECTIONS": str(WEB_THREADS),
    }
    program = bench.workshop.program("fastapi", python, *serve, *options, **variables)
    child = bench.supervisor.keep_running(replace(program, folder=PEERS))
    bench.supervisor.wait_until(lambda: answers_health(port), child, WEB_START_SECONDS)
    yield port
    end_child(bench.supervisor, child)


def number_parameters(statement: str) -> str:
    """The statement as asyncpg takes it."""
    return replace_parameters(
        statement, {name: f"${place}" for place, name in enumerate(ORDER, start=1)}
    )


def drive_service(bench: Bench, port: int, run: str, seconds: int) -> Load:
    return run_wrk(bench, port, SCRIPT, run=run, seconds=seconds)


# The statement alone


def drive_statement(bench: Bench, statement: str, run: str, seconds: int) -> Load:
    script = make_pgbench_script(SET_VARIABLES, statement, EXPRESSIONS)
    return run_pgbench(bench, script, run=run, seconds=seconds)


# Telling


def make_tables(loads: Mapping[str, Sequence[Load]]) -> list[Table]:
    """How many, and how long they took."""
    rates = {name: tuple(load.rate for load in found) for name, found in loads.items()}
    latencies = {name: tuple(load.p99_ms for load in found) for name, found in loads.items()}
    return [
        Table(
            [
                Line(FASTAPI, rates[FASTAPI]),
                Line(BARE, rates[BARE]),
                Line(OURS, rates[OURS], FASTAPI, 1.0),
                Line(f"{OURS}, beside the statement", rates[OURS], BARE),
            ],
            RATE,
        ),
        Table(
            [Line(FASTAPI, latencies[FASTAPI]), Line(OURS, latencies[OURS], FASTAPI, 1.0)], LATENCY
        ),
    ]
