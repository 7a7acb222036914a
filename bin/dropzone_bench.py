"""Payloads: how many are acknowledged and drained, beside the statement that keeps them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from figures import (
    SECONDS,
    Line,
    Quantity,
    Section,
    Table,
    make_section,
    write_rounds,
    write_table,
)
from loading import (
    CONNECTIONS,
    RATE,
    WARM_SECONDS,
    Load,
    make_pgbench_script,
    read_statement,
    run_pgbench,
    run_wrk,
)
from machine import CHECKOUT, step
from running import start_drainers
from supervisor import Refusal, say
from workbench import (
    WORKER_START_SECONDS,
    Bench,
    Options,
    end_child,
    ensure_tool,
    query,
    read_output,
)

SCRIPT = CHECKOUT / "tests/bench/post_payloads.lua"
# The statement's rate is the same after that.
MOST_BARE_SECONDS = 20
# Before the first look whether all is processed: what wrk left under way is stored by then.
SETTLE_SECONDS = 1.0
LOOK_SECONDS = 0.5
# Draining may take so long, and this many times as long as the load.
DRAIN_START_SECONDS = 60.0
DRAIN_PATIENCE = 10

OURS = "acknowledged by this server"
DRAINED = "processed, from the first request until the last of them"
BARE = "the statement alone, pgbench"
WANTED_RATE = 1_000
COUNT = Quantity("payloads", ",.0f")
LATENCY = Quantity("ms")

COUNT_WORKERS = """
import django
django.setup()
import django_rq
from rq import Worker
print(len(Worker.all(queue=django_rq.get_queue("payloads"))))
"""
# As the real file, and those of wrk's script.
BODY_BYTES = 1958
SET_VARIABLES = f"""
\\set number :number + 1
\\set place :number * {CONNECTIONS} + :client_id
"""
EXPRESSIONS = {
    "received_at": "clock_timestamp()",
    "received_on": "(clock_timestamp() AT TIME ZONE 'UTC')::date",
    "sha256": "sha256(:place::text::bytea)",
    "size_bytes": str(BODY_BYTES),
    "content_type": "'application/json'::text",
    "is_in_bucket": "false",
    "content_encoding": "''::text",
    "sender": "'127.0.0.1'::text",
    # As long and as scattered as those that the server makes.
    "key": "md5(:run::text || '-' || :place::text)",
    "body": f"repeat('7', {BODY_BYTES})::bytea",
}
EMPTY = """
    TRUNCATE dropzone_payload, dropzone_rawbody, dropzone_lineage, dropzone_measurement
"""
COUNT_WAITING = "SELECT count(*) FROM dropzone_payload WHERE state = 'received'"
# By the payloads' own times, which no look at them delays.
READ_OUTCOME = """
    WITH load AS (
        SELECT min(received_at) AS began_at, max(received_at) AS ended_at FROM dropzone_payload
    )
    SELECT count(*), count(*) FILTER (WHERE state = 'processed'),
           (SELECT count(*) FROM dropzone_rawbody), (SELECT count(*) FROM dropzone_measurement),
           (SELECT count(*) FROM dropzone_lineage),
           count(*) FILTER (WHERE payload.ended_at > load.ended_at),
           coalesce(extract(epoch FROM max(payload.ended_at) - load.ended_at), 0),
           coalesce(extract(epoch FROM max(payload.ended_at) - load.began_at), 0)
      FROM dropzone_payload AS payload, load
     GROUP BY load.began_at, load.ended_at
"""


@dataclass(frozen=True)
class Outcome:
    """What became of the payloads of a load: rows by table, and how long after it they waited."""

    payloads: int
    processed: int
    bodies: int
    measurements: int
    lineage: int
    waiting: int  # of those when the last came
    late_seconds: float  # from the last that came to the last that was processed
    whole_seconds: float  # from the first that came

    @property
    def rate(self) -> float:
        return self.processed / self.whole_seconds


@dataclass(frozen=True)
class Round:
    load: Load
    outcome: Outcome
    bare: Load


# Measuring


def measure_dropzone(bench: Bench, options: Options) -> Section:
    ensure_tool(bench.workshop, "wrk")
    statement = read_statement(bench, "dropzone.receiving", "RECEIVE")
    script = make_pgbench_script(SET_VARIABLES, statement, EXPRESSIONS)
    bare_seconds = min(options.seconds, MOST_BARE_SECONDS)
    numbers = itertools.count(1)
    rounds: list[Round] = []
    for place in range(1, options.rounds + 1):
        say(f"Round {place} of {options.rounds}")
        bare = measure_statement(bench, script, bare_seconds)
        load, outcome = measure_door(bench, numbers, options.seconds)
        rounds.append(Round(load, outcome, bare))
    what = (
        f"Rounds: {options.rounds}, {options.seconds} s each, the statement {bare_seconds} s;"
        f" {CONNECTIONS} connections."
    )
    return make_section(what, [tabulate_rates(rounds)], *write_rest(rounds))


def measure_statement(bench: Bench, script: str, seconds: int) -> Load:
    """Nobody drains meanwhile: what it stores is no payload that could be processed."""
    prepare(bench)
    with step(BARE):
        run_pgbench(bench, script, run="warm", seconds=WARM_SECONDS)
        load = run_pgbench(bench, script, run="measured", seconds=seconds)
    bench.supervisor.pump(0)
    query(bench, EMPTY)
    return load


def measure_door(bench: Bench, numbers: Iterator[int], seconds: int) -> tuple[Load, Outcome]:
    prepare(bench)
    with run_drainers(bench), step(OURS):
        run_wrk(bench, bench.web, SCRIPT, run=str(next(numbers)), seconds=WARM_SECONDS)
        wait_until_drained(bench, WARM_SECONDS)
        prepare(bench)
        load = run_wrk(bench, bench.web, SCRIPT, run=str(next(numbers)), seconds=seconds)
        wait_until_drained(bench, seconds)
    outcome = read_outcome(query(bench, READ_OUTCOME))
    check_outcome(load, outcome)
    return load, outcome


def prepare(bench: Bench) -> None:
    query(bench, EMPTY)
    query(bench, "CHECKPOINT")


@contextmanager
def run_drainers(bench: Bench) -> Iterator[None]:
    """The worker for payloads, beside the sweeper, until the block ends."""
    worker, sweeper = start_drainers(bench.workshop)
    with step("Payload worker"):
        bench.supervisor.wait_until(lambda: has_worker(bench), worker, WORKER_START_SECONDS)
    yield
    end_child(bench.supervisor, sweeper)
    end_child(bench.supervisor, worker)


def has_worker(bench: Bench) -> bool:
    """Until then the sweeper would drain, with a process beside."""
    return read_output(bench, "rq", bench.workshop.python, "-c", COUNT_WORKERS) != "0"


def wait_until_drained(bench: Bench, seconds: int) -> None:
    """Raises Refusal where it takes too long. Pauses between the looks, which should not slow down
    what they look at."""
    most_seconds = DRAIN_START_SECONDS + DRAIN_PATIENCE * seconds
    deadline = time.monotonic() + most_seconds
    time.sleep(SETTLE_SECONDS)
    while (waiting := query(bench, COUNT_WAITING)) != "0":
        if time.monotonic() > deadline:
            raise Refusal(f"{waiting} payloads still waited {most_seconds:.0f} s after the load.")
        time.sleep(LOOK_SECONDS)
        bench.supervisor.pump(0)


def read_outcome(output: str) -> Outcome:
    """Raises Refusal where nothing was stored."""
    if not output:
        raise Refusal(f"{OURS}: no payload was stored.")
    *counts, late_seconds, whole_seconds = output.split("|")
    payloads, processed, bodies, measurements, lineage, waiting = map(int, counts)
    return Outcome(
        payloads=payloads,
        processed=processed,
        bodies=bodies,
        measurements=measurements,
        lineage=lineage,
        waiting=waiting,
        late_seconds=float(late_seconds),
        whole_seconds=float(whole_seconds),
    )


def check_outcome(load: Load, outcome: Outcome) -> None:
    """What wrk no longer waited for may be stored beyond what was answered."""
    if not load.count <= outcome.payloads <= load.count + CONNECTIONS:
        raise Refusal(f"{load.count} were acknowledged, and {outcome.payloads} payloads stored.")
    for name in ("processed", "bodies", "measurements", "lineage"):
        found = getattr(outcome, name)
        if found != outcome.payloads:
            raise Refusal(f"{outcome.payloads} payloads were stored, but {name}: {found}.")


# Telling


def tabulate_rates(rounds: Sequence[Round]) -> Table:
    rates = tuple(one.load.rate for one in rounds)
    return Table(
        [
            Line(BARE, tuple(one.bare.rate for one in rounds)),
            Line(OURS, rates, BARE, limit=WANTED_RATE),
            Line(DRAINED, tuple(one.outcome.rate for one in rounds), OURS, 1.0),
        ],
        RATE,
    )


def write_rest(rounds: Sequence[Round]) -> list[str]:
    """The tables that hold nothing against another: how long each took, and what was left when
    the load ended."""
    return [write_latencies(rounds), write_backlog(rounds)]


def write_latencies(rounds: Sequence[Round]) -> str:
    rows = {"p50": [one.load.p50_ms for one in rounds], "p99": [one.load.p99_ms for one in rounds]}
    return write_table(
        ["acknowledged within", LATENCY.name],
        [[name, write_rounds(Line(name, tuple(found)), LATENCY)] for name, found in rows.items()],
    )


def write_backlog(rounds: Sequence[Round]) -> str:
    outcomes = [one.outcome for one in rounds]
    share = Quantity("share", ".2%")
    waiting = Line("waiting", tuple(found.waiting for found in outcomes))
    shares = Line("of all", tuple(found.waiting / found.payloads for found in outcomes))
    late = Line("until", tuple(found.late_seconds for found in outcomes))
    return write_table(
        ["when the load ended", "measured"],
        [
            ["payloads that waited", write_rounds(waiting, COUNT)],
            ["of all payloads", write_rounds(shares, share)],
            ["seconds until all were processed", write_rounds(late, SECONDS)],
        ],
    )
