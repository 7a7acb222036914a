"""A long import delays nobody."""

import time

from campaigns import Notes

from imports.choices import Status
from tests.faults.conftest import MakeCrew
from tests.faults.numbered import check_exact, write_numbered
from tests.faults.processes import Crew
from tests.faults.sizes import read_sizes
from tests.faults.sources import Page, Sources, drip

SLOW_SECONDS = 3_600


def run_small(crew: Crew, url: str, page: Page, notes: Notes) -> float:
    """Seconds from the queuing of an import to its end."""
    began = time.monotonic()
    record = crew.wait_for_end(crew.queue(url))
    seconds = time.monotonic() - began
    notes.count += 1
    check_exact(record, read_sizes("neighbours").rows, page.stream.size, notes)
    crew.delete(record)
    return seconds


def test_small_import_does_not_wait_for_a_long_one(
    make_crew: MakeCrew, sources: Sources, notes: Notes
) -> None:
    sizes = read_sizes("neighbours")
    page = Page(write_numbered(sizes.rows), etag='"numbered"')
    small = sources.serve("/small.csv", page)
    long = sources.serve("/long.csv", page, drip(page.stream.size // SLOW_SECONDS))
    crew = make_crew()
    for name in ("first", "second"):
        crew.start_worker(name)
    crew.start_sweeper()

    notes.remarks += [f"{sizes.rows:,} rows"]
    alone = [run_small(crew, small, page, notes) for _ in range(sizes.rounds)]
    record = crew.queue(long)
    crew.wait_for_token(record, 0)
    beside = [run_small(crew, small, page, notes) for _ in range(sizes.rounds)]

    assert crew.read(record).status == Status.RUNNING
    notes.measure("s of a small import alone", alone)
    notes.measure("s of a small import beside a long one", beside)
