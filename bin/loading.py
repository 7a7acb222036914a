"""Loads on a server and on PostgreSQL alone: wrk and pgbench, and what they tell."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from figures import Quantity
from machine import CHECKOUT
from supervisor import Refusal
from workbench import LOCAL, Bench, find_client, read_output

GET = CHECKOUT / "tests/bench/get_paths.lua"
CONNECTIONS = 16
THREADS = 2
WARM_SECONDS = 2
MOST_SECONDS = 60  # an answer may take
# Rows, what comes of them, and their log: more than two cores take in.
DISK_BYTES_PER_SECOND = 50_000_000

RATE = Quantity("requests a second", ",.0f", is_more_better=True)

PARAMETER = re.compile(r"%\((\w+)\)[bs]")


@dataclass(frozen=True)
class Load:
    """What was answered while it was measured; `refused` of it with a 503."""

    count: int
    rate: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    p95_ms: float = 0.0
    refused: int = 0


def read_statement(bench: Bench, module: str, name: str) -> str:
    """The statement of this name in a module of the project, which Django has to be up for."""
    script = f"import django; django.setup(); from {module} import {name}; print({name})"
    return read_output(bench, name, bench.workshop.python, "-c", script)


def replace_parameters(statement: str, texts: Mapping[str, str]) -> str:
    """Of parameters `%(name)s` or `%(name)b`; raises Refusal for one that is not known."""
    unknown = set(PARAMETER.findall(statement)) - set(texts)
    if unknown:
        raise Refusal(f"The statement has a parameter that bin/bench lacks: {min(unknown)}.")
    return PARAMETER.sub(lambda found: texts[found[1]], statement)


# A server


def run_wrk(bench: Bench, port: int, script: Path, *, run: str, seconds: int) -> Load:
    """`run` is what the script tells its requests from those of other runs by. An answer that takes
    more than wrk's own 2 s has failed."""
    return _drive(bench, port, script, run, (f"-d{seconds}s",))


def run_wrk_patiently(bench: Bench, port: int, script: Path, *, run: str, seconds: int) -> Load:
    """The same, where an answer may take a minute: all doors are asked at once."""
    limits = (f"-d{seconds}s", f"--timeout={MOST_SECONDS}s")
    return _drive(bench, port, script, run, limits)


def _drive(bench: Bench, port: int, script: Path, run: str, limits: Sequence[str]) -> Load:
    options = (f"-c{CONNECTIONS}", f"-t{THREADS}", *limits, "--latency", "-s", str(script))
    return read_wrk(
        read_output(bench, "wrk", "wrk", *options, f"http://127.0.0.1:{port}", "--", run)
    )


def fetch_paths(
    bench: Bench, port: int, paths: Sequence[str], *, connections: int, seconds: int
) -> Load:
    """Asks for them in turn; an answer other than 200 and 503 raises Refusal."""
    file = LOCAL / "paths.txt"
    file.write_text("\n".join(paths))
    options = (f"-c{connections}", f"-t{THREADS}", f"-d{seconds}s", f"--timeout={MOST_SECONDS}s")
    command = ("wrk", *options, "--latency", "-s", str(GET), f"http://127.0.0.1:{port}")
    return read_wrk(read_output(bench, "wrk", *command, "--", str(file)))


def read_wrk(output: str) -> Load:
    """From the line of our scripts; raises Refusal where a request failed or none was answered."""
    found = re.search(r"^RESULT (.*)$", output, re.MULTILINE)
    if found is None:
        raise Refusal(f"wrk told no result:\n{output[-500:]}")
    result = json.loads(found[1])
    count = result["requests"]
    if result["failed"] or not count:
        raise Refusal(f"{result['failed']} of {count} requests failed.")
    return Load(
        count,
        count / result["seconds"],
        result["p50_ms"],
        result["p99_ms"],
        result["p95_ms"],
        result["refused"],
    )


# PostgreSQL alone


def run_pgbench(bench: Bench, content: str, *, run: str, seconds: int) -> Load:
    """The script may use `:run`, and `:number`, which is -1 at its client's start."""
    script = LOCAL / "statement.pgbench"
    script.write_text(content)
    options = ("-n", "-c", str(CONNECTIONS), "-j", str(THREADS), "-M", "prepared")
    variables = ("-D", f"run={run}", "-D", "number=-1")
    command = (find_client(bench, "pgbench"), *options, *variables, "-T", str(seconds))
    output = read_output(bench, "pgbench", *command, "-f", str(script), bench.home.database_url)
    return read_pgbench(output)


def make_pgbench_script(variables: str, statement: str, expressions: Mapping[str, str]) -> str:
    bracketed = {name: f"({expression})" for name, expression in expressions.items()}
    return f"{variables.lstrip()}{replace_parameters(statement, bracketed).strip()};\n"


def read_pgbench(output: str) -> Load:
    """Raises Refusal where a transaction failed or the figures are missing."""
    done = re.search(r"^number of transactions actually processed: (\d+)", output, re.MULTILINE)
    failed = re.search(r"^number of failed transactions: (\d+)", output, re.MULTILINE)
    rate = re.search(r"^tps = ([\d.]+)", output, re.MULTILINE)
    if not (done and failed and rate):
        raise Refusal(f"pgbench told no result:\n{output[-500:]}")
    if int(failed[1]) or not int(done[1]):
        raise Refusal(f"{failed[1]} of pgbench's transactions failed, {done[1]} did not.")
    return Load(int(done[1]), float(rate[1]))
