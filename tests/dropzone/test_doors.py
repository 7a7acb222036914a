"""The door for payloads."""

import gzip
import socket
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from redis import Redis
from rest_framework.test import APIClient

from dropzone import receiving
from dropzone.draining import drain_payloads
from dropzone.jobs import kicker
from dropzone.models import Measurement, Payload
from dropzone.partitions import make_next_partitions
from tests.dropzone.payloads import BAD, write
from tests.people import make_user

pytestmark = pytest.mark.django_db(transaction=True)

PAYLOADS = "/api/v1/payloads/"
MEASUREMENTS = "/api/v1/measurements/"


@pytest.fixture(autouse=True)
def _partitions() -> None:
    make_next_partitions()


@pytest.fixture
def sender(settings: Settings) -> Client:
    """Who has not signed in, where anybody may send and read."""
    settings.ANONYMOUS_ACCESS = frozenset({"read", "ingest"})
    return Client(raise_request_exception=False)


def post(
    sender: Client, body: bytes, path: str = "/dropzone", **headers: str
) -> tuple[int, dict[str, Any]]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    content_type = names.pop("content-type", "application/x-www-form-urlencoded")
    response = sender.post(path, body, content_type=content_type, headers=names)
    return response.status_code, response.json()


@pytest.mark.parametrize("path", ["/dropzone", "/dropzone/"])
@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""]
)
def test_payload_is_kept_whatever_it_is_called(
    sender: Client, path: str, content_type: str
) -> None:
    body = write(1, 2)

    status, answer = post(sender, body, path, content_type=content_type)

    assert status == 202
    payload = Payload.objects.get()
    assert answer == {
        "id": payload.pk,
        "sha256": sha256(body).hexdigest(),
        "status_url": f"http://testserver{PAYLOADS}{payload.pk}/",
    }
    assert sender.get(f"{PAYLOADS}{payload.pk}/raw/").content == body
    assert (payload.content_type, payload.sender) == (content_type, "127.0.0.1")


def test_real_file_becomes_a_measurement(sender: Client, real_data: Path) -> None:
    body = (real_data / "dropzone/file.json").read_bytes().replace(b"\n", b"")

    status, answer = post(sender, body)
    drain_payloads()

    assert status == 202
    row = sender.get(f"{MEASUREMENTS}2019-05-01T10:00:00Z/").json()
    assert row == {
        "timestamp": "2019-05-01T10:00:00Z",
        "mean": 0.9985282517566032,
        "std": 1.0179111964854088,
        "count": 100,
        "payload": answer["id"],
    }
    assert sender.get(f"{PAYLOADS}{answer['id']}/raw/").content == body


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"not json", b"\xff", b"\xef\xbb\xbf{}", b"{} {}", "{}".encode("utf-16"), b"\0"],
)
def test_body_that_is_no_json_is_kept_and_told(sender: Client, body: bytes) -> None:
    status, answer = post(sender, body)

    assert status == 400
    assert answer["errors"][0]["code"] == "not_json"
    assert sender.get(f"{PAYLOADS}{answer['id']}/raw/").content == body
    drain_payloads()
    found = sender.get(f"{PAYLOADS}{answer['id']}/").json()
    assert found["state"] == "rejected"
    assert found["reasons"]


@pytest.mark.parametrize("body", [BAD, b"{}", b"[]", b"5", b'{"a": NaN}', b"[" * 100 + b"]" * 100])
def test_every_other_fault_is_told_later(sender: Client, body: bytes) -> None:
    status, answer = post(sender, body)
    drain_payloads()

    assert status == 202
    assert sender.get(answer["status_url"]).json()["state"] == "rejected"


def test_gzip_is_kept_as_it_came_and_read(sender: Client) -> None:
    body = gzip.compress(write(1, 2), mtime=0)

    status, answer = post(sender, body, content_encoding="gzip")
    drain_payloads()

    assert status == 202
    assert sender.get(f"{PAYLOADS}{answer['id']}/raw/").content == body
    assert Measurement.objects.get().mean == 1.5


@pytest.mark.parametrize(
    ("body", "encoding", "code"),
    [
        (b"x", "gzip", "bad_gzip"),
        (gzip.compress(b"x" * 100, mtime=0)[:-4], "gzip", "bad_gzip"),
        (gzip.compress(b"0" * 11_000_000, mtime=0), "gzip", "compression_bomb"),
        (b"{}", "br", "unknown_encoding"),
        (b"{}", "gzip, " * 20, "unknown_encoding"),
    ],
)
def test_body_that_cannot_be_unpacked_is_kept_and_told(
    sender: Client, body: bytes, encoding: str, code: str
) -> None:
    status, answer = post(sender, body, content_encoding=encoding)

    assert (status, answer["errors"][0]["code"]) == (400, code)
    assert Payload.objects.get().pk == answer["id"]


def test_body_that_is_too_large_is_a_413(sender: Client, settings: Settings) -> None:
    settings.DROPZONE_MAX_BYTES = 100

    assert post(sender, b"x" * 100)[0] == 400
    assert post(sender, b"x" * 101)[0] == 413
    assert post(sender, b"x" * 11_000_000)[0] == 413
    assert Payload.objects.count() == 1


def test_body_that_was_cut_is_not_kept_and_its_key_not_used(
    sender: Client, live_server: LiveServer
) -> None:
    head = b"POST /dropzone HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: k\r\n"
    with socket.create_connection((live_server.thread.host, live_server.thread.port)) as client:
        client.sendall(head + b"Content-Length: 1000\r\n\r\n" + write(1))
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65_536), b""))

    assert b"incomplete" in answer or answer == b""
    assert not Payload.objects.exists()
    assert post(sender, write(1, 2), idempotency_key="k")[0] == 202


def test_session_sends_with_its_token(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("ada"))
    client.cookies["csrftoken"] = "a" * 32

    for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/json"):
        refused = client.post("/dropzone", write(1), content_type=content_type)
        taken = client.post(
            "/dropzone", write(1), content_type=content_type, headers={"x-csrftoken": "a" * 32}
        )

        assert (refused.status_code, taken.status_code) == (403, 202)
    assert set(Payload.objects.values_list("sender", flat=True)) == {"ada"}


def test_key_makes_a_repeat_the_same_payload(sender: Client) -> None:
    first = post(sender, write(1), idempotency_key="k")

    assert post(sender, write(1), idempotency_key="k") == first
    status, answer = post(sender, write(2), idempotency_key="k")
    assert (status, answer["errors"][0]["attr"]) == (409, "Idempotency-Key")


@pytest.mark.parametrize("key", ["k" * 256, "k\u00e4", "a\tb"])
def test_key_that_cannot_be_one_is_a_400(sender: Client, key: str) -> None:
    status, answer = post(sender, write(1), idempotency_key=key)

    assert (status, answer["errors"][0]["attr"]) == (400, "Idempotency-Key")
    assert not Payload.objects.exists()


def test_payload_that_cannot_be_stored_is_a_500(
    sender: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "RECEIVE", "SELECT 1/0")

    status, answer = post(sender, write(1))

    assert (status, answer["type"]) == (500, "server_error")


def test_kick_that_fails_changes_nothing(sender: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kicker, "redis", Redis(unix_socket_path="/nowhere/redis.sock"))
    monkeypatch.setattr(kicker, "quiet_until", 0.0)

    assert post(sender, write(1))[0] == 202


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@pytest.mark.parametrize("path", ["/dropzone", "/dropzone/"])
def test_other_methods_are_a_405(sender: Client, method: str, path: str) -> None:
    assert getattr(sender, method)(path).status_code == 405


def test_sender_must_sign_in_where_sending_is_not_open(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read"})
    client = APIClient()
    make_user("ada", password="pass word")  # noqa: S106

    assert client.post("/dropzone", b"{}", content_type="text/plain").status_code == 401
    login = {"username": "ada", "password": "pass word"}
    token = client.post("/api/v1/auth/token/", login).json()["access"]
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    response = client.post("/dropzone", write(1), content_type="text/plain")

    assert response.status_code == 202
    assert Payload.objects.get().sender == "ada"
