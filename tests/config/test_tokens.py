"""The tokens of people."""

from typing import Any

import jwt
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
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
    answer = APIClient().post(TOKEN, {"username": "ada", "password": PASSWORD}).json()
    return dict(answer)


def read_claims(token: str, key: str = KEY) -> dict[str, Any]:
    ours = {"issuer": "catchment", "audience": "catchment"}
    return jwt.decode(token, key, algorithms=["HS256"], **ours)  # type: ignore[arg-type]


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
    client = APIClient()

    renewed = client.post(f"{TOKEN}refresh/", {"refresh": pair["refresh"]}).json()
    again = client.post(f"{TOKEN}refresh/", {"refresh": pair["refresh"]})

    assert use(pair["refresh"]) == 401
    assert use(renewed["access"]) == 200
    assert again.status_code == 401
    assert again.json()["errors"][0]["detail"] == "Token is blacklisted"


def test_account_that_is_disabled_is_refused_at_once(user: User, pair: dict[str, str]) -> None:
    assert use(pair["access"]) == 200

    User.objects.update(is_active=False)

    client = APIClient()
    assert use(pair["access"]) == 401
    assert client.post(f"{TOKEN}refresh/", {"refresh": pair["refresh"]}).status_code == 401
    asked = {"username": "ada", "password": PASSWORD}
    assert client.post(TOKEN, asked).status_code == 401


def test_session_of_an_account_that_is_disabled_ends(user: User) -> None:
    client = APIClient()
    client.force_login(user)

    assert client.get(IMPORTS).status_code == 200
    User.objects.update(is_active=False)
    assert client.get(IMPORTS).status_code == 401
    assert client.get("/").headers["Location"].startswith("/sign-in/")
