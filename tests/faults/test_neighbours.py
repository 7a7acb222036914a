"""A long import delays nobody.

The long campaign: `FAULT_ROUNDS=20 pytest tests/faults/test_neighbours.py -s`.
"""

import time

from imports.choices import Status
from imports.jobs import delete_import
from tests.faults.conftest import MakeCrew
from tests.faults.numbered import check_exact, write_numbered
from tests.faults.processes import Crew, describe, read_rounds, read_rows
from tests.faults.sources import Page, Sources, drip

SLOW_SECONDS = 3_600


def run_small(crew: Crew, url: str, page: Page, rows: int) -> float:
    """Seconds from the queuing of an import to its end."""
    began = time.monotonic()
    record = crew.wait_for_end(crew.queue(url))
    seconds = time.monotonic() - began
    check_exact(record, rows, page.stream.size)
    delete_import(record.pk)
    return seconds


def test_small_import_does_not_wait_for_a_long_one(make_crew: MakeCrew, sources: Sources) -> None:
    rounds, rows = read_rounds(1), read_rows(5_000)
    page = Page(write_numbered(rows), etag='"numbered"')
    small = sources.serve("/small.csv", page)
    long = sources.serve("/long.csv", page, drip(page.stream.size // SLOW_SECONDS))
    crew = make_crew()
    for name in ("first", "second"):
        crew.start_worker(name)
    crew.start_sweeper()

    alone = [run_small(crew, small, page, rows) for _ in range(rounds)]
    record = crew.queue(long)
    crew.wait_for_token(record, 0)
    beside = [run_small(crew, small, page, rows) for _ in range(rounds)]

    assert crew.read(record).status == Status.RUNNING
    print(f"\nimports of {rows} rows, s until finished: alone {describe(alone)}")
    print(f"beside a long one: {describe(beside)}")
