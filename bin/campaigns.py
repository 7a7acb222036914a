"""The campaigns of tests/faults: what each does and checks, and what its tests tell of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Notes:
    """What a test tells of itself, also where it fails; those of a campaign are added up."""

    count: int = 0  # of what was done
    rows: int = 0  # that were compared one by one with what was sent
    lost: int = 0
    doubled: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    # By what was measured, with its unit.
    figures: dict[str, list[float]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def measure(self, name: str, values: Iterable[float]) -> None:
        self.figures.setdefault(name, []).extend(round(value, 4) for value in values)

    def add(self, other: Notes) -> None:
        self.count += other.count
        self.rows += other.rows
        self.lost += other.lost
        self.doubled += other.doubled
        self.counts.update(other.counts)
        for name, values in other.figures.items():
            self.measure(name, values)
        self.remarks += other.remarks

    def write(self) -> str:
        return json.dumps(vars(self))


def read_notes(text: str) -> Notes:
    found = json.loads(text)
    return Notes(**{**found, "counts": Counter(found["counts"])})


@dataclass(frozen=True)
class Campaign:
    """Its `tests` are files, or functions of files that no other campaign names more closely."""

    name: str
    tests: Sequence[str]
    unit: str  # of its notes' `count`
    checks: str
    is_control: bool = False


# Those that take longest come first, so that no process is left with one while the others rest.
CAMPAIGNS = (
    Campaign(
        "An import's worker, its work-horse or both are killed (SIGKILL), in every phase",
        ["test_kills"],
        "kills",
        "each row of the file, by its number; the ledger covers each byte once",
    ),
    Campaign(
        "Control: a checkpoint that commits apart from its rows, under the same check",
        ["test_kills.test_checkpoint_that_is_committed_apart_is_found_out"],
        "kills",
        "that the same check finds rows that are lost, or doubled",
        is_control=True,
    ),
    Campaign(
        "Owners of imports are stopped, replaced, and go on (zombies)",
        ["test_zombies"],
        "zombies",
        "each row, by its number; a zombie changes neither rows nor ledger nor figures",
    ),
    Campaign(
        "Imports from URLs, redirects and names that lead to denied addresses",
        ["test_guard"],
        "imports",
        "nobody connects to where they lead; each ends as `url_denied`, or as unknown names do",
    ),
    Campaign(
        "Control: a guard with a hole, and listeners that are called",
        [
            "test_guard.test_watch_sees_what_goes_through_a_hole",
            "test_guard.test_listeners_count_who_connects",
        ],
        "connections",
        "that each connection to a denied address is counted",
        is_control=True,
    ),
    Campaign(
        "Imports are cancelled at any moment, also while their owner is stopped",
        ["test_cancels"],
        "cancels",
        "over within 2 s; no row, staging table or chunk is left or comes later; who had finished"
        " has each row",
    ),
    Campaign(
        "Fixes of 40 phones from 16 clients at once, a fifth of them repeated",
        ["test_locations"],
        "fixes",
        "each timestamp is stored once, and each average is that of exact fractions",
    ),
    Campaign(
        "Payloads from 16 clients while web, worker and Redis are killed, and Redis hangs or is"
        " gone for good",
        ["test_dropzone"],
        "payloads",
        "what was acknowledged is there byte for byte, processed, and the source of its instant",
    ),
    Campaign(
        "Redis is killed, stopped or flushed while imports wait or run",
        ["test_redis"],
        "harms",
        "each row, by its number; a kick is over within 2 s",
    ),
    Campaign(
        "PostgreSQL crashes and recovers during imports",
        ["test_restarts"],
        "crashes",
        "each row, by its number",
    ),
    Campaign(
        "Small imports beside one that takes an hour",
        ["test_neighbours"],
        "imports",
        "each row, by its number, while the long one goes on",
    ),
    Campaign(
        "An import that goes on behind 290 GB and many rows, by its ledger",
        ["test_size"],
        "imports",
        "it asks for what is missing only, and counts, numbers and publishes all",
    ),
    Campaign(
        "Sources that break off, stall, lie, change, bomb, redirect or never end",
        ["test_breaks", "test_contents", "test_redirects", "test_server"],
        "imports",
        "finished with the rows of the file, each as often as in there, or failed without any",
    ),
    Campaign(
        "Requests above the limit at two processes, whose Redis is killed, hangs, and comes back",
        ["test_limits"],
        "requests",
        "as many pass as may; without Redis ingest stays open and login is closed",
    ),
    Campaign(
        "Dumps are restored into an empty and over a full database, after an owner was killed",
        ["test_restoring"],
        "restores",
        "checksums of all tables and sequences; the import that ran goes on to its end",
    ),
    Campaign(
        "Logs and metrics of two processes, with their stores and without any",
        ["test_watching"],
        "requests",
        "each is logged and counted once; a scrape answers without the stores",
    ),
)


def list_modules(campaigns: Sequence[Campaign] = CAMPAIGNS) -> list[str]:
    """Each file once, in order."""
    names = (test.partition(".")[0] for campaign in campaigns for test in campaign.tests)
    return list(dict.fromkeys(names))


def find_campaign(test: str, campaigns: Sequence[Campaign] = CAMPAIGNS) -> Campaign | None:
    """Whose is `module.function[parameters]`: a campaign that names the function goes before one
    that names the file."""
    module, _, rest = test.partition(".")
    function = f"{module}.{rest.partition('[')[0]}"
    owners: Mapping[str, Campaign] = {
        name: campaign for campaign in campaigns for name in campaign.tests
    }
    return owners.get(function) or owners.get(module)
