"""The tokens of people."""

import threading
from typing import Any

import jwt
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import Settings
from rest_framework.test import APIClient

from tests.people import make_user

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"  # noqa: S105 (of a user that lives for one test)
TOKEN = "/api/v1/auth/token/"  # noqa: S105 (an address)
IMPORTS = "/api/v1/imports/"
KEY = str(django_settings.SIMPLE_JWT["SIGNING_KEY"])


@pytest.fixture
def user(settings: Settings) -> User:
    settings.ANONYMOUS_ACCESS = frozenset()
    return make_user(group="analyst", password=PASSWORD)


@pytest.fixture
def pair(user: User) -> dict[str, str]:
    return dict(obtain().json())


def read_claims(token: str, key: str = KEY) -> dict[str, Any]:
    ours = {"issuer": "catchment", "audience": "catchment"}
    return jwt.decode(token, key, algorithms=["HS256"], **ours)  # type: ignore[arg-type]


def obtain(password: str = PASSWORD) -> Any:
    return APIClient().post(TOKEN, {"username": "ada", "password": password})


def refresh(pair: dict[str, str]) -> Any:
    return APIClient().post(f"{TOKEN}refresh/", {"refresh": pair["refresh"]})


def use(token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    return APIClient().get(IMPORTS, headers=headers).status_code


def test_token_is_signed_with_a_key_of_its_own(pair: dict[str, str]) -> None:
    claims = read_claims(pair["access"])

    assert claims["exp"] - claims["iat"] == 600
    assert jwt.get_unverified_header(pair["access"])["alg"] == "HS256"
    assert KEY != django_settings.SECRET_KEY
    with pytest.raises(jwt.InvalidSignatureError):
        read_claims(pair["access"], "s" * 32)


@pytest.mark.parametrize(
    "change", [{"iss": "another"}, {"aud": "another"}, {"exp": 1}, {"token_type": "refresh"}]
)
def test_token_with_another_claim_opens_nothing(
    pair: dict[str, str], change: dict[str, object]
) -> None:
    claims = read_claims(pair["access"])

    assert use(jwt.encode(claims, KEY)) == 200
    assert use(jwt.encode({**claims, **change}, KEY)) == 401


def test_tokens_are_kept_nowhere_on_their_way(user: User) -> None:
    given = APIClient().post(TOKEN, {"username": "ada", "password": PASSWORD})
    renewed = APIClient().post(f"{TOKEN}refresh/", {"refresh": given.json()["refresh"]})

    for answer in (given, renewed):
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("algorithm", ["none", "HS512"])
def test_token_of_another_algorithm_opens_nothing(pair: dict[str, str], algorithm: str) -> None:
    claims = read_claims(pair["access"])

    assert use(jwt.encode(claims, KEY if algorithm != "none" else "", algorithm)) == 401


def test_refresh_token_opens_nothing_and_is_good_once(pair: dict[str, str]) -> None:
    renewed = refresh(pair).json()
    again = refresh(pair)

    assert use(pair["refresh"]) == 401
    assert set(renewed) == {"access", "refresh"}
    assert use(renewed["access"]) == 200
    assert again.status_code == 401
    assert again.json()["errors"][0]["detail"] == "Token is blacklisted"


@pytest.mark.parametrize("change", ["deleted", "disabled", "new password"])
def test_token_of_somebody_who_is_gone_opens_nothing(
    user: User, pair: dict[str, str], change: str
) -> None:
    assert use(pair["access"]) == 200

    if change == "deleted":
        user.delete()
    elif change == "disabled":
        User.objects.update(is_active=False)
    else:
        user.set_password(f"another {PASSWORD}")
        user.save()

    assert use(pair["access"]) == 401
    assert refresh(pair).status_code == 401
    assert obtain().status_code == 401


@pytest.mark.django_db(transaction=True)
def test_eight_refreshes_with_one_token_have_one_winner(pair: dict[str, str]) -> None:
    barrier = threading.Barrier(8)
    answers: list[int] = []

    def refresh_at_once() -> None:
        barrier.wait()
        answers.append(refresh(pair).status_code)
        connection.close()

    threads = [threading.Thread(target=refresh_at_once) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [200] + [401] * 7


def test_wrong_password_is_a_401_in_the_one_shape_of_errors(user: User) -> None:
    response = obtain("x")

    assert response.status_code == 401
    [error] = response.json()["errors"]
    assert set(error) == {"code", "detail", "attr"}


def test_session_of_an_account_that_is_disabled_ends(user: User) -> None:
    client = APIClient()
    client.force_login(user)

    assert client.get(IMPORTS).status_code == 200
    User.objects.update(is_active=False)
    assert client.get(IMPORTS).status_code == 401
    assert client.get("/").headers["Location"].startswith("/sign-in/")
