"""The door of phones, and of batches."""

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from locations import averaging
from locations.models import Fix, MinuteAverage
from tests.locations.test_fixes import GOOD, MALFORMED, write
from tests.people import make_user

pytestmark = pytest.mark.django_db

URL = "/api/v1/locations/"


@pytest.fixture
def phone(settings: Settings) -> Client:
    """A phone that has not signed in, where anybody may send and read."""
    settings.ANONYMOUS_ACCESS = frozenset({"read", "ingest"})
    return Client(raise_request_exception=False)


def put(phone: Client, body: bytes, path: str = "/location", **options: Any) -> tuple[int, Any]:
    response = phone.put(path, body, **{"content_type": "application/json"} | options)
    return response.status_code, json.loads(response.content)


# The door of phones


@pytest.mark.parametrize("path", ["/location", "/location/"])
def test_fix_is_stored_once(phone: Client, path: str) -> None:
    assert put(phone, write(), path) == (200, {"status": "stored"})
    assert put(phone, write(lat=53), path) == (200, {"status": "duplicate"})

    assert MinuteAverage.objects.get().lat == 52.5


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_body_is_json_whatever_it_is_called(phone: Client, content_type: str) -> None:
    assert put(phone, write(), content_type=content_type) == (200, {"status": "stored"})


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_body_is_a_400_that_names_each_fault(phone: Client, name: str) -> None:
    body, members = MALFORMED[name]

    status, answer = put(phone, body)

    assert status == 400
    assert answer["type"] == "validation_error"
    assert {error["attr"] for error in answer["errors"]} == members
    assert all(error["code"] and error["detail"] for error in answer["errors"])
    assert not Fix.objects.exists()
    assert not MinuteAverage.objects.exists()


def test_body_that_is_too_large_is_a_400(phone: Client) -> None:
    status, answer = put(phone, write(user_id="u" * 11_000_000))

    assert status == 400
    assert answer["errors"][0]["code"] == "too_large"


def test_other_members_are_not_looked_at(phone: Client) -> None:
    assert put(phone, write(battery=80)) == (200, {"status": "stored"})


@pytest.mark.parametrize("method", ["get", "post", "patch", "delete"])
def test_other_methods_are_a_405(phone: Client, method: str) -> None:
    response = getattr(phone, method)("/location")

    assert response.status_code == 405
    assert response.json()["errors"][0]["code"] == "method_not_allowed"


def test_fix_that_cannot_be_stored_is_a_500(
    phone: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(averaging, "ONE", "SELECT 1/0")

    status, answer = put(phone, write())

    assert status == 500
    assert answer["type"] == "server_error"
    assert "DivisionByZero" in caplog.text


def test_unknown_host_is_refused(phone: Client) -> None:
    response = phone.put("/location", write(), headers={"host": "evil.example"})

    assert response.status_code == 400
    assert not Fix.objects.exists()


# Who may send


@pytest.fixture
def closed(settings: Settings) -> APIClient:
    settings.ANONYMOUS_ACCESS = frozenset({"read"})
    return APIClient()


def test_phone_must_sign_in_where_sending_is_not_open(closed: APIClient) -> None:
    for send in (closed.put, closed.post):
        path = "/location" if send == closed.put else f"{URL}batch/"
        response = send(path, GOOD, format="json")

        assert response.status_code == 401
    assert not Fix.objects.exists()


def test_phone_that_signed_in_is_answered_alike(closed: APIClient) -> None:
    make_user("ada", password="pass word")  # noqa: S106
    login = {"username": "ada", "password": "pass word"}
    token = closed.post("/api/v1/auth/token/", login).json()["access"]
    closed.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")

    assert closed.put("/location", GOOD, format="json").json() == {"status": "stored"}
    assert closed.put("/location/", GOOD, format="json").json() == {"status": "duplicate"}
    response = closed.put("/location", GOOD | {"lat": None}, format="json")
    assert (response.status_code, response.json()["errors"][0]["attr"]) == (400, "lat")
    assert closed.put("/location", b"\xff", content_type="text/plain").status_code == 400


def test_token_that_is_none_is_refused_where_none_is_needed(phone: Client) -> None:
    response = phone.put("/location", write(), headers={"authorization": "Bearer x"})

    assert response.status_code == 401
    assert not Fix.objects.exists()


# Batches


def send_batch(phone: Client, points: Any) -> tuple[int, Any]:
    body = points if isinstance(points, bytes) else json.dumps(points).encode()
    response = phone.post(f"{URL}batch/", body, content_type="application/json")
    return response.status_code, response.json()


def test_batch_is_answered_point_by_point(phone: Client) -> None:
    points = [
        GOOD,
        GOOD | {"lat": 91, "speed": None},
        GOOD | {"lat": 1},
        GOOD | {"timestamp": "2024-07-01 12:00:29"},
        None,
    ]

    status, answer = send_batch(phone, points)

    assert status == 200
    assert {name: answer[name] for name in ("stored", "duplicate", "rejected")} == {
        "stored": 2,
        "duplicate": 1,
        "rejected": 2,
    }
    assert [result["status"] for result in answer["results"]] == [
        *("stored", "rejected", "duplicate", "stored", "rejected")
    ]
    assert [error["attr"] for error in answer["results"][1]["errors"]] == ["lat", "speed"]
    assert MinuteAverage.objects.get().count == 2


def test_batch_with_any_malformed_point_stores_the_others(phone: Client) -> None:
    """Of those that are JSON by themselves."""
    bodies = [body for body, members in MALFORMED.values() if None not in members]

    status, answer = send_batch(phone, b"[" + b",".join([*bodies, write()]) + b"]")

    assert status == 200
    assert (answer["stored"], answer["rejected"]) == (1, len(bodies))


def test_batch_of_10_000_points_is_stored(phone: Client) -> None:
    points = [
        GOOD
        | {"timestamp": f"2024-07-01 12:{n // 600:02}:{n % 600 / 10:06.3f}", "user_id": "u" * 36}
        for n in range(10_000)
    ]

    status, answer = send_batch(phone, {"points": points})

    assert (status, answer["stored"]) == (200, 10_000)
    assert MinuteAverage.objects.count() == 17
    assert send_batch(phone, points)[1]["duplicate"] == 10_000


def test_larger_batch_is_refused_as_a_whole(phone: Client) -> None:
    status, answer = send_batch(phone, [GOOD] * 10_001)

    assert (status, answer["errors"][0]["code"]) == (400, "too_many")
    assert not Fix.objects.exists()


def test_long_array_of_nothing_is_refused_before_it_is_looked_at(phone: Client) -> None:
    status, answer = send_batch(phone, b"[" + b"0," * 5_000_000 + b"0]")

    assert (status, answer["errors"][0]["code"]) == (400, "too_many")


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b"null", b"\xff", b"[" * 90_000, write()])
def test_what_is_no_batch_is_a_400(phone: Client, body: bytes) -> None:
    status, answer = send_batch(phone, body)

    assert status == 400
    assert answer["errors"][0]["detail"]


def test_empty_batch_is_answered(phone: Client) -> None:
    assert send_batch(phone, []) == (
        200,
        {"stored": 0, "duplicate": 0, "rejected": 0, "results": []},
    )


def test_batch_knows_no_parameters(phone: Client) -> None:
    response = phone.post(f"{URL}batch/?user_id=ada", write(), content_type="application/json")

    assert response.status_code == 400
