"""API keys in the admin, and its addresses of any object."""

import re

import pytest
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from pytest_django import Settings

from config.models import ApiKey
from tests.people import make_key, make_user, sign_in, use_key

pytestmark = pytest.mark.django_db
IMPORTS = "/api/v1/imports/"
ADMIN = "/admin/config/apikey/"


@pytest.fixture(autouse=True)
def _nothing_is_open(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()


@pytest.fixture
def keeper() -> Client:
    return sign_in(make_user("keeper", group="admin", is_staff=True))


def test_admin_shows_a_new_key_once(keeper: Client) -> None:
    form = {"name": "station", "scopes": ["read"], "expiry_date_0": "", "expiry_date_1": ""}

    page = keeper.post(f"{ADMIN}add/", form, follow=True).content.decode()

    [key] = re.findall(r"a second time: (\S{41})", page)
    assert use_key(key).get(IMPORTS).status_code == 200
    record = ApiKey.objects.get()
    assert record.created_by is not None
    assert (record.created_by.username, record.scopes) == ("keeper", ["read"])
    again = keeper.get(f"{ADMIN}{record.pk}/change/").content.decode()
    assert key not in again
    assert record.hashed_key not in again


def test_admin_revokes_a_key_for_good(keeper: Client) -> None:
    record, key = make_key("read")
    form = {"name": "station", "revoked": "on", "scopes": ["import"]}

    assert keeper.post(f"{ADMIN}{record.pk}/change/", form).status_code == 302
    keeper.post(f"{ADMIN}{record.pk}/change/", {"name": "another"})

    record = ApiKey.objects.get()
    assert (record.name, record.revoked, record.scopes) == ("station", True, ["read"])
    assert use_key(key).get(IMPORTS).status_code == 401


def test_admin_takes_no_date_that_is_past(keeper: Client) -> None:
    form = {
        "name": "a",
        "scopes": ["read"],
        "expiry_date_0": "2024-07-01",
        "expiry_date_1": "12:00",
    }

    assert "This is past." in keeper.post(f"{ADMIN}add/", form).content.decode()


def test_admin_lets_no_hash_be_guessed_and_no_key_be_deleted(keeper: Client) -> None:
    record, _ = make_key("read")

    assert keeper.get(f"{ADMIN}?hashed_key__startswith=sha512").status_code == 400
    assert keeper.post(f"{ADMIN}{record.pk}/delete/", {"post": "yes"}).status_code == 403
    assert keeper.get(f"{ADMIN}?q=maker").status_code == 200


def test_admin_shows_no_keys_to_who_may_not_manage_them() -> None:
    staff = sign_in(make_user("staff", is_staff=True))

    assert staff.get(ADMIN).status_code == 403
    assert "apikey" not in staff.get("/admin/").content.decode()


def test_account_that_made_keys_can_be_deleted(keeper: Client) -> None:
    record, key = make_key("read")
    assert record.created_by is not None

    keeper.post(f"/admin/auth/user/{record.created_by.pk}/delete/", {"post": "yes"})

    assert ApiKey.objects.get().created_by is None
    assert use_key(key).get(IMPORTS).status_code == 401


@pytest.mark.parametrize("number", ["0", "9" * 30, "none", "%00", "%ff", "1/2"])
def test_admin_knows_no_object_of_any_kind_by_a_number_that_is_none(
    keeper: Client, number: str
) -> None:
    kinds = ContentType.objects.values_list("pk", flat=True)

    answers = {kind: keeper.get(f"/admin/r/{kind}/{number}/").status_code for kind in kinds}

    assert answers
    assert set(answers.values()) == {404}
