"""How many imports of one user may be active at once."""

import threading
from collections import Counter
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from imports.choices import Status
from imports.jobs import NoPlace, resume_import
from imports.models import Import
from tests.factories.imports import ImportFactory

IMPORTS = "/api/v1/imports/"
ASKED = {"dataset": "trips", "url": "https://data.example/trips.csv"}


@pytest.fixture(autouse=True)
def _limited(settings: Settings, empty_queue: None) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "import"})
    settings.IMPORTS_PER_USER = 2


def ask(client: Any = None, **more: Any) -> Any:
    return (client or APIClient()).post(IMPORTS, ASKED | more)


@pytest.mark.django_db
def test_third_import_must_wait_until_one_ends() -> None:
    first, _, third = ask(), ask(), ask()
    upload = ask(file=SimpleUploadedFile("x.csv", b"x"), url="")

    assert third.status_code == 429
    assert third["Retry-After"] == "30"
    assert third.json()["errors"][0]["code"] == "too_many_imports"
    assert upload.status_code == 429
    Import.objects.get(pk=first.json()["id"]).delete()
    assert ask().status_code == 202


@pytest.mark.django_db
def test_users_have_places_of_their_own() -> None:
    for _ in range(2):
        ask()
    client = APIClient()
    client.force_authenticate(User.objects.create_superuser("ada"))

    assert [ask(client).status_code for _ in range(3)] == [202, 202, 429]


@pytest.mark.django_db
def test_there_is_no_limit_by_default(settings: Settings) -> None:
    settings.IMPORTS_PER_USER = 0

    assert {ask().status_code for _ in range(4)} == {202}


@pytest.mark.django_db
def test_page_tells_it_too() -> None:
    for _ in range(2):
        ask()

    answer = Client().post("/imports/", ASKED)

    assert answer.status_code == 429
    assert answer["Retry-After"] == "30"
    assert "wait for one to end" in answer.content.decode()
    assert Import.objects.count() == 2


@pytest.mark.django_db
def test_resumed_import_needs_a_place() -> None:
    ended = ImportFactory(status=Status.CANCELLED)
    for _ in range(2):
        ask()

    with pytest.raises(NoPlace):
        resume_import(ended.pk)

    assert APIClient().post(f"{IMPORTS}{ended.pk}/resume/").status_code == 429
    Client().post(f"/imports/{ended.pk}/resume/")
    assert Import.objects.get(pk=ended.pk).status == Status.CANCELLED


@pytest.mark.django_db(transaction=True)
def test_twelve_at_once_get_two_places() -> None:
    barrier = threading.Barrier(12)
    statuses: Counter[int] = Counter()

    def run() -> None:
        barrier.wait()
        statuses[ask().status_code] += 1
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == {202: 2, 429: 10}
    assert Import.objects.count() == 2
