"""Loaders commit each chunk once, whatever becomes of their connections."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg import sql

from explorer.samples import HEADER, write_trips
from imports.datasets import datasets
from imports.engine import loading
from imports.engine.copying import Committed, copy_chunk, count_staged, find_committed
from imports.engine.leasing import Connection, Lease, LeaseLost, claim_import
from imports.engine.loading import Loaders, Target
from imports.engine.records import Chunk, ImportFailure
from imports.jobs import read_connection_parameters
from imports.models import Import
from tests.factories.imports import ImportFactory
from tests.imports.chunks import make_chunk
from tests.imports.trips import NAMES, write_trip
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

TRIPS = datasets["trips"]
ROWS = 50


@dataclass
class Work:
    """An import that is owned, with an empty staging table."""

    record: Import
    lease: Lease
    stop: threading.Event = field(default_factory=threading.Event)
    loaded: list[tuple[int, Committed]] = field(default_factory=list)

    def start_loaders(
        self, count: int = 1, on_loaded: Callable[[Chunk, Committed], None] | None = None
    ) -> Loaders:
        target = Target(read_connection_parameters(), self.lease, TRIPS, NAMES)
        return Loaders(target, count, on_loaded=on_loaded or self.note, stop=self.stop)

    def load(self, chunks: Iterable[Chunk], loaders: Loaders | None = None, count: int = 1) -> None:
        with loaders or self.start_loaders(count) as running:
            for chunk in chunks:
                running.put(chunk)
            running.finish()

    def note(self, chunk: Chunk, committed: Committed) -> None:
        self.loaded.append((chunk.seq, committed))

    def check_loaded(self, session: Connection, chunks: int) -> None:
        """Each chunk is there once, and was told of once."""
        assert sorted(seq for seq, _ in self.loaded) == list(range(chunks))
        assert {committed for _, committed in self.loaded} == {Committed(ROWS, 0)}
        assert count_staged(session, TRIPS, self.record.pk) == chunks * ROWS
        assert self.record.chunks.count() == chunks


@pytest.fixture
def work(session: Connection) -> Iterator[Work]:
    record = ImportFactory(dataset="trips", queued=True)
    lease = claim_import(session, record.pk)
    assert lease is not None
    staging = TRIPS.staging(record.pk)
    with session.cursor() as cursor:
        TRIPS.create_staging(cursor, staging)
        yield Work(record, lease)
        cursor.execute(sql.SQL("DROP TABLE {}").format(staging.table))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "DATABASE_PAUSES", (0.0,) * 5)


def make_chunks(count: int) -> list[Chunk]:
    chunks: list[Chunk] = []
    start = len(HEADER)
    for seq in range(count):
        data = b"".join(write_trips(ROWS, seed=seq)).removeprefix(HEADER)
        chunks.append(make_chunk(data, seq=seq, byte_start=start, line_start=2 + seq * ROWS))
        start += len(data)
    return chunks


def fail_first(
    monkeypatch: pytest.MonkeyPatch, fail: Callable[[Connection, Callable[[], Committed]], Any]
) -> None:
    """The first time that a chunk is copied, `fail(connection, copy)` is called instead."""
    calls: list[Connection] = []

    def copy_or_fail(connection: Connection, *args: Any) -> Committed:
        calls.append(connection)
        if len(calls) == 1:
            fail(connection, lambda: copy_chunk(connection, *args))
        return copy_chunk(connection, *args)

    monkeypatch.setattr(loading, "copy_chunk", copy_or_fail)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_chunks_are_loaded_once_by_however_many_loaders(
    work: Work, session: Connection, count: int
) -> None:
    work.load(make_chunks(12), count=count)

    work.check_loaded(session, 12)


def test_connection_that_is_ended_before_a_chunk_is_replaced(
    work: Work, session: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(connection: Connection, copy: Callable[[], Committed]) -> None:
        session.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])

    fail_first(monkeypatch, end)

    work.load(make_chunks(3))

    work.check_loaded(session, 3)


def test_chunk_whose_connection_is_ended_within_is_loaded_once(
    work: Work, session: Connection
) -> None:
    with psycopg.connect(**read_connection_parameters()) as locker:
        table = TRIPS.staging(work.record.pk).table
        locker.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(table))
        with work.start_loaders() as loaders:
            loaders.put(make_chunks(1)[0])
            wait_until(lambda: bool(end_waiting(session, work.record)), seconds=20)
            locker.rollback()
            loaders.finish()

    work.check_loaded(session, 1)


def end_waiting(session: Connection, record: Import) -> list[Any]:
    """Ends the import's backends that wait for a lock."""
    return session.execute(
        """
        SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
         WHERE application_name LIKE %s AND wait_event_type = 'Lock'
        """,
        [f"catchment:import:{record.pk}:%"],
    ).fetchall()


def test_commit_whose_answer_is_lost_is_not_done_again(
    work: Work, session: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_answer(connection: Connection, copy: Callable[[], Committed]) -> None:
        copy()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    fail_first(monkeypatch, lose_answer)

    work.load(make_chunks(2))

    work.check_loaded(session, 2)


def test_rejects_of_a_lost_answer_are_told(
    work: Work, session: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_answer(connection: Connection, copy: Callable[[], Committed]) -> None:
        copy()
        raise psycopg.OperationalError

    fail_first(monkeypatch, lose_answer)
    chunk = make_chunk(write_trip() + write_trip({"tips": b"x"}), byte_start=len(HEADER))

    work.load([chunk])

    assert work.loaded == [(0, Committed(1, 1, 1))]
    assert work.record.rejects.count() == 1


def test_server_that_fails_for_ever_ends_the_loading(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> Committed:
        raise psycopg.errors.DiskFull

    monkeypatch.setattr(loading, "copy_chunk", fail)

    with pytest.raises(psycopg.errors.DiskFull):
        work.load(make_chunks(1))

    assert work.stop.is_set()
    assert work.loaded == []


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("error", [ZeroDivisionError(), SystemExit(), LeaseLost()])
def test_what_a_loader_raises_is_raised_where_chunks_are_put(
    work: Work, monkeypatch: pytest.MonkeyPatch, error: BaseException, count: int
) -> None:
    def fail(*args: Any) -> Committed:
        raise error

    monkeypatch.setattr(loading, "copy_chunk", fail)

    with pytest.raises(type(error)):
        work.load(make_chunks(10), count=count)

    assert work.loaded == []


def test_what_is_made_of_the_figures_ends_the_loading(work: Work) -> None:
    def refuse(chunk: Chunk, committed: Committed) -> None:
        raise ImportFailure("too_many_rejects", "enough")

    loaders = work.start_loaders(on_loaded=refuse)

    with pytest.raises(ImportFailure):
        work.load(make_chunks(10), loaders)

    assert 0 < work.record.chunks.count() < 10


def test_loaders_that_are_stopped_take_nothing_more(work: Work) -> None:
    with work.start_loaders() as loaders:
        work.stop.set()
        with pytest.raises(LeaseLost):
            loaders.put(make_chunks(1)[0])
        with pytest.raises(LeaseLost):
            loaders.finish()

    assert work.record.chunks.count() == 0


def test_lost_lease_ends_the_loading_with_nothing_committed(
    work: Work, session: Connection
) -> None:
    Import.objects.filter(pk=work.record.pk).update(lease_token=99)

    with pytest.raises(LeaseLost):
        work.load(make_chunks(4), count=2)

    assert count_staged(session, TRIPS, work.record.pk) == 0
    assert work.record.chunks.count() == 0


def test_chunk_is_found_only_where_it_was_committed(work: Work, session: Connection) -> None:
    first, second = make_chunks(2)

    committed = copy_chunk(session, work.lease, TRIPS, NAMES, first)

    assert committed == Committed(ROWS, 0)
    assert find_committed(session, work.record.pk, first) == committed
    assert find_committed(session, work.record.pk, second) is None
    assert find_committed(session, work.record.pk + 1, first) is None


def test_commit_that_lands_late_is_found_after_all(
    work: Work, session: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its backend outlives the connection, and commits after the loader has looked."""
    [chunk] = make_chunks(1)
    looks = []

    def look(*args: Any) -> Committed | None:
        looks.append(args)
        return find_committed(*args) if len(looks) > 1 else None

    copy_chunk(session, work.lease, TRIPS, NAMES, chunk)
    monkeypatch.setattr(loading, "find_committed", look)

    work.load([chunk], count=1)

    assert work.loaded == [(chunk.seq, Committed(ROWS, 0))]
    assert work.record.chunks.count() == 1
