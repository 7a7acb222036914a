"""Health, faulty requests, the API's description and the admin."""

import warnings

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.db import connection
from django.db.models import Model
from django.test import Client, RequestFactory
from drf_spectacular.generators import SchemaGenerator
from pytest_django import Settings
from rest_framework.test import APIClient

from config.api.requests import Utf8Handler, Utf8Request
from config.wsgi import application
from tests.explorer.trips import import_trips
from tests.factories.dropzone import MeasurementFactory, PayloadFactory
from tests.factories.explorer import GameFactory, TaxiZoneFactory
from tests.factories.footprints import FootprintFactory
from tests.factories.imports import ChunkFactory, ImportFactory, RejectFactory
from tests.factories.locations import MinuteAverageFactory
from tests.people import make_user


def test_alive_needs_no_database(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}


@pytest.mark.django_db(databases=["default", "reader"])
def test_ready_tells_each_part(client: Client) -> None:
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {
        "status": "degraded",  # no worker runs here
        "database": "up",
        "reader": "up",
        "redis": "up",
        "workers": 0,
        "payload_workers": 0,
    }


@pytest.mark.django_db(databases=["default", "reader"])
def test_ready_without_redis_still_takes_requests(client: Client, settings: Settings) -> None:
    gone = {"URL": "unix:///nowhere/redis.sock?db=0"}
    settings.RQ_QUEUES = dict.fromkeys(("imports", "payloads"), gone)

    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json()["redis"] == "down"


@pytest.mark.django_db(transaction=True, databases=["default", "reader"])
def test_ready_tells_where_the_explorer_cannot_read(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("REVOKE SELECT ON explorer_taxizone FROM catchment_reader")
    try:
        response = client.get("/readyz")
    finally:
        call_command("make_reader")

    assert response.status_code == 200
    assert (response.json()["status"], response.json()["reader"]) == ("degraded", "down")


def test_ready_without_the_database_is_a_503(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.health.check_database", lambda: False)

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["database"] == "down"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"username":' * 50_000,
        b'{"username": NaN, "password": 1e400}',
        b'{"username": "\\u0000", "password": "\\ud800"}',
        b"\xff\xfe",
        b"null",
        b"[]",
        b'{"username": ["x"], "password": {"a": 1}}',
    ],
)
def test_hostile_body_is_a_400_that_says_so(body: bytes) -> None:
    response = APIClient().post("/api/v1/auth/token/", body, content_type="application/json")

    assert response.status_code == 400
    assert response.json()["errors"][0]["detail"]


@pytest.mark.django_db
def test_body_that_is_too_large_is_a_413(settings: Settings) -> None:
    body = b'{"username": "' + b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1) + b'"}'

    response = APIClient().post("/api/v1/auth/token/", body, content_type="application/json")

    assert response.status_code == 413
    assert response.json()["errors"][0]["code"] == "too_large"


@pytest.mark.django_db
def test_more_parameters_than_can_be_read_are_a_400(api: APIClient) -> None:
    response = api.get("/api/v1/imports/?" + "&".join(f"a{n}=1" for n in range(1001)))

    assert response.status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/api/v1/nothing/", "/api/", "/api/v1/imports/1.5/", "/api/v1/imports/%D9%A3/"]
)
def test_address_that_is_not_there_answers_in_the_one_shape(api: APIClient, path: str) -> None:
    response = api.get(path)

    assert response.status_code == 404
    assert response.json()["errors"][0]["code"] == "not_found"


@pytest.mark.django_db
def test_page_that_is_not_there_is_a_page(client: Client) -> None:
    response = client.get("/nothing/")

    assert response.status_code == 404
    assert response.headers["content-type"].startswith("text/html")
    assert "There is no such page" in response.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_writing_to_what_can_only_be_read_is_a_405(api: APIClient, method: str) -> None:
    assert getattr(api, method)("/api/v1/footprints/").status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["games/export.csv", "locations/tiles.json", "locations/tiles/0/0/0.mvt"]
)
def test_writing_to_a_file_is_a_405_in_a_session_too(path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user())
    client.cookies["csrftoken"] = token = "a" * 32

    response = client.post(f"/api/v1/{path}", headers={"x-csrftoken": token})

    assert response.status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/docs/", "/api/schema/", "/api/v1/footprints/"])
def test_options_is_answered(api: APIClient, path: str) -> None:
    assert api.options(path).status_code in {200, 405}


@pytest.mark.django_db
def test_api_is_described_without_a_warning(tmp_path: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call_command("spectacular", "--validate", "--fail-on-warn", "--file", f"{tmp_path}/o.yaml")


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/schema/", "/api/docs/"])
def test_description_is_served_from_here_alone(api: APIClient, path: str) -> None:
    response = api.get(path)

    assert response.status_code == 200
    assert "cdn." not in response.content.decode()


@pytest.mark.django_db
def test_every_model_of_ours_has_its_admin_pages(admin_client: Client) -> None:
    rows: list[Model] = [FootprintFactory(), ImportFactory(), ChunkFactory(), RejectFactory()]
    rows += [MinuteAverageFactory(), PayloadFactory(), MeasurementFactory(), *import_trips({})]
    rows += [TaxiZoneFactory(), GameFactory()]

    ours = {
        model
        for model in admin.site._registry
        if model.__module__.startswith(
            ("imports.", "footprints.", "locations.", "dropzone.", "explorer.")
        )
    }
    assert {type(row) for row in rows} == ours
    for row in rows:
        name = f"/admin/{row._meta.app_label}/{row._meta.model_name}/"
        assert admin_client.get(name).status_code == 200
        detail = admin_client.get(f"{name}{row.pk}/change/")
        assert detail.status_code == 200
        assert admin_client.get(f"{name}?q=1").status_code == 200
        assert admin_client.get(f"{name}add/").status_code == 403


@pytest.mark.django_db
def test_admin_loads_nothing_from_elsewhere(admin_client: Client) -> None:
    footprint = FootprintFactory()

    page = admin_client.get(f"/admin/footprints/footprint/{footprint.pk}/change/").content.decode()

    assert "feature-map" in page
    assert 'src="http' not in page
    assert 'href="http' not in page


@pytest.mark.django_db
def test_queue_dashboard_is_for_staff(client: Client, admin_client: Client) -> None:
    assert client.get("/rq/").status_code == 302
    assert admin_client.get("/rq/").status_code == 200


@pytest.mark.parametrize("charset", ["rot13", "zlib", "base64", "undefined", "idna", "utf-16"])
def test_charset_is_utf_8_whatever_is_claimed(rf: RequestFactory, charset: str) -> None:
    environ = rf.get("/?a=%C3%A9").environ | {"CONTENT_TYPE": f"text/plain; charset={charset}"}

    request = Utf8Request(environ)

    assert request.GET["a"] == "é"
    assert isinstance(application, Utf8Handler)


def test_body_without_a_length_is_asked_for_one(client: Client) -> None:
    response = client.post("/api/v1/imports/", headers={"Transfer-Encoding": "chunked"})

    assert response.status_code == 411
    assert response.json()["errors"][0]["code"] == "length_required"


def test_name_of_half_a_character_is_told_as_far_as_it_goes(
    settings: Settings, client: Client
) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "import"})
    body = '{"dataset": "trips", "\\ud800": 1}'

    response = client.post("/api/v1/imports/", body, content_type="application/json")

    assert response.status_code == 400
    assert [error["attr"] for error in response.json()["errors"]] == ["?"]


@pytest.mark.django_db
def test_body_of_a_type_that_is_not_taken_is_a_fault_that_is_described(client: Client) -> None:
    path = "/api/v1/auth/token/refresh/"
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]  # type: ignore[no-untyped-call]

    response = client.post(path, b"refresh", content_type="text/plain")

    assert response.status_code == 415
    assert "415" in paths[path]["post"]["responses"]
    # What takes any type never refuses one.
    assert "415" not in paths["/location/"]["put"]["responses"]
