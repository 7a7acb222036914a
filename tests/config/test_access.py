"""Who may do what: every address is asked by everybody, and the page about it says the same."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from pytest_django import Settings

from config.access import IDENTITIES, KEY, NOTHING, STAFF, Rule, list_rules, write_table
from config.groups import GROUPS
from config.management.commands.show_access import HEADING, PAGE
from config.models import ApiKey
from tests.factories.dropzone import MeasurementFactory, PayloadFactory
from tests.factories.footprints import FootprintFactory
from tests.factories.imports import ImportFactory
from tests.factories.locations import MinuteAverageFactory
from tests.people import make_key, make_user, sign_in

pytestmark = pytest.mark.django_db(databases=["default", "reader"])
METHODS = ("GET", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
SIGN_IN = ("/sign-in/", "/admin/login/")


def make_clients() -> dict[str, Client]:
    clients = {"anonymous": Client(), "user in no group": sign_in(make_user("nobody", group=""))}
    clients |= {group: sign_in(make_user(group, group=group)) for group in GROUPS}
    by = make_user("maker", group="admin")
    for identity in IDENTITIES:
        if identity.startswith(KEY):
            _, key = make_key(identity.removeprefix(KEY), by=by)
            clients[identity] = Client(headers={"Authorization": f"Api-Key {key}"})
    for client in clients.values():
        client.raise_request_exception = False
    return clients


def make_rows() -> dict[str, Any]:
    """What the names in addresses stand for, so that there is something behind most of them."""
    measurement = MeasurementFactory(payload_id=PayloadFactory().pk)
    return {
        "/api/v1/footprints/": FootprintFactory().pk,
        "/map/footprints/": FootprintFactory().pk,
        "/api/v1/locations/": MinuteAverageFactory().pk,
        "/map/locations/": MinuteAverageFactory().pk,
        "/api/v1/payloads/": PayloadFactory().pk,
        "/dropzone/payloads/": PayloadFactory().pk,
        "/api/v1/measurements/": measurement.timestamp.isoformat(),
        "/dropzone/measurements/": measurement.timestamp.isoformat(),
        "/api/v1/imports/": ImportFactory().pk,
        "/imports/": ImportFactory().pk,
        "/api/v1/keys/": ApiKey.objects.earliest("pk").pk,
    }


def fill_in(address: str, rows: dict[str, Any]) -> str:
    start = next((start for start in rows if address.startswith(start)), "")
    return re.sub(r"<[^>]*>", str(rows.get(start, 1)) if "tiles" not in address else "0", address)


@contextmanager
def undone(client: Client) -> Iterator[None]:
    """What happens meanwhile has not happened: nothing is deleted, and nobody signed out."""
    cookies = deepcopy(client.cookies)
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    client.cookies = cookies


def ask(client: Client, method: str, path: str) -> tuple[int, bool]:
    """The status, and whether it was let in."""
    with undone(client):
        response = client.generic(method, path, b"{}", content_type="application/json")
        b"".join(response)  # an export that nobody reads would keep its place
    asks_to_sign_in = response.headers.get("Location", "").startswith(SIGN_IN)
    return response.status_code, response.status_code not in {401, 403} and not asks_to_sign_in


def test_everybody_gets_from_every_address_what_it_says(
    settings: Settings, empty_queue: None
) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()
    clients, rows = make_clients(), make_rows()
    wrong = []

    for rule in list_rules():
        for identity, client in clients.items():
            status, is_allowed = ask(client, rule.method, fill_in(rule.address, rows))
            if status >= 500 or is_allowed != rule.is_met_by(identity):
                wrong.append((rule.method, rule.address, identity, status))

    assert wrong == [], "\n".join(map(str, wrong))


def test_no_method_is_answered_that_the_table_lacks(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "ingest", "import"})
    client = sign_in(make_user("root", group="", is_superuser=True))
    rows = make_clients() and make_rows()
    rules = [rule for rule in list_rules() if rule.needs not in {NOTHING, STAFF}]
    told = {(rule.address, rule.method) for rule in rules}

    answered = {
        (address, method)
        for address in dict.fromkeys(rule.address for rule in rules)
        for method in METHODS
        if (address, method) not in told
        and ask(client, method, fill_in(address, rows))[0] not in {404, 405}
    }

    assert answered == set()


def test_page_about_access_has_the_table_of_the_code() -> None:
    out = StringIO()
    call_command("show_access", stdout=out)

    assert PAGE.read_text().endswith(HEADING + out.getvalue())
    assert out.getvalue() == write_table()


def test_table_is_written_into_the_page(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "access.md"
    page.write_text(f"# Access\n\n{HEADING}| old |\n")
    monkeypatch.setattr("config.management.commands.show_access.PAGE", page)

    call_command("show_access", "--write")

    assert page.read_text() == f"# Access\n\n{HEADING}{write_table()}"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_staff_alone_opens_the_admin_and_the_queues(method: str) -> None:
    staff = sign_in(make_user("staff", group="admin", is_staff=True))

    assert ask(staff, method, "/admin/")[1]
    assert ask(staff, method, "/rq/")[1]
    assert not Rule("/admin/", method, STAFF).is_met_by("admin")
