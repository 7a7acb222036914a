"""What holds of bytes wherever they are kept, in PostgreSQL or in a bucket."""

from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import call_command

from dropzone import raw
from dropzone.draining import drain_payloads
from dropzone.models import Measurement, Payload, RawBody
from dropzone.partitions import drop_partition, list_days, make_next_partitions
from dropzone.raw import BucketStore, Dropped, get_store
from tests.dropzone.buckets import days_ago, digest, make_old, reject
from tests.dropzone.payloads import BAD, receive, write

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _partitions() -> Iterator[None]:
    make_next_partitions()
    known = set(list_days())
    yield
    for day in set(list_days()) - known:
        drop_partition(day)


@pytest.mark.parametrize(
    "body", [b"", b"\0", bytes(range(256)) * 10, b"\\x41", b"x" * 1_500_000, write(1, 2)]
)
def test_bytes_are_kept_as_they_came(store: str, body: bytes) -> None:
    payload = receive(body)

    assert get_store().read([payload]) == {payload.pk: body}
    assert payload.is_in_bucket == (store == "bucket")
    assert RawBody.objects.exists() == (store == "postgresql")


def test_same_bytes_twice_are_there_for_both(store: str) -> None:
    payloads = [receive(b"a"), receive(b"b"), receive(b"a")]

    assert list(get_store().read(payloads).values()) == [b"a", b"b", b"a"]


def forget(*bodies: bytes) -> None:
    """As if somebody had removed them."""
    RawBody.objects.filter(body__in=bodies).delete()
    store = get_store()
    if isinstance(store, BucketStore):
        store.bucket.remove([digest(body) for body in bodies])


def test_missing_bytes_are_left_out(store: str) -> None:
    payloads = [receive(b"a"), receive(b"b")]
    forget(b"a")

    assert get_store().read(payloads) == {payloads[1].pk: b"b"}
    assert get_store().read([]) == {}


def test_payload_whose_bytes_are_missing_is_rejected(store: str) -> None:
    payload = receive(write(1))
    forget(write(1))

    drain_payloads()

    payload.refresh_from_db()
    assert [reason["code"] for reason in payload.reasons] == ["raw_gone"]


def test_many_payloads_are_processed_in_batches(store: str) -> None:
    for number in range(60):
        receive(write(number, when=f"2024-07-01T10:00:{number:02}Z"))

    assert drain_payloads() == 60
    assert Measurement.objects.count() == 60


def test_old_bytes_are_dropped_and_new_ones_stay(store: str) -> None:
    old, new = receive(b"a"), receive(b"b")
    reject(old, new)
    make_old(old, days=40)

    dropped = get_store().drop(days_ago(30))

    assert dropped == (Dropped(objects=1) if store == "bucket" else Dropped(days=1))
    assert get_store().read([old, new]) == {new.pk: b"b"}
    assert list(raw.select_kept(Payload.objects.all())) == [new]
    assert get_store().drop(days_ago(30)) == Dropped()


def test_bytes_that_wait_are_never_dropped(store: str) -> None:
    payload = receive(BAD)
    make_old(payload, days=40)

    assert get_store().drop(days_ago(0)) == Dropped()
    assert get_store().read([payload]) == {payload.pk: BAD}


def test_command_tells_what_was_dropped(store: str) -> None:
    old = receive(b"a")
    reject(old)
    make_old(old, days=40)
    output = StringIO()

    call_command("drop_raw", "--days", "30", stdout=output)

    days, objects = (1, 0) if store == "postgresql" else (0, 1)
    expected = f"the bytes of {days} days and {objects} objects were dropped\n"
    assert output.getvalue() == expected
