"""What `bin/test faults` writes to docs/reliability.md: what was tried, and what came of it.

Each campaign has its line, whether its tests passed, failed, were skipped, or did nothing.
"""

from __future__ import annotations

import re
import statistics
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from campaigns import CAMPAIGNS, Campaign, Notes, find_campaign, read_notes
from figures import fill, read_page, write_table
from hardware import ask, describe_machine
from machine import CHECKOUT
from stores import choose_server, find_postgres_servers, find_redis_server
from supervisor import say

PAGE = CHECKOUT / "docs/reliability.md"
MARKER = "bin/test faults"
FOLDER = "tests.faults."
OUTCOMES = {"failure": "failed", "error": "failed", "skipped": "skipped"}
MOST_REASON_CHARACTERS = 200


@dataclass(frozen=True)
class Result:
    """Of one test: `module.function[parameters]`, and why where it did not pass."""

    test: str
    outcome: str  # passed, failed or skipped
    reason: str = ""
    notes: Notes = field(default_factory=Notes)


@dataclass(frozen=True)
class Run:
    """A run of pytest over the campaigns."""

    results: Sequence[Result]
    code: int
    minutes: float
    words: Sequence[str] = (MARKER,)

    @property
    def is_whole(self) -> bool:
        """Nothing was left out, and no size was changed."""
        return list(self.words) == [MARKER]

    @property
    def verdict(self) -> str:
        if self.code or "failed" in self.outcomes:
            return "**It did not hold.**"
        return "All held." if self.outcomes == {"passed"} else "**Not all of it was tried.**"

    @property
    def exit_code(self) -> int:
        """A whole run in which a campaign is missing has failed, whatever pytest says."""
        is_wrong = "failed" in self.outcomes or (self.is_whole and "" in self.outcomes)
        return self.code or int(is_wrong)

    @property
    def outcomes(self) -> set[str]:
        return {judge(choose_results(campaign, self.results)) for campaign in CAMPAIGNS}


def publish(run: Run) -> int:
    """Prints the section, puts a whole run's on the page, and tells what the command ends with."""
    section = write_section(run, describe_machine(find_versions()))
    say(f"\n{section}\n")
    if run.is_whole:
        PAGE.write_text(fill(read_page(PAGE), MARKER, section))
        say(f"Written to {PAGE}.")
    else:
        say("Not written to the page: it is not the whole of the campaigns.")
    return run.exit_code


def find_versions() -> list[str]:
    binaries = choose_server(find_postgres_servers(), PAGE).binaries
    postgres = ask(str(binaries / "postgres"), "--version").split()[2:3]
    redis = re.findall(r"v=(\S+)", ask(find_redis_server() or "redis-server", "--version"))
    return [f"PostgreSQL {name}" for name in postgres] + [f"Redis {name}" for name in redis]


# Reading what pytest wrote


def read_results(path: Path) -> list[Result]:
    """Nothing where pytest was ended before it wrote them."""
    if not path.exists():
        return []
    cases = ET.parse(path).getroot().iter("testcase")  # noqa: S314 - pytest's own
    return [read_result(case) for case in cases]


def read_result(case: ET.Element) -> Result:
    names = filter(None, [case.get("classname"), case.get("name")])
    name = ".".join(names).removeprefix(FOLDER)  # of a file that cannot be read just its own
    found = next((part for part in case if part.tag in OUTCOMES), None)
    noted = case.find("properties/property[@name='notes']")
    notes = Notes() if noted is None else read_notes(noted.get("value", "{}"))
    if found is None:
        return Result(name, "passed", notes=notes)
    return Result(name, OUTCOMES[found.tag], shorten(found.get("message", "")), notes)


def shorten(reason: str) -> str:
    """The beginning of its first line, as it may stand between backticks."""
    [first, *_] = reason.strip().splitlines() or [""]
    return first[:MOST_REASON_CHARACTERS].replace("`", "'")


# Judging


def choose_results(campaign: Campaign, results: Sequence[Result]) -> list[Result]:
    return [result for result in results if find_campaign(result.test) is campaign]


def judge(results: Sequence[Result]) -> str:
    """The worst that came of a campaign's tests; nothing where they did nothing."""
    outcomes = {result.outcome for result in results}
    worst = next((worst for worst in ("failed", "skipped", "passed") if worst in outcomes), "")
    return "" if worst == "passed" and not sum_up(results).count else worst


def sum_up(results: Sequence[Result]) -> Notes:
    notes = Notes()
    for result in results:
        notes.add(result.notes)
    return notes


# Writing


def write_section(run: Run, machine: str) -> str:
    parts = [machine, write_summary(run), write_campaigns(run)]
    if told := [result for result in run.results if result.outcome != "passed"]:
        parts.append("\n".join(write_reason(result) for result in told))
    parts += [write_measured(run), write_details(run)]
    return "\n\n".join(filter(None, parts))


def write_summary(run: Run) -> str:
    counts = Counter(result.outcome for result in run.results)
    tests = [f"{counts[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped")]
    ended = [f"pytest ended with {run.code}"] if run.code else []
    took = f"`{' '.join(run.words)}`: {run.minutes:.0f} minutes"
    return f"{took}; tests: {', '.join([*tests, *ended])}. {run.verdict}"


def write_reason(result: Result) -> str:
    return f"- {result.outcome}: `{result.test}`: `{result.reason or '-'}`"


def write_campaigns(run: Run) -> str:
    header = [
        "what is done",
        "how often",
        "what must hold",
        "compared",
        "lost",
        "doubled",
        "result",
    ]
    return write_table(header, [write_campaign(campaign, run) for campaign in CAMPAIGNS])


def write_campaign(campaign: Campaign, run: Run) -> list[str]:
    results = choose_results(campaign, run.results)
    notes = sum_up(results)
    often = f"{notes.count:,} {campaign.unit}" if notes.count else ""
    compared = [f"{notes.rows:,}", f"{notes.lost:,}", f"{notes.doubled:,}"]
    return [
        campaign.name,
        often,
        campaign.checks,
        *(compared if notes.rows else ["", "", ""]),
        write_verdict(campaign, results),
    ]


def write_verdict(campaign: Campaign, results: Sequence[Result]) -> str:
    outcome = judge(results)
    counts = Counter(result.outcome for result in results)
    if outcome == "":
        return "**not tried**"
    if outcome == "passed":
        held = "found out, as it must" if campaign.is_control else "held"
        return f"{held} ({counts['passed']} {'test' if counts['passed'] == 1 else 'tests'})"
    return f"**{counts[outcome]} of {counts.total()} {outcome}**"


def write_measured(run: Run) -> str:
    """Of seconds and the like: the median, the 99th percentile, and the most."""
    rows = [
        [name, f"{len(values):,}", *(f"{value:,.2f}" for value in describe(values))]
        for name, values in sum_up(run.results).figures.items()
        if values
    ]
    return write_table(["measured", "how often", "p50", "p99", "most"], rows) if rows else ""


def describe(values: Sequence[float]) -> tuple[float, float, float]:
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return statistics.median(ordered), p99, ordered[-1]


def write_details(run: Run) -> str:
    noted = {campaign.name: sum_up(choose_results(campaign, run.results)) for campaign in CAMPAIGNS}
    lines = [
        f"- {name}: {write_detail(notes)}."
        for name, notes in noted.items()
        if notes.counts or notes.remarks
    ]
    return "\n".join(lines)


def write_detail(notes: Notes) -> str:
    counts: Mapping[str, int] = notes.counts
    told = [f"{name} {count:,}" for name, count in sorted(counts.items())]
    return "; ".join([*dict.fromkeys(notes.remarks), *told])
