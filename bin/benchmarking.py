"""What `bin/bench` does: Catchment, and what others do with the same data, measured side by side.

It sets up as `bin/test` does, apart from it, with the durable settings of `bin/up`, and anew for
each task, so that none inherits tables from the one before.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from environment import clean_environment
from figures import Plot, Section, fill, read_page
from machine import (
    CHECKOUT,
    Needs,
    Workshop,
    check_disk,
    ensure_packages,
    hold_lock,
    make_private_folder,
    sync_python,
)
from planning import Plan, Task, read_plan
from running import guard
from stores import make_enterable
from summarising import write_summary
from supervisor import Refusal, StopRequested, Supervisor, kill_leftovers, say
from workbench import (
    LOCAL,
    LOGS,
    Bench,
    describe_machine,
    make_environment,
    make_fresh_home,
    remove_stores,
    start,
)

SUMMARY = "bin/bench"


@dataclass
class Outcome:
    """Sections by their tasks, and why the others failed; the machine as the last one told it."""

    sections: dict[str, Section] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    machine: str = ""


def main(arguments: Sequence[str]) -> int:
    plan = read_plan(arguments)
    return guard(lambda: run(plan))


def run(plan: Plan) -> int:
    make_enterable(CHECKOUT / ".local")
    make_private_folder(LOGS.parent)
    check_page(plan)
    began = time.monotonic()
    with hold_lock(CHECKOUT / ".local/bench.lock", "bin/bench"):
        outcome = measure_tasks(plan, measure_task)
    if plan.command:
        took = f"`{plan.command}` took {(time.monotonic() - began) / 60:.0f} minutes."
        write(plan, SUMMARY, describe_outcome(outcome, took))
    if len(plan.tasks) > 1 and outcome.failures:
        say(f"Failed: {', '.join(outcome.failures)}.")
    return 1 if outcome.failures else 0


def check_page(plan: Plan) -> None:
    """What the page lacks is told before the work, not after it."""
    if not plan.output.parent.is_dir():
        raise Refusal(f"{plan.output.parent} is no folder.")
    page = read_page(plan.output, plan.own)
    markers = [task.marker for task in plan.tasks]
    for marker in [SUMMARY, *markers] if plan.command else markers:
        fill(page, marker, "")


def measure_tasks(plan: Plan, measure: Callable[[Task], tuple[str, Section]]) -> Outcome:
    """Each section is written when it is measured, and the others are whatever becomes of it."""
    outcome = Outcome()
    for task in plan.tasks:
        say(f"\n== {task.marker}")
        try:
            outcome.machine, section = measure(task)
            report(plan, task, outcome.machine, section)
            if section.missed:
                raise Refusal(section.missed)
        except StopRequested:
            raise
        except Exception as error:
            if not isinstance(error, Refusal):
                traceback.print_exc()
            outcome.failures[task.name] = describe(error)
            say(f"{task.marker} failed: {outcome.failures[task.name]}")
        else:
            outcome.sections[task.name] = section
    return outcome


def describe(error: Exception) -> str:
    return str(error) if isinstance(error, Refusal) else f"{type(error).__name__}: {error}"


def measure_task(task: Task) -> tuple[str, Section]:
    """The machine, and what was measured on it; raises StopRequested where a signal came."""
    supervisor = Supervisor(LOCAL)
    try:
        # The cleaning comes last, when the supervisor has ended what works in the folders.
        with ExitStack() as cleaning, supervisor:
            bench = prepare(supervisor, task, cleaning)
            section = task.measure(bench)
            return describe_machine(bench), section
    finally:
        # Ctrl-C ends wrk and psql too, whose failure is no reason to go on with the next task.
        if supervisor.requested_signal:
            raise StopRequested(supervisor.requested_signal)


def prepare(supervisor: Supervisor, task: Task, cleaning: ExitStack) -> Bench:
    kill_leftovers(LOCAL)
    workshop = Workshop(supervisor, LOGS, clean_environment(os.environ))
    ensure_packages(Needs(), workshop)
    sync_python(workshop, "--no-dev", "--group", "bench", "--inexact")
    home = make_fresh_home()
    cleaning.callback(remove_stores, home)
    check_disk(home.data, task.disk_bytes)
    return start(Workshop(supervisor, LOGS, make_environment(home)), home)


# Telling


def describe_outcome(outcome: Outcome, took: str) -> str:
    peers = ", ".join(section.peers for section in outcome.sections.values() if section.peers)
    told = [outcome.machine, took, f"Peers: {peers}." if peers else ""]
    summary = write_summary(outcome.sections, outcome.failures)
    return f"{' '.join(filter(None, told))}\n\n{summary}"


def report(plan: Plan, task: Task, machine: str, section: Section) -> None:
    if section.plot:
        draw(section.plot, plan.output.parent)
    write(plan, task.marker, f"{machine}\n\n{section.content}")


def write(plan: Plan, marker: str, content: str) -> None:
    say(f"\n{content}\n")
    plan.output.write_text(fill(read_page(plan.output, plan.own), marker, content))
    say(f"Written to {plan.output}.")


def draw(plot: Plot, folder: Path) -> None:
    """In the project's Python, which has matplotlib."""
    path = folder / plot.file
    path.parent.mkdir(exist_ok=True)
    command = (CHECKOUT / ".venv/bin/python", CHECKOUT / "bin/plotting.py", path)
    environment: Mapping[str, str] = {**clean_environment(os.environ), "MPLCONFIGDIR": str(LOCAL)}
    done = subprocess.run(
        command, input=json.dumps(asdict(plot)), env=environment, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise Refusal(f"{path.name} was not drawn: {done.stderr.strip()[-500:]}")
