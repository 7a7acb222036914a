"""What is told where a page cannot be shown."""

import json

import pytest
from django.core.exceptions import TooManyFieldsSent
from django.http.response import HttpResponseBase
from django.test import Client, RequestFactory
from pytest_django import Settings

from config.faults import show_bad_request
from imports.choices import Status
from tests.factories.imports import ImportFactory
from tests.people import make_user

pytestmark = pytest.mark.django_db
HERE = "http://testserver"
MANY = "&".join(f"a{number}=1" for number in range(1_200))
FOR_SCRIPT = {"HX-Request": "true"}
FORMS = (
    "/imports/1/delete/",
    "/imports/1/cancel/",
    "/dropzone/payloads/1/retry/",
    "/dropzone/measurements/2024-07-01T04:00:00Z/verify/",
)


@pytest.fixture
def shut(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()


def read(response: HttpResponseBase) -> str:
    return b"".join(response).decode()


@pytest.mark.usefixtures("shut")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("page", "asked"),
    [
        (f"{HERE}/imports/1/?a=b", "/imports/1/%3Fa%3Db"),
        (f"{HERE}/dropzone/measurements/2024-07-01T04%3A00Z/", None),
        (f"{HERE}/imports/1/delete/", "/"),
        (f"{HERE}/nothing/", "/"),
        (f"{HERE}//evil.example/imports/", "/"),
        (f"{HERE}/%2Fevil.example/", "/"),
        (f"{HERE}/\\evil.example/", "/"),
        ("https://evil.example/imports/", "/"),
        ("http://[", "/"),
        ("", "/"),
    ],
)
def test_sign_in_leads_back_to_the_page_that_held_the_form(
    client: Client, form: str, page: str, asked: str | None
) -> None:
    plain = client.post(form, headers={"Referer": page})["Location"]
    live = client.post(form, headers=FOR_SCRIPT | {"HX-Current-URL": page})["HX-Redirect"]

    assert plain == live
    if asked is None:
        assert plain.startswith("/sign-in/?next=/dropzone/measurements/2024-07-01T04")
    else:
        assert plain == f"/sign-in/?next={asked}"


def test_stale_form_is_told_with_a_way_back(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "import"})
    strict = Client(enforce_csrf_checks=True, headers={"Referer": f"{HERE}/imports/?page=2"})

    response = strict.post("/imports/", {"dataset": "trips"})

    assert response.status_code == 403
    assert "Nothing was done" in read(response)
    assert 'class="button" href="/imports/?page=2"' in read(response)
    assert 'aria-label="Pages"' in read(response)


def test_script_is_told_a_line_of_a_stale_page(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "import"})
    record = ImportFactory(queued=True)
    strict = Client(enforce_csrf_checks=True, headers=FOR_SCRIPT)

    response = strict.post(f"/imports/{record.pk}/cancel/")

    assert response.status_code == 403
    assert response["Content-Type"].startswith("text/plain")
    assert "reload it" in read(response)
    record.refresh_from_db()
    assert record.status == Status.QUEUED


@pytest.mark.parametrize("action", ["", "cancel/", "resume/"])
def test_script_is_told_of_an_import_that_was_deleted(
    client: Client, settings: Settings, action: str
) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "import"})
    ask = client.post if action else client.get

    response = ask(f"/imports/7/{action}", headers=FOR_SCRIPT)

    assert response.status_code == 404
    assert read(response) == "There is no import 7: it was deleted."


def test_script_is_told_what_the_visitor_may_not(client: Client, settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read"})
    record = ImportFactory(queued=True)
    client.force_login(make_user(group="analyst"))

    response = client.post(f"/imports/{record.pk}/cancel/", headers=FOR_SCRIPT)

    assert (response.status_code, read(response)) == (403, "This needs the permission “import”.")


def test_script_is_told_a_line_of_an_address_that_is_not_there(client: Client) -> None:
    response = client.get("/nothing/", headers=FOR_SCRIPT)

    assert (response.status_code, read(response)) == (404, "There is no such page.")


@pytest.mark.parametrize("path", ["/imports/", "/map/", "/dropzone/", "/"])
def test_too_many_parameters_are_told_in_the_frame(
    client: Client, settings: Settings, path: str
) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read"})

    response = client.get(f"{path}?{MANY}")

    if path == "/":  # which reads none
        assert response.status_code == 200
        return
    assert response.status_code == 400
    assert "more parameters than" in read(response)
    assert 'aria-label="Pages"' in read(response)


def test_too_many_parameters_are_told_in_each_shape(client: Client, settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read"})

    of_script = client.get(f"/map/view/?{MANY}", headers=FOR_SCRIPT)
    of_api = client.get(f"/api/v1/imports/?{MANY}")

    assert (of_script.status_code, of_script["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert of_api.status_code == 400
    assert of_api.json()["errors"]


def test_what_the_api_cannot_read_outside_its_views_has_its_shape(rf: RequestFactory) -> None:
    response = show_bad_request(rf.get("/api/v1/imports/"), TooManyFieldsSent())

    assert response.status_code == 400
    assert json.loads(response.content)["errors"][0]["code"] == "bad_request"


def test_name_of_another_host_is_refused_without_a_page(client: Client) -> None:
    response = client.get("/", headers={"Host": "evil.example"})

    assert response.status_code == 400
    assert "href" not in read(response)
