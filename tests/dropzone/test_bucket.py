"""Bytes in a bucket: one object for the same bytes, and what happens where it is down."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import boto3
import pytest
from django.conf import settings as django_settings
from django.db import connections
from django.test import Client
from django.utils.timezone import now
from pytest_django import Settings

from dropzone import bucket as bucket_module
from dropzone import raw
from dropzone.choices import State
from dropzone.draining import drain_payloads
from dropzone.models import Payload, requeue
from dropzone.partitions import drop_partition, list_days, make_next_partitions
from dropzone.raw import Dropped, RawUnreachable, get_store, hold
from tests.dropzone.buckets import NAME, configure, days_ago, digest, list_keys, make_old, reject
from tests.dropzone.payloads import BAD, WHEN, process, receive, write

pytestmark = pytest.mark.django_db(transaction=True)

PAYLOADS = "/api/v1/payloads/"


@pytest.fixture(autouse=True)
def _partitions() -> Iterator[None]:
    make_next_partitions()
    known = set(list_days())
    yield
    for day in set(list_days()) - known:
        drop_partition(day)


# What one object is


def test_object_has_its_digest_as_key_and_is_one_for_the_same_bytes(bucket: Any) -> None:
    receive(b"a")
    receive(b"a")

    assert list_keys(bucket) == {digest(b"a")}


@pytest.mark.parametrize("reason", ["younger", "waiting"])
def test_object_stays_as_long_as_another_payload_needs_it(bucket: Any, reason: str) -> None:
    old, other = receive(b"a"), receive(b"a")
    reject(old)
    make_old(old, days=40)
    if reason == "younger":
        reject(other)
    else:
        make_old(other, days=50)

    assert get_store().drop(days_ago(30)).objects == 0
    assert get_store().read([old, other]) == {old.pk: b"a", other.pk: b"a"}

    reject(other)
    make_old(other, days=40)
    assert get_store().drop(days_ago(30)).objects == 1
    assert list_keys(bucket) == set()
    assert not raw.select_kept(Payload.objects.all()).exists()


def test_objects_are_dropped_in_steps(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "STEP", 3)
    payloads = [receive(bytes([number])) for number in range(8)]
    reject(*payloads)
    for payload in payloads:
        make_old(payload, days=40)

    assert get_store().drop(days_ago(30)).objects == 8
    assert list_keys(bucket) == set()


def test_web_threads_share_the_bucket(bucket: Any) -> None:
    start = threading.Barrier(8)

    def send(number: int) -> int:
        start.wait()
        try:
            return sum(bool(receive(b"%d" % (n % 10))) for n in range(number, number + 10))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(send, range(8))) == 80

    assert list_keys(bucket) == {digest(b"%d" % n) for n in range(10)}


def test_payload_goes_through_to_its_verification(bucket: Any, sender: Client) -> None:
    body = write(0.1, 0.2, 0.7)

    answer = sender.post("/dropzone", body, content_type="text/plain")
    drain_payloads()

    url = f"{PAYLOADS}{answer.json()['id']}/"
    assert sender.get(url).json()["state"] == "processed"
    assert sender.get(f"{url}raw/").content == body
    found = sender.post(f"/api/v1/measurements/{WHEN}/verify/").json()
    assert (found["matches"], found["is_same_raw"]) == (True, True)
    bucket.Object(digest(body)).put(Body=write(0.1))
    found = sender.post(f"/api/v1/measurements/{WHEN}/verify/").json()
    assert (found["matches"], found["is_same_raw"]) == (False, False)


def test_rejected_payload_is_replayed(bucket: Any, sender: Client) -> None:
    kept, gone = receive(write(1)), receive(b"x")
    reject(kept, gone)
    make_old(gone, days=40)
    get_store().drop(days_ago(30))
    order = {"dry_run": False}

    answer = sender.post(f"{PAYLOADS}replay/", order, content_type="application/json").json()

    assert answer == {"matching": 2, "replayed": 1}
    assert sender.post(f"{PAYLOADS}{gone.pk}/retry/").status_code == 410


# From one to the other


def test_bytes_from_before_the_bucket_are_read_and_dropped(settings: Settings, server: str) -> None:
    before = receive(write(1))
    configure(settings, server)
    boto3.client("s3", endpoint_url=server, region_name="us-east-1").create_bucket(Bucket="later")
    configure(settings, server, "later")
    after = receive(write(2, when="2024-07-01T11:00:00Z"))

    assert get_store().read([before, after]).keys() == {before.pk, after.pk}
    assert drain_payloads() == 2
    make_old(before, days=40)
    assert get_store().drop(days_ago(30)) == Dropped(days=1)
    assert get_store().read([before, after]).keys() == {after.pk}


def test_bytes_in_a_bucket_that_is_not_configured_any_more_are_not_gone(
    bucket: Any, settings: Settings
) -> None:
    payload = receive(write(1))
    settings.STORAGES = {name: s for name, s in settings.STORAGES.items() if name != "raw"}

    drain_payloads()

    payload.refresh_from_db()
    assert (payload.state, payload.attempts) == (State.RECEIVED, 1)
    assert "DROPZONE_BUCKET is not set" in payload.fault


def test_boto3_is_loaded_only_where_a_bucket_is_configured() -> None:
    code = (
        "import sys, django; django.setup(); import config.wsgi; from dropzone.raw import *;"
        "get_store().keep(b'', b''); sys.exit('boto3' in sys.modules or 'storages' in sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], cwd=django_settings.BASE_DIR, check=True)


# A bucket that is not there


def make_closed(settings: Settings, closed: str) -> None:
    configure(settings, closed)


def make_missing(settings: Settings, server: str) -> None:
    configure(settings, server, "nowhere")


def test_payload_that_cannot_be_stored_is_a_500_without_a_row(
    settings: Settings, sender: Client, closed: str, server: str
) -> None:
    for url, name in ((closed, NAME), (server, "nowhere")):
        configure(settings, url, name)

        assert sender.post("/dropzone", write(1), content_type="text/plain").status_code == 500

    assert not Payload.objects.exists()
    with hold([sha256(write(1)).digest()]) as held:
        assert held


def test_bucket_that_hangs_is_a_500_before_long(
    settings: Settings, sender: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_module, "READ_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        configure(settings, f"http://127.0.0.1:{hanging.getsockname()[1]}")
        begun = time.monotonic()

        status = sender.post("/dropzone", write(1), content_type="text/plain").status_code

    assert (status, Payload.objects.count()) == (500, 0)
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("kind", ["closed", "missing", "hanging"])
def test_payloads_are_put_off_while_the_bucket_is_down(
    settings: Settings,
    bucket: Any,
    kind: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bodies = [write(n, when=f"2024-07-01T10:00:{n:02}Z") for n in range(40)]
    ids = [receive(body).pk for body in bodies]
    url = django_settings.STORAGES["raw"]["OPTIONS"]["endpoint_url"]
    monkeypatch.setattr(bucket_module, "READ_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        wrong: dict[str, Callable[[], str]] = {
            "closed": lambda: request.getfixturevalue("closed"),
            "missing": lambda: url,
            "hanging": lambda: f"http://127.0.0.1:{hanging.getsockname()[1]}",
        }
        configure(settings, wrong[kind](), "nowhere" if kind == "missing" else NAME)
        for attempts in (1, 2):
            Payload.objects.update(next_attempt_at=now())
            drain_payloads()

            found = Payload.objects.values_list("state", "attempts").distinct()
            assert list(found) == [(State.RECEIVED, attempts)]

    assert all(Payload.objects.values_list("fault", flat=True))
    configure(settings, url)
    requeue(Payload.objects.all())
    assert drain_payloads() == 40
    assert Payload.objects.filter(state=State.PROCESSED, pk__in=ids).count() == 40


def test_what_reads_bytes_says_that_they_cannot_be_had(
    settings: Settings, bucket: Any, sender: Client, closed: str
) -> None:
    payload = process(write(1))
    process(BAD)
    configure(settings, closed)

    url = f"{PAYLOADS}{payload.pk}/"
    answers = [
        sender.get(f"{url}raw/"),
        sender.post(f"{url}retry/"),
        sender.post(f"/api/v1/measurements/{WHEN}/verify/"),
        sender.post(f"{PAYLOADS}replay/", {"dry_run": True}, content_type="application/json"),
    ]

    assert [answer.status_code for answer in answers] == [503] * 4
    assert answers[0].json()["errors"][0]["code"] == "raw_unreachable"
    with pytest.raises(RawUnreachable):
        get_store().drop(days_ago(-1))
    assert raw.select_kept(Payload.objects.all()).exists()
