"""Objects of no payload are deleted after a day, and nobody loses bytes by that."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client

from dropzone import bucket as bucket_module
from dropzone import raw, receiving
from dropzone.models import Payload
from dropzone.partitions import make_next_partitions
from dropzone.raw import BucketStore, find_lock, get_store, hold
from tests.commands import start_command
from tests.dropzone.buckets import NAME, digest, list_keys
from tests.dropzone.payloads import receive

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _partitions() -> None:
    make_next_partitions()


def sweep_after(monkeypatch: pytest.MonkeyPatch, **age: float) -> int:
    """As if so much time had passed."""
    monkeypatch.setattr(raw, "ORPHAN_AGE", raw.ORPHAN_AGE - timedelta(**age))
    try:
        return BucketStore().drop_orphans()
    finally:
        monkeypatch.undo()


def fail(*_: object) -> list[tuple[object, ...]]:
    raise RuntimeError("out of order")


def test_object_whose_row_failed_goes_after_a_day_and_not_before(
    bucket: Any, sender: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(b"kept")
    bucket.Object("of somebody else").put(Body=b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(receiving, "_insert", fail)
        assert sender.post("/dropzone", b"a", content_type="text/plain").status_code == 500
    both = {digest(b"kept"), "of somebody else"}
    assert list_keys(bucket) == both | {digest(b"a")}

    assert sweep_after(monkeypatch, hours=23) == 0
    assert list_keys(bucket) == both | {digest(b"a")}
    assert sweep_after(monkeypatch, hours=25) == 1
    assert list_keys(bucket) == both
    assert Payload.objects.count() == 1


def test_orphans_are_swept_page_by_page(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        receive(b"%d" % number)
        BucketStore().bucket.put(digest(b"no row %d" % number), b"")
    monkeypatch.setattr(raw, "STEP", 3)
    monkeypatch.setattr(raw, "ORPHAN_AGE", timedelta(days=-1))

    assert BucketStore().drop_orphans() == 10
    assert list_keys(bucket) == {digest(b"%d" % number) for number in range(10)}


def test_object_that_is_being_stored_is_no_orphan(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is not there yet, though the object may be old: somebody stores it once more."""
    monkeypatch.setattr(raw, "ORPHAN_AGE", timedelta(days=-1))
    insert = receiving._insert
    swept: list[int] = []

    def sweep_meanwhile(values: dict[str, Any]) -> list[tuple[Any, ...]]:
        def sweep() -> None:
            swept.append(BucketStore().drop_orphans())
            connections.close_all()

        thread = threading.Thread(target=sweep)
        thread.start()
        thread.join(30)
        return insert(values)

    monkeypatch.setattr(receiving, "_insert", sweep_meanwhile)

    payload = receive(b"a")

    assert swept == [0]
    assert get_store().read([payload]) == {payload.pk: b"a"}
    # Nobody holds it any more.
    with hold([sha256(b"a").digest()]) as held:
        assert held
    assert -(2**63) <= find_lock(sha256(b"a").digest()) < 2**63


def test_bytes_that_come_while_their_object_is_deleted_are_stored_anew(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    BucketStore().bucket.put(digest(b"a"), b"a")
    monkeypatch.setattr(raw, "ORPHAN_AGE", timedelta(days=-1))
    received: list[Payload] = []

    def send() -> None:
        received.append(receive(b"a"))
        connections.close_all()

    thread = threading.Thread(target=send)
    remove = bucket_module.Bucket.remove

    def remove_late(self: Any, keys: Any) -> None:
        thread.start()
        time.sleep(0.5)
        remove(self, keys)

    monkeypatch.setattr(bucket_module.Bucket, "remove", remove_late)

    assert BucketStore().drop_orphans() == 1
    thread.join(30)

    assert get_store().read(received) == {received[0].pk: b"a"}


def test_command_deletes_orphans(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    BucketStore().bucket.put(digest(b"a"), b"a")
    output = StringIO()
    monkeypatch.setattr(raw, "ORPHAN_AGE", timedelta(days=-1))

    call_command("drop_orphans", stdout=output)

    assert output.getvalue() == "1 objects of no payload were deleted\n"


def test_command_needs_a_bucket() -> None:
    with pytest.raises(CommandError, match="DROPZONE_BUCKET"):
        call_command("drop_orphans")


def test_real_sweeper_deletes_orphans(
    bucket: Any, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the settings as they come from the environment."""
    monkeypatch.setenv("DROPZONE_BUCKET", NAME)
    monkeypatch.setenv("DROPZONE_BUCKET_URL", server)
    monkeypatch.setenv("DROPZONE_BUCKET_REGION", "eu-central-1")

    sweeper = start_command("sweep", "--interval", "0.2")
    try:
        lines: Iterator[str] = iter(sweeper.stdout or ())
        told = next((line for line in lines if "of no payload" in line), "")
    finally:
        sweeper.terminate()
        sweeper.communicate(timeout=20)

    assert told == "0 objects of no payload were deleted\n"
