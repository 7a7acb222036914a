"""Payloads into measurements: the one that was received last stands, in whatever order."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.utils.timezone import now

from dropzone import draining
from dropzone.choices import State
from dropzone.draining import drain_batch, drain_payloads
from dropzone.models import Lineage, Measurement, Payload, RawBody, requeue
from dropzone.partitions import make_next_partitions
from dropzone.summarising import Summary, summarise_payload
from tests.dropzone.payloads import BAD, INSTANT, process, read_standing, receive, write
from tests.locations.fixes import run_at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _partitions() -> None:
    make_next_partitions()


def test_payload_becomes_a_measurement() -> None:
    payload = process(write(1, 2, 4.5))

    measurement = Measurement.objects.get()
    assert (measurement.timestamp, measurement.payload_id) == (INSTANT, payload.pk)
    assert (measurement.mean, measurement.count) == (2.5, 3)
    assert measurement.std == pytest.approx(1.8027756377319946, rel=1e-15)
    assert (payload.state, payload.timestamp) == (State.PROCESSED, INSTANT)
    assert payload.ended_at is not None
    assert payload.reasons == []


def test_one_point_has_no_deviation() -> None:
    process(write(1))

    assert Measurement.objects.get().std is None


def test_payload_with_faults_is_rejected_with_every_reason() -> None:
    payload = process(BAD)

    assert payload.state == State.REJECTED
    assert payload.ended_at is not None
    assert len(payload.reasons) == 2
    assert all(reason["code"] and reason["reason"] for reason in payload.reasons)
    assert not Measurement.objects.exists()
    assert not Lineage.objects.exists()


@pytest.mark.parametrize(
    "body",
    [b"\0", b'{"time_stamp": "\\u0000\\ud800", "data": ["\\u0000"]}', b'{"\\ud800": 1}', b"\xff"],
)
def test_what_postgresql_cannot_hold_is_rejected_too(body: bytes) -> None:
    assert process(body).state == State.REJECTED


def test_payload_that_was_received_later_stands() -> None:
    first, second = receive(write(1)), receive(write(2))
    drain_payloads()

    assert read_standing() == {INSTANT: (2.0, second.pk)}
    assert list(Lineage.objects.order_by("payload_id").values_list("payload_id", "mean")) == [
        (first.pk, 1.0),
        (second.pk, 2.0),
    ]


def test_payload_that_was_received_later_stands_though_processed_earlier() -> None:
    first, second = receive(write(1)), receive(write(2))
    Payload.objects.filter(pk=first.pk).update(next_attempt_at=now() + timedelta(hours=1))
    drain_payloads()
    assert read_standing() == {INSTANT: (2.0, second.pk)}

    assert requeue(Payload.objects.filter(pk=first.pk)) == 1
    drain_payloads()

    assert read_standing() == {INSTANT: (2.0, second.pk)}
    assert Lineage.objects.count() == 2


def test_retry_never_waits_for_whoever_processes() -> None:
    payload = receive(write(1))
    with transaction.atomic():
        assert len(draining.take_batch(Payload.objects.all())) == 1

        assert run_at_once(lambda: requeue(Payload.objects.filter(pk=payload.pk))) == [0]


def test_same_instant_with_other_offsets_is_one_measurement() -> None:
    receive(write(1, when="2024-07-01T12:00:00+02:00"))
    second = receive(write(2, when="2024-07-01T06:00:00.000-04:00"))

    drain_payloads()

    assert read_standing() == {INSTANT: (2.0, second.pk)}


def test_microseconds_are_kept_apart() -> None:
    receive(write(1, when="2024-07-01T10:00:00.000001Z"))
    receive(write(2, when="2024-07-01T10:00:00.000002Z"))

    drain_payloads()

    assert Measurement.objects.count() == 2


def test_payload_that_is_processed_again_changes_nothing() -> None:
    payload = process(write(1))
    Payload.objects.update(state=State.RECEIVED, ended_at=None)

    drain_payloads()

    assert read_standing() == {INSTANT: (1.0, payload.pk)}
    assert Lineage.objects.count() == 1


def test_payload_whose_bytes_are_gone_is_rejected() -> None:
    payload = receive(write(1))
    RawBody.objects.all().delete()

    drain_payloads()

    payload.refresh_from_db()
    assert [reason["code"] for reason in payload.reasons] == ["raw_gone"]


# Many, and at once


def test_batches_are_bounded_by_number_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "BATCH", 3)
    monkeypatch.setattr(draining, "BATCH_BYTES", 250)
    for size in (10, 10, 10, 10, 300, 200, 10):
        receive(b"x" * size)

    counts = [drain_batch() for _ in range(6)]

    assert counts == [3, 1, 1, 2, 0, 0]


def test_what_has_no_room_in_a_batch_is_free_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "BATCH_BYTES", 250)
    for _ in range(4):
        receive(b"x" * 100)
    with transaction.atomic():
        mine = draining.take_batch(Payload.objects.all())

        assert len(mine) == 2
        assert run_at_once(draining.drain_batch) == [2]


def test_workers_at_once_process_each_payload_once() -> None:
    for number in range(600):
        receive(write(number, when=f"2024-07-01T10:00:{number % 60:02}Z"))
    start = threading.Barrier(4)

    def work(number: int) -> int:
        start.wait()
        try:
            return drain_payloads()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(work, range(4)))

    assert sum(counts) == 600
    assert Lineage.objects.count() == 600
    last = {n % 60: float(n) for n in range(600)}
    assert {at.second: mean for at, (mean, _) in read_standing().items()} == last


# Faults of ours


def fail_at(number: float) -> object:
    def summarise(body: bytes) -> Summary:
        summary = summarise_payload(body)
        if summary.mean == number:
            raise RuntimeError("out of order")
        return summary

    return summarise


def test_fault_of_ours_puts_a_payload_off_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "summarise_payload", fail_at(2))
    bodies = [write(n, when=f"2024-07-01T10:00:0{n}Z") for n in range(4)]
    payloads = [receive(body) for body in bodies]

    drain_payloads()

    broken = Payload.objects.get(pk=payloads[2].pk)
    assert (broken.state, broken.attempts) == (State.RECEIVED, 1)
    assert broken.next_attempt_at > now()
    assert broken.fault == "RuntimeError: out of order"
    assert Measurement.objects.count() == 3

    monkeypatch.undo()
    requeue(Payload.objects.filter(pk=broken.pk))
    drain_payloads()
    broken.refresh_from_db()
    assert (broken.state, broken.fault) == (State.PROCESSED, "")


def test_pauses_grow_up_to_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "summarise_payload", fail_at(1))
    payload = receive(write(1))
    pauses = []
    for _ in range(14):
        Payload.objects.update(next_attempt_at=now())
        drain_payloads()
        payload.refresh_from_db()
        pauses.append((payload.next_attempt_at - now()).total_seconds())

    assert pauses[:4] == pytest.approx([5, 10, 20, 40], abs=2)
    assert pauses[-1] == pytest.approx(3600, abs=2)
    assert payload.attempts == 14


def test_batch_that_cannot_be_written_is_tried_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a constraint stands for whatever a row may meet in the database."""
    payloads = [receive(write(n, when=f"2024-07-01T10:00:0{n}Z")) for n in range(3)]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE dropzone_measurement ADD CONSTRAINT odd CHECK (mean <> 1)")

    try:
        drain_payloads()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE dropzone_measurement DROP CONSTRAINT odd")

    states = dict(Payload.objects.values_list("pk", "state"))
    assert [states[payload.pk] for payload in payloads] == ["processed", "received", "processed"]
    assert "odd" in Payload.objects.get(pk=payloads[1].pk).fault
    assert Lineage.objects.count() == 2
