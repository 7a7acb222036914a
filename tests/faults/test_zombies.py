"""Owners that are stopped, replaced, and wake up again: they commit nothing."""

import random
import signal
import time
from collections import Counter
from dataclasses import dataclass

import pytest
from campaigns import Notes

from imports.models import Import
from tests.faults.conftest import MakeCrew
from tests.faults.numbered import Row, check_exact, list_rows, write_numbered
from tests.faults.processes import Crew, is_alive, send_signal
from tests.faults.sizes import make_random, read_sizes, split_rounds
from tests.faults.sources import Page, Sources, drip, send

PATH = "/trips.csv"
CHUNKS = 50
SLOW_SECONDS = 4
# Between the fence's check and the commit first; without a point it is any moment of a download.
POINTS = (
    "before_commit",
    "before_publish_commit",
    "",
    "after_copy",
    "before_copy",
    "publishing",
    "before_publish",
)

Snapshot = tuple[list[Row], list[tuple[int, int, int]], int]


@dataclass
class Campaign:
    """The stops of a test, and what is measured."""

    crew: Crew
    sources: Sources
    page: Page
    chance: random.Random
    points: Counter[str]

    def run_import(self, point: str) -> Import:
        """An import whose first owner is stopped, and goes on once there was another."""
        self.start_first_owner(point)
        record = self.crew.queue(self.sources.url + PATH)
        zombies = self.stop_owner(point)
        token = self.crew.read(record).lease_token
        self.crew.start_worker("second")
        assert self.crew.wait_for_token(record, token)
        if self.chance.random() < 0.3:
            self.wake(zombies)  # while its successor works
            return self.crew.wait_for_end(record)
        finished = self.crew.wait_for_end(record)
        before = take_snapshot(finished)
        self.wake(zombies)
        assert take_snapshot(self.crew.read(record)) == before
        return finished

    def start_first_owner(self, point: str) -> None:
        slow = drip(self.page.stream.size // SLOW_SECONDS)
        self.sources.serve(PATH, self.page, send() if point else slow)
        place = point if "publish" in point else f"{point}@{self.chance.randint(1, 5)}"
        self.crew.start_worker("first", f"{place}=stop" if point else "")

    def stop_owner(self, point: str) -> set[int]:
        """Its process, and where the worker was slow that of the sweeper, which came too late."""
        self.points[f"at {point or 'download'}"] += 1
        if point:
            return {self.crew.wait_for_stop()}
        count = len(self.sources.requests)
        self.crew.wait_for(lambda: len(self.sources.requests) > count)
        time.sleep(self.chance.uniform(0, SLOW_SECONDS / 2))
        owners = self.crew.find_owners()
        stopped = {pid for pid in owners if send_signal(pid, signal.SIGSTOP)}
        self.sources.serve(PATH, self.page, send())
        assert stopped
        return stopped

    def wake(self, zombies: set[int]) -> None:
        """Waits until they have noticed that they are not the owner any more."""
        for pid in zombies:
            assert send_signal(pid, signal.SIGCONT)
        self.crew.wait_for(lambda: not any(map(is_alive, zombies)), seconds=15)


def take_snapshot(record: Import) -> Snapshot:
    """Whatever an owner writes: rows, ledger, figures."""
    chunks = record.chunks.order_by("seq").values_list("seq", "byte_start", "row_count")
    return list_rows(record), list(chunks), record.rows_loaded


@pytest.mark.parametrize("rounds", split_rounds("zombies"))
def test_stopped_owner_commits_nothing_when_it_goes_on(
    make_crew: MakeCrew, sources: Sources, notes: Notes, rounds: int
) -> None:
    rows = read_sizes("zombies").rows
    page = Page(write_numbered(rows), etag='"numbered"')
    crew = make_crew(chunk_bytes=page.stream.size // CHUNKS)
    chance, seed = make_random()
    notes.remarks += [f"seed {seed}", f"{rows:,} rows"]
    campaign = Campaign(crew, sources, page, chance, notes.counts)
    crew.start_sweeper()

    for number in range(rounds):
        record = campaign.run_import(POINTS[number % len(POINTS)])
        notes.count += 1
        check_exact(record, rows, page.stream.size, notes)
        crew.retire_workers()
        crew.delete(record)
