"""Owners that are killed: each row is there exactly once, whatever is killed, and whenever.

`FAULT_LEASE_SECONDS=20` measures the take-over with the lease that a service has.
"""

import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import pytest
from campaigns import Notes

from explorer.models import Trip
from explorer.partitions import IDS_PER_IMPORT
from imports.choices import ENDED, Status
from imports.models import Import
from tests.faults.conftest import MakeCrew
from tests.faults.numbered import (
    check_exact,
    compare_rows,
    list_rows,
    note_difference,
    write_numbered,
)
from tests.faults.processes import (
    LEASE_SECONDS,
    Crew,
    send_signal,
)
from tests.faults.sizes import make_random, read_sizes, split_rounds
from tests.faults.sources import Page, Sources, drip, send

PATH = "/trips.csv"
CHUNKS = 50  # of a file, so that there is something left after many kills
SLOW_SECONDS = 4  # for a file whose download is to be interrupted
# Where an owner is stopped before it is killed; of the first places it may be any of the first few.
POINTS = {
    "copy": ("before_copy", "after_copy"),
    "commit": ("before_commit",),
    "publish": ("publishing", "before_publish", "before_publish_commit"),
}
PHASES = ("download", "copy", "commit", "publish")
VICTIMS = ("work-horse", "both", "worker")


@dataclass
class Campaign:
    """The kills of a test, and what is measured."""

    crew: Crew
    sources: Sources
    page: Page
    rows: int
    chance: random.Random
    notes: Notes
    phases: Counter[str] = field(default_factory=Counter)
    victims: Counter[str] = field(default_factory=Counter)
    takeovers: list[float] = field(default_factory=list)
    reread: list[float] = field(default_factory=list)
    copied_in_vain: int = 0
    killed_at: float = 0.0
    requests: int = 0  # before the present owner's
    point: str = ""
    url: str = ""

    @property
    def kills(self) -> int:
        return self.phases.total()

    def run_import(self, rounds: int) -> Import:
        """An import that is interrupted in one phase after the other."""
        phases = PHASES[: rounds - self.kills]
        self.prepare(phases[0])
        record = self.crew.queue(self.url)
        for phase, following in zip(phases, (*phases[1:], ""), strict=True):
            self.crew.wait_for(partial(self.is_reached, record))
            if self.crew.read(record).status in ENDED:
                break
            if not self.point:
                time.sleep(self.chance.uniform(0, SLOW_SECONDS / 4))
            self.phases[phase] += 1
            self.kill()
            self.prepare(following)
            self.await_successor(record)
        self.prepare("")
        return self.crew.wait_for_end(record)

    def prepare(self, phase: str) -> None:
        """Lets the next owner come to where it is to be killed; without a phase to the end."""
        self.point = self.choose_point(phase)
        slow = drip(self.page.stream.size // SLOW_SECONDS)
        self.url = self.sources.serve(PATH, self.page, slow if phase == "download" else send())
        self.requests = len(self.sources.list_requests(PATH))
        self.crew.rearm_worker(self.point and f"{self.point}=stop")

    def choose_point(self, phase: str) -> str:
        if phase not in POINTS:
            return ""
        place = self.chance.choice(POINTS[phase])
        return place if phase == "publish" else f"{place}@{self.chance.randint(1, 5)}"

    def is_reached(self, record: Import) -> bool:
        if self.crew.read(record).status in ENDED:
            return True
        if self.point:
            return self.crew.find_stopped() is not None
        return len(self.sources.list_requests(PATH)) > self.requests

    def kill(self) -> None:
        """The work-horse, the worker, or both; an orphan goes on for a while, and dies too."""
        victim = self.chance.choice(VICTIMS)
        self.victims[victim] += 1
        horses = self.crew.find_owners()
        if victim != "work-horse":
            self.crew.kill(self.crew.workers["first"].pid)
        if victim == "worker":
            for pid in horses:
                send_signal(pid, signal.SIGCONT)
            time.sleep(self.chance.uniform(0, 0.5))
        for pid in horses:
            self.crew.kill(pid)
        self.killed_at = time.monotonic()

    def await_successor(self, record: Import) -> None:
        """An orphan may have finished the import meanwhile."""
        now = self.crew.read(record)
        # Before the successor commits chunks of its own.
        committed = list(now.chunks.values_list("byte_start", flat=True))
        if not self.crew.wait_for_token(record, now.lease_token):
            return
        self.takeovers.append(time.monotonic() - self.killed_at)
        if now.status != Status.RUNNING:
            return
        self.crew.wait_for(partial(self.has_asked_again, record))
        for request in self.sources.list_requests(PATH)[self.requests :][:1]:
            start = int(request.range.removeprefix("bytes=").partition("-")[0] or 0)
            self.reread.append(sum(byte_start >= start for byte_start in committed))

    def has_asked_again(self, record: Import) -> bool:
        """Unless there was nothing left to ask for."""
        is_past = self.crew.read(record).status in {*ENDED, Status.PUBLISHING}
        return is_past or len(self.sources.list_requests(PATH)) > self.requests

    def check(self, record: Import) -> None:
        check_exact(record, self.rows, self.page.stream.size, self.notes)
        last = Trip.objects.using("default").of_import(record.pk).latest("pk").pk
        self.copied_in_vain += last - record.pk * IDS_PER_IMPORT - self.rows

    def note(self) -> None:
        self.notes.count += self.kills
        self.notes.counts.update({f"in {phase}": count for phase, count in self.phases.items()})
        self.notes.counts.update({f"of {who}": count for who, count in self.victims.items()})
        self.notes.measure("s from a kill to the next owner", self.takeovers)
        self.notes.measure("committed chunks that the next owner read again", self.reread)
        self.notes.counts["rows copied in vain"] += self.copied_in_vain


def make_page(rows: int) -> Page:
    return Page(write_numbered(rows), etag='"numbered"')


@pytest.mark.parametrize("rounds", split_rounds("kills"))
def test_killed_owners_leave_every_row_exactly_once(
    make_crew: MakeCrew, sources: Sources, notes: Notes, rounds: int
) -> None:
    rows = read_sizes("kills").rows
    page = make_page(rows)
    lease = float(os.environ.get("FAULT_LEASE_SECONDS", LEASE_SECONDS))
    crew = make_crew(chunk_bytes=page.stream.size // CHUNKS, lease_seconds=lease)
    chance, seed = make_random()
    notes.remarks += [f"seed {seed}", f"{rows:,} rows, lease {lease:g} s"]
    campaign = Campaign(crew, sources, page, rows, chance, notes)
    crew.start_worker()
    crew.start_sweeper()

    try:
        while campaign.kills < rounds:
            record = campaign.run_import(rounds)
            campaign.check(record)
            crew.delete(record)
    finally:
        campaign.note()


@pytest.mark.parametrize(
    ("checkpoint", "point"),
    [("before_rows", "before_commit@5"), ("after_rows", "after_copy@5")],
)
def test_checkpoint_that_is_committed_apart_is_found_out(
    make_crew: MakeCrew, sources: Sources, notes: Notes, checkpoint: str, point: str
) -> None:
    """The control: the same check finds what a wrong engine loses or doubles."""
    rows, is_lost = 5_000, checkpoint == "before_rows"
    page = make_page(rows)
    crew = make_crew(chunk_bytes=page.stream.size // CHUNKS, checkpoint=checkpoint)
    crew.start_worker(faults=f"{point}=kill")
    crew.start_sweeper()
    record = crew.queue(sources.serve(PATH, page))

    crew.wait_for(lambda: "Work-horse terminated" in crew.log.read_text())
    crew.rearm_worker("")
    record = crew.wait_for_end(record)

    found = compare_rows(list_rows(record), rows)
    notes.count += 1
    note_difference(notes, rows, found)
    assert (found.lost > 0, found.doubled > 0, found.strange) == (is_lost, not is_lost, 0)
    assert (record.status, record.error_code) == (Status.FAILED, "incomplete")
    with pytest.raises(AssertionError):
        check_exact(record, rows, page.stream.size)
