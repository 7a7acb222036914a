"""Signing in is counted before a password is looked at, and closed where that cannot be."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from limits import parse
from pytest_django import Settings

from config.api.limits import Limiter

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"  # noqa: S105 (of the tests)
TOKEN = "/api/v1/auth/token/"  # noqa: S105 (an address)
REFRESH = f"{TOKEN}refresh/"
PAGES = ["/sign-in/", "/admin/login/"]


@pytest.fixture(autouse=True)
def ada(settings: Settings) -> User:
    # A slow one would take longer than the minute for which attempts are counted.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return User.objects.create_superuser("ada", password=PASSWORD)


def try_password(path: str, password: str, name: str = "ada", **options: Any) -> Any:
    return Client(**options).post(path, {"username": name, "password": password})


@pytest.mark.parametrize("path", [TOKEN, *PAGES])
def test_tenth_attempt_is_the_last_also_with_the_right_password(path: str) -> None:
    for _ in range(10):
        assert try_password(path, "wrong").status_code in {200, 401}

    answer = try_password(path, PASSWORD)

    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert answer["RateLimit-Limit"] == "10"
    assert try_password(path, PASSWORD, "bob").status_code != 429


def test_all_doors_share_one_count() -> None:
    for path in [TOKEN, *PAGES] * 3:
        try_password(path, "wrong", " ADA ")

    assert try_password(TOKEN, PASSWORD).status_code == 200
    assert try_password("/sign-in/", PASSWORD).status_code == 429


def test_address_that_tries_many_names_is_stopped() -> None:
    statuses = [try_password(TOKEN, "wrong", f"name{n}").status_code for n in range(61)]

    assert statuses == [401] * 60 + [429]
    assert try_password(TOKEN, PASSWORD).status_code == 429
    assert try_password(TOKEN, PASSWORD, REMOTE_ADDR="192.0.2.7").status_code == 200


def test_forged_address_does_not_help() -> None:
    for n in range(10):
        try_password(TOKEN, "wrong", headers={"X-Forwarded-For": f"203.0.113.{n}"})

    assert try_password(TOKEN, PASSWORD).status_code == 429


def test_refreshes_are_counted_by_address() -> None:
    for _ in range(60):
        assert Client().post(REFRESH, {"refresh": "x"}).status_code == 401

    assert Client().post(REFRESH, {"refresh": "x"}).status_code == 429


@pytest.mark.parametrize("path", PAGES)
def test_page_tells_why_in_words(settings: Settings, path: str) -> None:
    settings.RATE_LIMITS = {"login": parse("1/minute")}
    try_password(path, "wrong")

    answer = Client().post(path, {"username": "ada", "password": PASSWORD, "next": "/map/"})

    assert answer.status_code == 429
    assert "Too many attempts. Expected available in" in answer.content.decode()
    assert 'name="next" value="/map/"' in answer.content.decode()
    assert Client().get(path).status_code == 200


@pytest.mark.parametrize("path", [TOKEN, REFRESH, *PAGES])
def test_login_is_closed_without_redis(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    settings.LOGIN_REDIS_URL = "unix:///nowhere/redis.sock"
    monkeypatch.setattr("config.api.limits.login_limiter", Limiter("LOGIN_REDIS_URL"))

    for _ in range(2):
        answer = try_password(path, PASSWORD, raise_request_exception=False)

        assert answer.status_code == 503
        assert answer["Retry-After"] == "5"
        assert "Nobody can sign in for now" in answer.content.decode()


def test_password_is_not_looked_at_after_the_limit(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RATE_LIMITS = {"login": parse("1/minute")}
    try_password(TOKEN, "wrong")
    looked: list[str] = []
    monkeypatch.setattr(User, "check_password", lambda user, text: looked.append(text))

    for path in [TOKEN, *PAGES]:
        assert try_password(path, PASSWORD).status_code == 429

    assert not looked
