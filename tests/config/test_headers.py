"""What every answer says to the browser, and what the server says of itself under HTTPS."""

import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

pytestmark = pytest.mark.django_db

PAGES = ("/", "/map/", "/imports/", "/dropzone/", "/sign-in/", "/api/docs/", "/admin/login/")
API = ("/api/v1/imports/", "/api/v1/footprints/heatmap/", "/api/schema/", "/api/v1/nothing/")
OTHERS = ("/healthz", "/nothing/", "/rq/", "/sign-out/")
SITE = "https://maps.example"
PRODUCTION = {
    "DEBUG": "0",
    "PUBLIC_URL": "https://catchment.example",
    "ALLOWED_HOSTS": "catchment.example",
    "ANONYMOUS_ACCESS": "",
}
# Asked in a process of its own: what PUBLIC_URL switches on is decided when it starts.
ASK = """
import django
django.setup()
from django.test import Client
from django.test.utils import setup_test_environment
setup_test_environment()
plain = Client().get("/sign-in/", headers={"host": "catchment.example"})
print("plain", plain.status_code, plain.headers.get("Location"))
health = Client().get("/healthz", headers={"host": "catchment.example"})
print("health", health.status_code)
secure = Client().get("/sign-in/", secure=True, headers={"host": "catchment.example"})
print("secure", secure.status_code, secure.headers.get("Strict-Transport-Security"))
print("cookie", secure.cookies["csrftoken"].OutputString())
foreign = Client().get("/sign-in/", headers={"host": "elsewhere.example"})
print("foreign", foreign.status_code)
inside = Client(headers={"host": "10.0.0.7:8000"})
print("inside", *(inside.get(path).status_code for path in ("/healthz", "/readyz", "/metrics")))
"""


@pytest.fixture(autouse=True)
def _anybody_reads(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read"})


def check_headers(response: Any) -> None:
    headers = response.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Server" not in headers
    assert "X-Powered-By" not in headers


def check_privacy(response: Any) -> None:
    """Caches that several people share keep by the name of a file what does not forbid it."""
    assert "private" in response.headers["Cache-Control"]


def check_policy(response: Any) -> None:
    """Nothing from elsewhere, no script in a page, and no frame around one."""
    policy = response.headers["Content-Security-Policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";") if part.strip())
    assert directives["default-src"] == "'self'"
    assert directives["frame-ancestors"] == "'none'"
    assert directives["base-uri"] == directives["object-src"] == "'none'"
    assert directives["form-action"] == "'self'"
    assert "script-src" not in directives
    assert "unsafe-eval" not in policy
    assert response.headers["X-Frame-Options"] == "DENY"
    assert "geolocation=()" in response.headers["Permissions-Policy"]


@pytest.mark.parametrize("address", [*PAGES, *API, *OTHERS])
def test_answer_has_every_header(client: Client, address: str) -> None:
    response = client.get(address)

    check_headers(response)
    check_policy(response)


@pytest.mark.parametrize("address", [*PAGES, *API, *OTHERS, "/api/v1/locations/export.csv"])
def test_answer_is_for_who_asked_alone(
    admin_client: Client, settings: Settings, address: str
) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()

    check_privacy(admin_client.get(address))


def test_answer_to_another_host_has_every_header(client: Client) -> None:
    response = client.get("/", headers={"host": "elsewhere.example"})

    assert response.status_code == 400
    check_headers(response)
    check_policy(response)


@pytest.mark.parametrize("address", ["/admin/", "/admin/auth/user/", "/admin/imports/import/"])
def test_page_of_the_admin_has_every_header(admin_client: Client, address: str) -> None:
    response = admin_client.get(address)

    check_headers(response)
    check_policy(response)


def test_static_file_has_its_headers(client: Client) -> None:
    response = client.get("/static/catchment/map.css")
    response.close()

    assert response.status_code == 200
    check_headers(response)


@pytest.mark.parametrize("address", ["/dropzone", "/location"])
def test_answer_of_a_door_has_its_headers(client: Client, settings: Settings, address: str) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"ingest"})
    send = client.post if address == "/dropzone" else client.put

    response = send(address, b"no JSON", "application/json")

    assert response.status_code == 400
    check_headers(response)


def test_refusal_of_a_large_body_has_every_header(client: Client, settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"ingest"})
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10

    response = client.post("/api/v1/locations/batch/", b"[" * 100, "application/json")

    assert response.status_code == 413
    check_headers(response)
    check_policy(response)


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> Client:
    """Something is wrong with the overview, and with the imports of the API."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a secret of the server")

    monkeypatch.setattr("config.overview.render", fail)
    monkeypatch.setattr("imports.views.count_rows", fail)
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("address", ["/", "/api/v1/datasets/"])
def test_fault_of_ours_has_every_header_and_tells_nothing(breaking: Client, address: str) -> None:
    response = breaking.get(address)

    assert response.status_code == 500
    check_headers(response)
    check_policy(response)
    assert b"secret" not in response.content
    assert b"Traceback" not in response.content


def test_cookies_are_out_of_reach_of_other_sites_and_of_scripts(client: Client) -> None:
    User.objects.create_user("ada", password="correct horse battery")  # noqa: S106
    values = {"username": "ada", "password": "correct horse battery"}

    cookies = client.post("/sign-in/", values).cookies

    assert cookies["sessionid"]["httponly"]
    assert cookies["sessionid"]["samesite"] == cookies["csrftoken"]["samesite"] == "Lax"


@pytest.mark.parametrize("site", [SITE, "https://elsewhere.example", "null"])
@pytest.mark.parametrize("address", ["/api/v1/imports/", "/admin/login/", "/"])
def test_other_sites_read_the_api_by_list_alone(
    client: Client, settings: Settings, site: str, address: str
) -> None:
    settings.CORS_ALLOWED_ORIGINS = [SITE]

    response = client.get(address, headers={"origin": site})

    is_allowed = site == SITE and address.startswith("/api/")
    allowed = site if is_allowed else None
    assert response.headers.get("Access-Control-Allow-Origin") == allowed
    assert "Access-Control-Allow-Credentials" not in response.headers


def run_in_production(*arguments: str) -> str:
    environment = os.environ | PRODUCTION | {"SECRET_KEY": "0123456789abcdefghij" * 3}
    environment.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)  # which tests in a browser set
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=django_settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_https_is_all_there_is_where_people_reach_it_by_https() -> None:
    told = dict(line.split(" ", 1) for line in run_in_production("-c", ASK).splitlines())

    assert told["plain"] == "301 https://catchment.example/sign-in/"
    assert told["health"] == "200"
    assert told["secure"] == "200 max-age=31536000; includeSubDomains; preload"
    assert "Secure" in told["cookie"]
    assert told["foreign"] == "400"
    assert told["inside"] == "200 200 401"


def test_settings_of_production_leave_nothing_to_warn_of() -> None:
    run_in_production("manage.py", "check", "--deploy", "--fail-level", "WARNING")
