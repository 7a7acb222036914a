"""Cancels at any moment: soon done, nothing seen, nothing left, nothing committed afterwards."""

import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from campaigns import Notes
from django.db import connection

from imports.choices import ENDED, Status
from imports.jobs import cancel_import, create_import
from imports.models import Import
from tests.faults.conftest import MakeCrew
from tests.faults.numbered import check_exact, count_published, is_staged, write_numbered
from tests.faults.processes import Crew, send_signal
from tests.faults.sizes import Sizes, make_random, read_sizes
from tests.faults.sources import Page, Sources, drip, send

PATH = "/trips.csv"
CHUNKS = 50
SLOW_SECONDS = 3
MOST_SECONDS = 2.0
CANCELLED = "s until an import was cancelled"
SIDE_BY_SIDE = 4
PHASES = ("queued", "download", "COPY", "publish", "stopped")
# Where a stopped owner holds the locks that a cancel must get past.
POINTS = ("after_copy@3", "before_commit@3", "publishing", "before_publish_commit")


@dataclass
class Campaign:
    """The cancels of a test, and what is measured."""

    crew: Crew
    sources: Sources
    page: Page
    chance: random.Random
    rows: int
    notes: Notes

    def cancel_in(self, phase: str) -> None:
        """An import that is cancelled in that phase, or has just finished."""
        self.prepare(phase)
        record = self.crew.queue(self.sources.url + PATH)
        self.wait_for(record, phase)
        loaded = sum(record.chunks.values_list("row_count", flat=True))
        began = time.monotonic()
        is_cancelled = cancel_import(record.pk)
        took = time.monotonic() - began
        self.notes.count += 1
        self.notes.counts[f"{phase}: {'cancelled' if is_cancelled else 'finished'}"] += 1
        if not is_cancelled:
            finished = self.crew.wait_for_end(record)
            check_exact(finished, self.rows, self.page.stream.size, self.notes)
        else:
            self.crew.wait_for(lambda: self.crew.read(record).status == Status.CANCELLED)
            self.notes.measure(CANCELLED, [max(took, time.monotonic() - began)])
            self.check_cancelled(record, loaded)
        self.crew.delete(record)

    def prepare(self, phase: str) -> None:
        slow = drip(self.page.stream.size // SLOW_SECONDS)
        self.sources.serve(PATH, self.page, slow if phase == "download" else send())
        point = self.chance.choice(POINTS) if phase == "stopped" else ""
        self.crew.rearm_worker(point and f"{point}=stop")
        self.crew.wait_for(self.crew.is_listening)

    def wait_for(self, record: Import, phase: str) -> None:
        if phase == "queued":
            return
        if phase == "stopped":
            self.crew.wait_for_stop()
            return
        states = {Status.RUNNING, Status.PUBLISHING, *ENDED}
        if phase == "publish":
            states -= {Status.RUNNING}
        self.crew.wait_for(lambda: self.crew.read(record).status in states)
        if phase == "COPY":
            self.crew.wait_for(lambda: self.is_loading(record))
        longest = {"download": SLOW_SECONDS, "COPY": 0.3, "publish": 0.02}[phase]
        time.sleep(self.chance.uniform(0, longest))

    def is_loading(self, record: Import) -> bool:
        return record.chunks.exists() or self.crew.read(record).status in ENDED

    def check_cancelled(self, record: Import, loaded: int) -> None:
        """Also once the owner, which may have been stopped, has noticed."""
        figures = self.check_empty(record)
        assert figures >= loaded
        for pid in self.crew.find_owners():
            send_signal(pid, signal.SIGCONT)
        self.crew.wait_for(lambda: not self.crew.find_owners(), seconds=5)
        assert self.check_empty(record) == figures
        assert not cancel_import(record.pk)

    def check_empty(self, record: Import) -> int:
        """Returns the figure of rows that were loaded when it was cancelled."""
        now = self.crew.read(record)
        assert (now.status, now.rows_added) == (Status.CANCELLED, 0)
        assert now.ended_at is not None
        assert not now.chunks.exists()
        assert not is_staged(now)
        assert count_published(now) == 0
        return now.rows_loaded


def cancel_alone(import_id: int) -> bool:
    """In a thread, which has a database connection of its own."""
    try:
        return cancel_import(import_id)
    finally:
        connection.close()


def make_campaign(crew: Crew, sources: Sources, sizes: Sizes, notes: Notes) -> Campaign:
    page = Page(write_numbered(sizes.rows), etag='"numbered"')
    chance, seed = make_random()
    notes.remarks += [f"seed {seed}", f"{sizes.rows:,} rows"]
    crew.start_worker()
    crew.start_sweeper()
    return Campaign(crew, sources, page, chance, sizes.rows, notes)


def test_cancelled_import_leaves_nothing(
    make_crew: MakeCrew, sources: Sources, notes: Notes
) -> None:
    sizes = read_sizes("cancels")
    crew = make_crew(chunk_bytes=len(write_numbered(sizes.rows)) // CHUNKS)
    campaign = make_campaign(crew, sources, sizes, notes)

    for number in range(sizes.rounds):
        campaign.cancel_in(PHASES[number % len(PHASES)])

    assert max(notes.figures[CANCELLED]) < MOST_SECONDS


def test_cancel_against_the_end_has_one_winner(
    make_crew: MakeCrew, sources: Sources, notes: Notes
) -> None:
    sizes = read_sizes("cancels at the end")
    crew = make_crew(chunk_bytes=len(write_numbered(sizes.rows)) // 3)
    campaign = make_campaign(crew, sources, sizes, notes)

    for _ in range(sizes.rounds):
        campaign.cancel_in("publish")


@pytest.mark.django_db(transaction=True)
def test_cancels_at_the_same_time_do_not_hinder_each_other() -> None:
    url = "https://data.example/trips.csv"
    records = [create_import("trips", url) for _ in range(2 * SIDE_BY_SIDE)]

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        answers = list(pool.map(cancel_alone, [record.pk for record in records]))

    assert all(answers)
    states = Import.objects.values_list("status", flat=True)
    assert list(states) == [Status.CANCELLED] * len(records)
