"""What is received is there, byte for byte, once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.utils.timezone import now

from config.api.statements import run_statement
from dropzone import receiving
from dropzone.choices import State
from dropzone.models import Payload, RawBody
from dropzone.partitions import drop_partition, list_days, make_next_partitions, make_partition
from dropzone.raw import Dropped, get_store
from dropzone.receiving import Envelope, KeyReused, receive_payload
from tests.dropzone.payloads import BAD, receive, write

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _partitions() -> None:
    make_next_partitions()


@pytest.mark.parametrize(
    "body", [b"", b"\0", bytes(range(256)) * 10, b"\\x41", b"x" * 1_000_000, write(1, 2)]
)
def test_bytes_are_kept_as_they_came(body: bytes) -> None:
    payload = receive(body)

    assert get_store().read([payload]) == {payload.pk: body}
    assert bytes(payload.sha256) == sha256(body).digest()
    assert (payload.size_bytes, payload.state) == (len(body), State.RECEIVED)
    assert abs(payload.received_at - now()) < timedelta(minutes=1)


def test_same_body_without_a_key_is_another_payload() -> None:
    assert receive(b"a").pk != receive(b"a").pk


def test_same_key_with_the_same_bytes_is_the_same_payload() -> None:
    first = receive(b"a", key="k")

    assert receive(b"a", key="k").pk == first.pk
    assert RawBody.objects.count() == 1


def test_same_key_with_other_bytes_is_refused() -> None:
    receive(b"a", key="k")

    with pytest.raises(KeyReused):
        receive(b"b", key="k")
    with pytest.raises(KeyReused):
        receive(b"a", key="k", encoding="gzip")
    assert Payload.objects.count() == 1


def test_same_key_at_once_is_one_payload() -> None:
    start = threading.Barrier(8)

    def send(number: int) -> int:
        start.wait()
        try:
            return receive_payload(b"a", Envelope("", "", "", "k")).payload_id
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(send, range(8)))

    assert ids == set(Payload.objects.values_list("pk", flat=True))
    assert len(ids) == 1


def test_statement_whose_answer_was_lost_stores_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_twice(statement: str, parameters: object) -> list[tuple[object, ...]]:
        run_statement(statement, parameters)
        return run_statement(statement, parameters)

    monkeypatch.setattr(receiving, "run_statement", run_twice)

    payload = receive(b"a")

    assert Payload.objects.get().pk == payload.pk


# Days


def test_day_without_a_table_gets_one() -> None:
    for day in list_days():
        drop_partition(day)

    payload = receive(b"a")

    assert list_days() == [payload.received_on]
    assert get_store().read([payload]) == {payload.pk: b"a"}


def test_tables_are_made_once_whoever_asks_at_once() -> None:
    day = date(2031, 5, 17)
    start = threading.Barrier(6)

    def make(number: int) -> None:
        start.wait()
        try:
            make_partition(day)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(make, range(6)))

    assert list_days().count(day) == 1
    drop_partition(day)


def make_old(payload: Payload, days: int) -> None:
    """As if it had been received so many days ago."""
    received_at = now() - timedelta(days=days)
    make_partition(received_at.astimezone(UTC).date())
    [(body,)] = RawBody.objects.filter(payload_id=payload.pk).values_list("body")
    RawBody.objects.filter(payload_id=payload.pk).delete()
    Payload.objects.filter(pk=payload.pk).update(received_at=received_at)
    payload.refresh_from_db()
    RawBody.objects.create(payload_id=payload.pk, received_on=payload.received_on, body=body)


def test_old_bytes_are_dropped_day_by_day_and_new_ones_stay() -> None:
    old, new = receive(BAD), receive(BAD)
    Payload.objects.update(state=State.REJECTED, ended_at=now(), reasons=[{"code": "x"}])
    make_old(old, days=40)

    assert get_store().drop(datetime.now(UTC).date() - timedelta(days=30)) == Dropped(days=1)

    assert get_store().read([old, new]) == {new.pk: BAD}
    assert Payload.objects.count() == 2


def test_bytes_that_were_not_processed_yet_are_never_dropped() -> None:
    payload = receive(BAD)
    make_old(payload, days=40)

    assert get_store().drop(datetime.now(UTC).date()) == Dropped()
    assert get_store().read([payload])
    RawBody.objects.all().delete()
    drop_partition(payload.received_on)


# What the database refuses


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "rejected", "ended_at": now()},
        {"state": "processed", "ended_at": now()},
        {"state": "processed", "timestamp": now()},
        {"ended_at": now()},
        {"reasons": [{"code": "x"}]},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_payload_in_no_state_there_is_is_refused(changes: dict[str, object]) -> None:
    payload = receive(b"a")

    with pytest.raises(IntegrityError), transaction.atomic():
        Payload.objects.filter(pk=payload.pk).update(**changes)


def test_every_unique_key_contains_the_distribution_column() -> None:
    """Measurements and their lineage may be distributed by their instant."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.relname, bool_or(a.attname = 'timestamp')
              FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
             WHERE i.indrelid IN ('dropzone_measurement'::regclass, 'dropzone_lineage'::regclass)
               AND i.indisunique GROUP BY 1
            """
        )
        keys = dict(cursor.fetchall())

    assert keys == {"dropzone_measurement_pkey": True, "dropzone_lineage_pkey": True}
