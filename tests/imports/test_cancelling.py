"""An import can be cancelled at any moment, whatever its owner is doing."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from django.db import connection, connections
from psycopg import sql

from explorer.models import Trip
from explorer.samples import write_trips
from imports.choices import ENDED, Status
from imports.datasets import datasets
from imports.engine import cancelling, cutting, loading
from imports.engine.cancelling import finish_cancelling
from imports.engine.copying import Committed, copy_chunk
from imports.engine.leasing import Connection, Lease, claim_import, connect, connect_aside
from imports.engine.records import Chunk, Dataset
from imports.jobs import (
    RowsInUse,
    cancel_import,
    create_import,
    finish_cancelled,
    has_staging,
    read_connection_parameters,
    resume_import,
    run_import,
)
from imports.models import Import
from tests.factories.imports import ChunkFactory, ImportFactory, RejectFactory
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

TRIPS = datasets["trips"]
ROWS = 500


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Import:
    """A queued import of trips, in chunks of some hundred rows."""
    monkeypatch.setattr(cutting, "CHUNK_BYTES", 20_000)
    file = tmp_path / "trips.csv"
    file.write_bytes(b"".join(write_trips(ROWS, seed=1)))
    return create_import("trips", str(file))


@contextmanager
def in_thread(action: Callable[[], Any]) -> Iterator[list[Any]]:
    """What the action returned, or raised, once the context has ended."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(action())
        except BaseException as error:
            results.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield results
    finally:
        thread.join()


def run_at_once(actions: Sequence[Callable[[], Any]]) -> list[Any]:
    barrier = threading.Barrier(len(actions))
    results: list[Any] = [None] * len(actions)

    def run(number: int, action: Callable[[], Any]) -> None:
        try:
            barrier.wait()
            results[number] = action()
        except BaseException as error:
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def check_cancelled(record: Import) -> None:
    """Nothing is left of it but its record."""
    record.refresh_from_db()
    assert record.status == Status.CANCELLED
    assert record.ended_at is not None
    assert not has_staging(record)
    assert not record.chunks.exists()
    assert not Trip.objects.using("default").exists()


def test_import_that_waits_is_cancelled(record: Import) -> None:
    assert cancel_import(record.pk)

    check_cancelled(record)
    run_import(record.pk)
    check_cancelled(record)


@pytest.mark.parametrize("status", sorted(ENDED))
def test_import_that_has_ended_is_left_as_it_is(status: Status) -> None:
    record = ImportFactory(
        dataset="trips", status=status, error_code="x" if status == Status.FAILED else ""
    )
    before = Import.objects.values().get(pk=record.pk)

    assert not cancel_import(record.pk)

    assert Import.objects.values().get(pk=record.pk) == before


def test_second_cancel_is_told_that_it_is_too_late(record: Import) -> None:
    first, second = cancel_import(record.pk), cancel_import(record.pk)

    assert (first, second) == (True, False)
    check_cancelled(record)


def test_figures_are_those_of_the_ledger_and_rejects_are_kept(session: Connection) -> None:
    record = ImportFactory(
        dataset="trips", queued=True, status=Status.RUNNING, rows_loaded=7, bytes_done=4_000
    )
    with session.cursor() as cursor:
        TRIPS.create_staging(cursor, TRIPS.staging(record.pk))
    for start in (0, 100, 200):
        ChunkFactory(
            import_record=record,
            byte_start=start,
            byte_end=start + 100,
            row_count=9,
            reject_count=1,
        )
    RejectFactory(import_record=record)

    assert cancel_import(record.pk)

    check_cancelled(record)
    assert (record.rows_loaded, record.rows_rejected, record.bytes_done) == (27, 3, 4_000)
    assert record.rejects.count() == 1


def test_copy_that_is_held_open_is_ended(record: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    holding, released = threading.Event(), threading.Event()

    def hold(
        connection: Connection, lease: Lease, dataset: Dataset, header: Sequence[str], chunk: Chunk
    ) -> Committed:
        if released.is_set():
            return copy_chunk(connection, lease, dataset, header, chunk)
        table = dataset.staging(lease.import_id).table
        query = sql.SQL("COPY {} (hvfhs_license_num) FROM STDIN").format(table)
        with connection.transaction(), connection.cursor() as cursor, cursor.copy(query) as copy:
            copy.write(b"HV0003\n")
            holding.set()
            released.wait(30)
        raise AssertionError("it was not ended")

    monkeypatch.setattr(loading, "copy_chunk", hold)

    with in_thread(lambda: run_import(record.pk)) as results:
        assert holding.wait(30)
        assert cancel_import(record.pk)
        check_cancelled(record)
        released.set()

    assert results == [None]
    check_cancelled(record)


@pytest.mark.parametrize("lock", ["FOR KEY SHARE", "FOR UPDATE"])
def test_owner_that_sleeps_with_the_row_locked_is_ended(
    record: Import, lock: LiteralString
) -> None:
    sleeper = connect(read_connection_parameters(), record.pk)
    assert claim_import(sleeper, record.pk)
    sleeper.execute("BEGIN")
    query = sql.SQL("SELECT 1 FROM imports_import WHERE id = %s {}").format(sql.SQL(lock))
    sleeper.execute(query, [record.pk])

    assert cancel_import(record.pk)

    check_cancelled(record)
    with pytest.raises(psycopg.OperationalError):
        sleeper.execute("SELECT 1")


def test_table_that_somebody_looks_at_is_dropped_later(record: Import) -> None:
    def stop(tally: Any) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        run_import(record.pk, stop)
    table = TRIPS.staging(record.pk).table

    with psycopg.connect(**read_connection_parameters()) as reader:
        reader.execute(sql.SQL("SELECT count(*) FROM {}").format(table))
        assert cancel_import(record.pk)
        record.refresh_from_db()
        waiting = record.status
        again = cancel_import(record.pk)
    finish_cancelled(Import.objects.all())

    assert (waiting, again) == (Status.CANCELLING, False)
    check_cancelled(record)


@pytest.mark.parametrize("is_locked", [False, True])
def test_eight_cancels_at_once_have_one_winner(record: Import, *, is_locked: bool) -> None:
    owner = connect(read_connection_parameters(), record.pk)
    assert claim_import(owner, record.pk)
    if is_locked:
        owner.execute("BEGIN")
        owner.execute("SELECT 1 FROM imports_import WHERE id = %s FOR UPDATE", [record.pk])

    results = run_at_once([lambda: cancel_import(record.pk)] * 8)
    owner.close()

    assert sorted(map(str, results)) == ["False"] * 7 + ["True"]
    finish_cancelled(Import.objects.all())
    check_cancelled(record)


def test_four_that_clear_up_at_once_do_not_end_each_other(record: Import) -> None:
    Import.objects.filter(pk=record.pk).update(status=Status.CANCELLING)

    results = run_at_once([lambda: finish_cancelled(Import.objects.all())] * 4)

    assert results == [None] * 4
    check_cancelled(record)


@pytest.mark.parametrize("chunks", [0, 2, 4])
def test_cancel_while_chunks_are_loaded_leaves_nothing(record: Import, chunks: int) -> None:
    def run() -> None:
        run_import(record.pk)

    with in_thread(run) as results:
        wait_until(
            lambda: (
                record.chunks.count() >= chunks or Import.objects.get(pk=record.pk).status in ENDED
            ),
            seconds=20,
        )
        was_cancelled = cancel_import(record.pk)

    assert results == [None]
    check_one_outcome(record, was_cancelled=was_cancelled)


@pytest.mark.parametrize("attempt", range(5))
def test_cancel_and_finish_have_one_winner(
    record: Import, monkeypatch: pytest.MonkeyPatch, attempt: int
) -> None:
    ready = threading.Event()
    trips = Dataset(**{**vars(TRIPS), "finish": lambda cursor, staging: finish(cursor, staging)})

    def finish(cursor: psycopg.Cursor[Any], staging: Any) -> None:
        TRIPS.finish(cursor, staging)
        ready.set()

    monkeypatch.setattr("imports.jobs.find_dataset", lambda name: trips)

    with in_thread(lambda: run_import(record.pk)) as results:
        assert ready.wait(30)
        threading.Event().wait(0.004 * attempt)
        was_cancelled = cancel_import(record.pk)

    assert results == [None]
    check_one_outcome(record, was_cancelled=was_cancelled)


def check_one_outcome(record: Import, *, was_cancelled: bool) -> None:
    """Either all of it is seen, or nothing is left of it."""
    if was_cancelled:
        check_cancelled(record)
        return
    record.refresh_from_db()
    assert (record.status, record.rows_loaded) == (Status.FINISHED, ROWS)
    assert Trip.objects.using("default").count() == ROWS


def test_partition_of_a_cancelled_import_is_nowhere(record: Import) -> None:
    def cancel(tally: Any) -> None:
        cancel_import(record.pk)

    run_import(record.pk, cancel)

    check_cancelled(record)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f"public.trips_{record.pk}"])
        assert cursor.fetchone() == (None,)


def test_late_clearing_up_leaves_a_new_owner_alone(record: Import) -> None:
    assert cancel_import(record.pk)
    assert resume_import(record.pk)
    staging = TRIPS.staging(record.pk)
    with connect_aside(read_connection_parameters()) as late:
        lease = claim_import(late, record.pk)
        with late.cursor() as cursor:
            TRIPS.create_staging(cursor, staging)

        finish_cancelling(late, staging)

    record.refresh_from_db()
    assert lease
    assert (record.status, record.lease_token) == (Status.RUNNING, lease.token)
    assert has_staging(record)


def test_cancel_gives_up_where_a_stranger_holds_the_row(
    record: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancelling, "LOCK_ATTEMPTS", 2)
    with psycopg.connect(**read_connection_parameters()) as stranger:
        stranger.execute("SELECT 1 FROM imports_import WHERE id = %s FOR UPDATE", [record.pk])

        with pytest.raises(RowsInUse):
            cancel_import(record.pk)

    assert cancel_import(record.pk)
