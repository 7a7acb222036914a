"""pgloader, which is slow: it gets the first rows only, and its time is multiplied."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from figures import Line
from machine import Workshop, step
from supervisor import Program, Refusal, describe_exit, last_lines, say
from workbench import Bench, count_rows, ensure_tool

PGLOADER = "pgloader"
MOST_ROWS = 500_000
MOST_SECONDS = 600
TIMED_OUT = 124  # what `timeout` answers

SCRIPT = """
LOAD CSV
    FROM '{file}' HAVING FIELDS ({columns})
    INTO postgresql://{role}@unix:{sockets}:5432/{role}
    TARGET TABLE public.{table} ({columns})
    WITH skip header = 1, fields optionally enclosed by '"', fields terminated by ','
    SET timezone TO 'America/New_York';
"""


@dataclass(frozen=True)
class Target:
    """An empty table, and its columns in the order of the file."""

    table: str
    columns: str


@dataclass(frozen=True)
class Run:
    """Seconds for the first `taken` rows; `is_bound`: it was ended before it was done."""

    seconds: float
    taken: int
    loaded: int
    is_bound: bool = False
    fault: str = ""


def ensure_pgloader(workshop: Workshop) -> bool:
    try:
        ensure_tool(workshop, "pgloader")
    except Refusal as refusal:
        say(str(refusal))
        return False
    return True


def run_pgloader(bench: Bench, file: Path, target: Target, rows: int) -> Run:
    taken = min(rows, MOST_ROWS)
    program = prepare(bench, file, target, taken)
    with step(PGLOADER):
        began = time.monotonic()
        code = bench.supervisor.run(program)
        seconds = time.monotonic() - began
    shutil.rmtree(program.folder)
    fault = "" if code in {0, TIMED_OUT} else describe_exit(code)
    if fault:
        say(f"pgloader failed:\n{last_lines(program.log)}")
    return Run(seconds, taken, count_rows(bench, target.table), code == TIMED_OUT, fault)


def prepare(bench: Bench, file: Path, target: Target, rows: int) -> Program:
    root = file.parent / "pgloader"
    root.mkdir(exist_ok=True)
    write_first_rows(file, root / file.name, rows)
    role = bench.home.database_url.partition("://")[2].partition("@")[0]
    (root / "trips.load").write_text(
        SCRIPT.format(
            file=file.name,
            columns=target.columns,
            role=role,
            sockets=bench.home.sockets,
            table=target.table,
        )
    )
    command = ("timeout", str(MOST_SECONDS), "pgloader", "--root-dir", str(root), "trips.load")
    return replace(bench.workshop.program("pgloader", *command), folder=root)


def write_first_rows(source: Path, target: Path, rows: int) -> None:
    """Without quoted line breaks, as generated trips are."""
    with source.open("rb") as lines, target.open("wb") as file:
        file.writelines(itertools.islice(lines, rows + 1))


def make_pgloader_line(runs: Sequence[Run], rows: int) -> Line:
    """Of `rows` rows; without runs it could not be had."""
    if not runs:
        return Line(PGLOADER, note="not measured: apt could not install it")
    if fault := next((run.fault for run in runs if run.fault), ""):
        return Line(PGLOADER, note=f"not measured: {fault}")
    notes = []
    if (taken := runs[0].taken) < rows:
        notes.append(f"extrapolated from {taken:,} rows")
    is_bound = any(run.is_bound for run in runs)
    if not is_bound and (least := min(run.loaded for run in runs)) != taken:
        notes.append(f"of which it loaded {least:,}")
    times = tuple(run.seconds * rows / run.taken for run in runs)
    return Line(PGLOADER, times, note=", ".join(notes), is_bound=is_bound)
