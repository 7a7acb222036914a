"""One owner at a time, by the database's clock."""

import threading
from collections.abc import Iterator

import psycopg
import pytest
from django.utils import timezone
from psycopg import errors

from imports.choices import Status
from imports.engine.leasing import (
    Connection,
    Heartbeat,
    Lease,
    LeaseLost,
    claim_import,
    connect,
    connect_aside,
    end_backends,
    end_import,
    hold_import,
    is_transient,
    release_import,
    update_import,
    with_database,
)
from imports.jobs import read_connection_parameters
from imports.models import Import
from tests.factories.imports import ImportFactory
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def record() -> Import:
    return ImportFactory(queued=True)


@pytest.fixture
def owner(record: Import) -> Iterator[Connection]:
    with connect(read_connection_parameters(), record.pk) as connection:
        yield connection


def expire(record: Import) -> None:
    Import.objects.filter(pk=record.pk).update(lease_expires_at=timezone.now())


def claim(owner: Connection, record: Import) -> Lease:
    lease = claim_import(owner, record.pk)
    assert lease is not None
    return lease


def test_queued_import_is_claimed_once(owner: Connection, record: Import) -> None:
    first, second = claim_import(owner, record.pk), claim_import(owner, record.pk)

    record.refresh_from_db()
    assert (first, second) == (Lease(record.pk, 1), None)
    assert record.status == Status.RUNNING
    assert record.started_at is not None


def test_expired_lease_is_taken_over_with_a_newer_token(owner: Connection, record: Import) -> None:
    claim(owner, record)
    expire(record)

    assert claim(owner, record).token == 2


def test_ended_import_is_never_claimed(owner: Connection) -> None:
    assert claim_import(owner, ImportFactory().pk) is None


def claim_at_once(record: Import) -> list[Lease | None]:
    """What eight get who claim an import at the same time, over connections as a worker's."""
    barrier = threading.Barrier(8)
    leases: list[Lease | None] = []

    def race() -> None:
        with connect_aside(read_connection_parameters()) as connection:
            barrier.wait()
            leases.append(claim_import(connection, record.pk))

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return leases


def test_eight_at_once_have_one_winner(record: Import) -> None:
    leases = claim_at_once(record)

    assert len(leases) == 8
    assert [lease for lease in leases if lease] == [Lease(record.pk, 1)]


def test_eight_successors_at_once_have_one_winner(owner: Connection, record: Import) -> None:
    claim(owner, record)
    expire(record)

    leases = claim_at_once(record)

    assert len(leases) == 8
    assert [lease for lease in leases if lease] == [Lease(record.pk, 2)]


def test_update_with_an_old_token_is_refused(owner: Connection, record: Import) -> None:
    old = claim(owner, record)
    expire(record)
    claim(owner, record)

    with pytest.raises(LeaseLost):
        update_import(owner, old, {"bytes_done": 7})
    with pytest.raises(LeaseLost), owner.transaction(), owner.cursor() as cursor:
        hold_import(cursor, old)


def test_successor_ends_an_owner_that_sleeps_inside_its_transaction(record: Import) -> None:
    database = read_connection_parameters()
    with connect(database, record.pk) as sleeper, connect(database, record.pk) as successor:
        lease = claim(sleeper, record)
        expire(record)
        sleeper.execute("BEGIN")
        sleeper.execute("SELECT 1 FROM imports_import WHERE id = %s FOR KEY SHARE", [record.pk])

        taken = claim(successor, record)

        assert taken.token == lease.token + 1
        assert sleeper.closed or not is_alive(sleeper)


def is_alive(connection: Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def test_heartbeat_renews_the_lease_and_shows_progress(
    owner: Connection, record: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imports.engine.leasing.HEARTBEAT_SECONDS", 0.05)
    lease = claim(owner, record)
    expire(record)
    record.refresh_from_db()
    before = record.lease_expires_at

    told = threading.Event()

    with Heartbeat(
        read_connection_parameters(),
        lease,
        read_progress=lambda: {"bytes_done": 42},
        on_lost=told.set,
    ):
        wait_until(lambda: Import.objects.get(pk=record.pk).bytes_done == 42)

    assert not told.is_set()
    record.refresh_from_db()
    assert record.lease_expires_at is not None
    assert before is not None
    assert record.lease_expires_at > before


def test_heartbeat_tells_that_the_lease_is_gone(owner: Connection, record: Import) -> None:
    lease = claim(owner, record)
    told = threading.Event()

    with Heartbeat(read_connection_parameters(), lease, read_progress=dict, on_lost=told.set):
        expire(record)
        claim(owner, record)

        assert told.wait(10)


def test_heartbeat_goes_on_where_its_connection_is_ended(
    owner: Connection, record: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imports.engine.leasing.HEARTBEAT_SECONDS", 0.05)
    lease = claim(owner, record)
    figures = {"bytes_done": 1}
    told = threading.Event()

    with Heartbeat(
        read_connection_parameters(), lease, read_progress=figures.copy, on_lost=told.set
    ):
        wait_until(lambda: Import.objects.get(pk=record.pk).bytes_done == 1)
        end_backends(owner, record.pk)
        figures["bytes_done"] = 2
        wait_until(lambda: Import.objects.get(pk=record.pk).bytes_done == 2)

        assert not told.is_set()


def test_released_lease_can_be_taken_at_once(owner: Connection, record: Import) -> None:
    lease = claim(owner, record)

    release_import(owner, lease)

    assert claim(owner, record).token == lease.token + 1


def test_owner_of_an_older_token_releases_nothing(owner: Connection, record: Import) -> None:
    old = claim(owner, record)
    expire(record)
    claim(owner, record)

    release_import(owner, old)

    assert claim_import(owner, record.pk) is None


def test_successor_of_an_owner_that_was_publishing_need_not_read(
    owner: Connection, record: Import
) -> None:
    lease = claim(owner, record)
    update_import(owner, lease, {"status": Status.PUBLISHING})
    expire(record)

    assert claim(owner, record) == Lease(record.pk, 2, is_loaded=True)


def test_end_is_by_the_clock_of_the_database(owner: Connection, record: Import) -> None:
    lease = claim(owner, record)

    end_import(owner, lease, {"status": Status.FINISHED})

    record.refresh_from_db()
    assert record.status == Status.FINISHED
    assert record.started_at is not None
    assert record.ended_at is not None
    assert record.started_at <= record.ended_at


def test_nothing_is_changed_of_an_import_that_has_ended(owner: Connection, record: Import) -> None:
    lease = claim(owner, record)
    end_import(owner, lease, {"status": Status.FINISHED})

    with pytest.raises(LeaseLost):
        update_import(owner, lease, {"bytes_done": 7})


# Servers that fail


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.OperationalError("the connection is lost"), True),
        (errors.AdminShutdown(), True),
        (errors.ConnectionException(), True),
        (errors.SerializationFailure(), True),
        (errors.DeadlockDetected(), True),
        (errors.TooManyConnections(), True),
        (errors.DiskFull(), True),
        (errors.IdleInTransactionSessionTimeout(), True),
        (errors.UndefinedTable(), False),
        (errors.UniqueViolation(), False),
        (psycopg.InterfaceError("it is closed"), False),
        (ValueError(), False),
    ],
)
def test_error_of_a_failing_server_is_told_from_a_fault(
    error: BaseException, *, expected: bool
) -> None:
    assert is_transient(error) == expected


def test_what_a_failing_server_refused_is_done_again(
    record: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imports.engine.leasing.DATABASE_PAUSES", (0.0, 0.0))
    lease = Lease(record.pk, 1)
    tries = []

    def fail_twice(connection: Connection) -> int:
        tries.append(connection)
        if len(tries) < 3:
            connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return len(tries)

    done = with_database(read_connection_parameters(), lease, fail_twice, threading.Event())

    assert done == 3
    assert all(connection.closed for connection in tries)


def test_what_never_works_raises_what_it_raised_at_last(
    record: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imports.engine.leasing.DATABASE_PAUSES", (0.0, 0.0))
    tries = []

    def fail(connection: Connection) -> None:
        tries.append(connection)
        raise errors.DiskFull

    with pytest.raises(errors.DiskFull):
        with_database(read_connection_parameters(), Lease(record.pk, 1), fail, threading.Event())

    assert len(tries) == 3


def test_fault_of_ours_is_not_tried_again(record: Import) -> None:
    tries = []

    def fail(connection: Connection) -> None:
        tries.append(connection)
        connection.execute("SELECT * FROM nowhere")

    with pytest.raises(errors.UndefinedTable):
        with_database(read_connection_parameters(), Lease(record.pk, 1), fail, threading.Event())

    assert len(tries) == 1


def test_nothing_is_tried_again_once_the_work_stops(record: Import) -> None:
    stop = threading.Event()
    stop.set()

    def fail(connection: Connection) -> None:
        raise errors.DiskFull

    with pytest.raises(LeaseLost):
        with_database(read_connection_parameters(), Lease(record.pk, 1), fail, stop)


def test_owner_of_the_same_number_in_another_database_is_left_alone(
    owner: Connection, record: Import
) -> None:
    database = {**read_connection_parameters(), "dbname": "postgres"}
    with connect(database, record.pk) as neighbour:
        end_backends(owner, record.pk)

        assert is_alive(neighbour)
