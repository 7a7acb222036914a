"""One owner at a time, by the database's clock."""

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from django.utils import timezone

from imports.choices import Status
from imports.engine.leasing import (
    Connection,
    Heartbeat,
    Lease,
    LeaseLost,
    claim_import,
    connect,
    hold_import,
    update_import,
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


def test_eight_at_once_have_one_winner(record: Import) -> None:
    barrier = threading.Barrier(8)
    leases: list[Lease | None] = []

    def race() -> None:
        with connect(read_connection_parameters(), record.pk) as connection:
            barrier.wait()
            leases.append(claim_import(connection, record.pk))

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [lease for lease in leases if lease] == [Lease(record.pk, 1)]


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
        began = time.monotonic()

        taken = claim(successor, record)

        assert taken.token == lease.token + 1
        assert time.monotonic() - began < 4
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

    with Heartbeat(read_connection_parameters(), lease, lambda: {"bytes_done": 42}) as heartbeat:
        wait_until(lambda: Import.objects.get(pk=record.pk).bytes_done == 42)
        heartbeat.check()

    record.refresh_from_db()
    assert record.lease_expires_at is not None
    assert before is not None
    assert record.lease_expires_at > before


def test_heartbeat_tells_that_the_lease_is_gone(
    owner: Connection, record: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imports.engine.leasing.HEARTBEAT_SECONDS", 0.05)
    lease = claim(owner, record)
    expire(record)
    claim(owner, record)

    with Heartbeat(read_connection_parameters(), lease, dict) as heartbeat:
        heartbeat.join(5)
        with pytest.raises(LeaseLost):
            heartbeat.check()
