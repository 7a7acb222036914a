"""The audit trail: every action leaves one entry, with who did it and from where."""

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from dropzone.models import Payload
from dropzone.receiving import Envelope, receive_payload
from imports.choices import Status
from imports.models import Import
from tests.factories.imports import ImportFactory
from tests.people import make_key, make_user, sign_in, use_key

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = "203.0.113.7"
PASSWORD = "correct horse battery"  # noqa: S105
JSON = "application/json"
API = "/api/v1/imports/"
PAGES = "/imports/"
ADMIN = "/admin/imports/import/"
URL = "https://data.example/trips.csv"
Act = Callable[[Client, int], Any]


@pytest.fixture(autouse=True)
def _nothing_waits(empty_queue: None) -> None:
    """Imports that are kicked here are run by nobody."""


@pytest.fixture
def boss() -> User:
    user = User.objects.create_superuser("boss", "boss@catchment.example", PASSWORD)
    LogEntry.objects.all().delete()
    return user


@pytest.fixture
def token_client(boss: User) -> Client:
    """Who it is, is known only once the view has looked at the token."""
    client = Client(REMOTE_ADDR=ADDRESS)
    body = {"username": boss.username, "password": PASSWORD}
    token = client.post("/api/v1/auth/token/", body, JSON).json()["access"]
    LogEntry.objects.all().delete()
    return Client(REMOTE_ADDR=ADDRESS, HTTP_AUTHORIZATION=f"Bearer {token}")


@pytest.fixture
def session_client(boss: User) -> Client:
    client = Client(REMOTE_ADDR=ADDRESS)
    client.force_login(boss)
    LogEntry.objects.all().delete()
    return client


def read_entry() -> Any:
    """The only one."""
    [entry] = LogEntry.objects.select_related("actor", "content_type")
    return entry


def read_verb() -> str:
    return str(read_entry().additional_data["verb"])


def make_payload(body: bytes = b"{}") -> Payload:
    """One that is rejected."""
    receipt = receive_payload(body, Envelope(JSON, "", "somebody", ""))
    call_command("drain_payloads")
    return Payload.objects.get(pk=receipt.payload_id)


def act_on(client: Client, action: str, import_id: int) -> Any:
    return client.post(ADMIN, {"action": action, "_selected_action": [import_id]})


BY_TOKEN: dict[str, tuple[str, Act]] = {
    "create": ("finished", lambda client, _: client.post(API, {"dataset": "trips", "url": URL})),
    "cancel": ("queued", lambda client, pk: client.post(f"{API}{pk}/cancel/")),
    "resume": ("cancelled", lambda client, pk: client.post(f"{API}{pk}/resume/")),
    "delete": ("cancelled", lambda client, pk: client.delete(f"{API}{pk}/")),
}
BY_PAGE: dict[str, tuple[str, Act]] = {
    "create": ("finished", lambda client, _: client.post(PAGES, {"dataset": "trips", "url": URL})),
    "cancel": ("queued", lambda client, pk: client.post(f"{PAGES}{pk}/cancel/")),
    "resume": ("cancelled", lambda client, pk: client.post(f"{PAGES}{pk}/resume/")),
    "delete": ("cancelled", lambda client, pk: client.post(f"{PAGES}{pk}/delete/")),
}
BY_ADMIN: dict[str, tuple[str, Act]] = {
    "cancel": ("queued", lambda client, pk: act_on(client, "cancel_imports", pk)),
    "resume": ("cancelled", lambda client, pk: act_on(client, "resume_imports", pk)),
}


def make_import(status: str) -> Import:
    ended = {} if status in {"finished", "cancelled"} else {"ended_at": None}
    return ImportFactory(status=Status(status), **ended)


@pytest.mark.parametrize(
    ("door", "verb"),
    [
        *(("token_client", verb) for verb in BY_TOKEN),
        *(("session_client", verb) for verb in BY_PAGE),
        *(("admin", verb) for verb in BY_ADMIN),
    ],
)
def test_action_on_an_import_leaves_one_entry(
    door: str, verb: str, request: pytest.FixtureRequest
) -> None:
    doors = {"token_client": BY_TOKEN, "session_client": BY_PAGE, "admin": BY_ADMIN}
    status, act = doors[door][verb]
    client = request.getfixturevalue("session_client" if door == "admin" else door)
    record = make_import(status)

    response = act(client, record.pk)

    assert response.status_code in {202, 204, 302}
    entry = read_entry()
    assert entry.additional_data["verb"] == verb
    assert entry.additional_data["by"] == entry.actor.username == "boss"
    assert entry.remote_addr == ADDRESS
    assert entry.content_type.model == "import"
    if verb != "create":
        assert (entry.object_id, entry.object_repr) == (record.pk, f"footprints {record.pk}")


def test_key_acts_as_who_made_it_whatever_it_is_called(boss: User) -> None:
    maker = make_user("maker", group="admin")
    record, key = make_key("import", by=maker, name="boss")
    LogEntry.objects.all().delete()

    use_key(key).post(API, {"dataset": "trips", "url": URL})

    entry = read_entry()
    assert entry.actor == maker
    assert entry.additional_data["by"] == "maker"
    assert entry.additional_data["key"] == f"boss ({record.prefix})"
    shown = sign_in(boss).get("/admin/auditlog/logentry/").content.decode()
    assert f"maker, by the key boss ({record.prefix})" in shown


def test_upload_leaves_one_entry(token_client: Client) -> None:
    file = BytesIO(b"a,b\n")
    file.name = "trips.csv"

    token_client.post(API, {"dataset": "trips", "file": file})

    assert read_verb() == "create"
    assert read_entry().additional_data["url"].endswith("/trips.csv")


def test_anonymous_action_has_the_address_alone(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "import"})
    record = make_import("queued")

    Client(REMOTE_ADDR=ADDRESS).post(f"{API}{record.pk}/cancel/")

    entry = read_entry()
    assert (entry.actor, entry.remote_addr) == (None, ADDRESS)
    assert entry.additional_data == {"verb": "cancel", "status": "queued"}


def test_action_that_is_refused_leaves_no_entry(token_client: Client) -> None:
    record = make_import("finished")

    for action in ("cancel", "resume"):
        assert token_client.post(f"{API}{record.pk}/{action}/").status_code == 409

    assert not LogEntry.objects.exists()


def test_address_is_not_what_the_client_says(token_client: Client) -> None:
    record = make_import("queued")

    headers = {"X-Forwarded-For": "not an address", "X-Correlation-Id": "x" * 300}
    response = token_client.post(f"{API}{record.pk}/cancel/", headers=headers)

    assert response.status_code == 202
    assert read_entry().remote_addr == ADDRESS


def test_what_doors_take_in_leaves_no_entry_and_passes_no_trail(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"ingest"})
    fix = {"timestamp": "2024-07-01 12:00:28", "user_id": "ada", "accuracy": 1, "speed": 1}

    stored = Client().put("/location", fix | {"lat": 52.5, "long": 13.4}, JSON)
    received = Client().post("/dropzone", b"{}", JSON)

    assert (stored.status_code, received.status_code) == (200, 202)
    assert not LogEntry.objects.exists()
    door = settings.MIDDLEWARE.index("config.api.doors.DoorMiddleware")
    assert door < settings.MIDDLEWARE.index("config.api.auditing.AuditMiddleware")


def test_progress_leaves_no_entry() -> None:
    record = make_import("queued")
    record.bytes_done = 5

    record.save()

    assert not LogEntry.objects.exists()


def test_retry_leaves_one_entry(token_client: Client) -> None:
    payload = make_payload()

    response = token_client.post(f"/api/v1/payloads/{payload.pk}/retry/")

    assert response.status_code == 202
    entry = read_entry()
    assert (entry.additional_data["verb"], entry.object_id) == ("retry", payload.pk)
    assert entry.actor.username == "boss"


def test_replay_leaves_one_entry_with_its_filter(token_client: Client) -> None:
    for body in (b"{}", b"[]"):
        make_payload(body)
    chosen = {"state": "rejected", "size_bytes__gte": 2}

    for dry_run in (True, False, False):  # there is nothing left for the last
        order = {"filter": chosen, "dry_run": dry_run}
        token_client.post("/api/v1/payloads/replay/", order, JSON)

    entry = read_entry()
    assert entry.additional_data["verb"] == "replay"
    assert json.loads(entry.additional_data["chosen_by"]) == chosen
    assert entry.object_repr == "2 payloads"


def test_replay_in_the_admin_leaves_one_entry(session_client: Client) -> None:
    payload = make_payload()
    address = "/admin/dropzone/payload/?state__exact=rejected"
    body = {"action": "replay_payloads", "_selected_action": [payload.pk], "select_across": "1"}

    session_client.post(address, body)

    assert json.loads(read_entry().additional_data["chosen_by"]) == {
        "list": "state__exact=rejected"
    }


@pytest.mark.parametrize(
    ("command", "argument", "verb", "shown"),
    [
        ("delete_locations", "ada", "delete", "locations of ada"),
        ("forget_fixes", "--days=30", "forget", "fixes received more than 30 days ago"),
    ],
)
def test_command_leaves_one_entry_without_an_actor(
    command: str, argument: str, verb: str, shown: str
) -> None:
    call_command(command, argument)

    entry = read_entry()
    assert (entry.additional_data["verb"], entry.object_repr) == (verb, shown)
    assert (entry.actor, entry.remote_addr) == (None, None)


def test_sign_in_and_out_leave_one_entry_each(boss: User) -> None:
    client = Client(REMOTE_ADDR=ADDRESS)

    client.post("/sign-in/", {"username": "boss", "password": PASSWORD})
    client.post("/sign-out/")
    client.post("/sign-out/")

    entries = LogEntry.objects.order_by("pk")
    assert [entry.additional_data["verb"] for entry in entries] == ["sign in", "sign out"]
    assert {entry.actor for entry in entries} == {boss}


def test_token_is_a_sign_in(boss: User) -> None:
    body = {"username": "boss", "password": PASSWORD}

    Client(REMOTE_ADDR=ADDRESS).post("/api/v1/auth/token/", body, JSON)

    entry = read_entry()
    assert (entry.additional_data["verb"], entry.actor) == ("sign in", boss)


@pytest.mark.parametrize("address", ["/sign-in/", "/api/v1/auth/token/", "/admin/login/"])
def test_failed_sign_in_leaves_the_name_that_was_tried(address: str, boss: User) -> None:
    Client(REMOTE_ADDR=ADDRESS).post(address, {"username": "boss", "password": "guess"})

    entry = read_entry()
    assert (entry.additional_data, entry.object_repr) == ({"verb": "failed sign-in"}, "boss")
    assert (entry.actor, entry.remote_addr) == (None, ADDRESS)
    assert "guess" not in str(entry.__dict__)


def test_password_is_told_to_have_changed_and_not_told(boss: User) -> None:
    boss.set_password("another horse battery")

    boss.save()

    assert read_entry().changes == {"password": ["***", "***"]}
    assert read_verb() == "update"


def test_groups_and_their_members_leave_entries(boss: User) -> None:
    group = Group.objects.create(name="readers")
    group.permissions.add(Permission.objects.get(codename="view_import"))
    boss.groups.add(group)
    group.delete()

    verbs = LogEntry.objects.order_by("pk").values_list("additional_data__verb", flat=True)
    assert list(verbs) == ["create", "update", "update", "delete"]


def test_who_was_deleted_is_still_told(session_client: Client, boss: User) -> None:
    record = make_import("queued")
    session_client.post(f"{PAGES}{record.pk}/cancel/")

    session_client.post(f"/admin/auth/user/{boss.pk}/delete/", {"post": "yes"})

    assert not User.objects.exists()
    entries = LogEntry.objects.order_by("pk")
    assert [entry.additional_data["verb"] for entry in entries] == ["cancel", "delete"]
    assert {(entry.actor, entry.additional_data["by"]) for entry in entries} == {(None, "boss")}


def test_trail_is_shown_and_filtered(session_client: Client, boss: User) -> None:
    record = make_import("queued")
    session_client.post(f"{PAGES}{record.pk}/cancel/")
    address = "/admin/auditlog/logentry/"

    for query in ("", "verb=cancel", f"actor__id__exact={boss.pk}", "q=boss", f"q={ADDRESS}"):
        page = session_client.get(f"{address}?{query}").content.decode()
        assert f"footprints {record.pk}" in page
    for query in ("verb=delete", "q=nobody", "timestamp__year=1999"):
        page = session_client.get(f"{address}?{query}").content.decode()
        assert f"footprints {record.pk}" not in page
    assert session_client.get(f"{address}{read_entry().pk}/change/").status_code == 200


@pytest.mark.parametrize(("group", "status"), [("operator", 403), ("admin", 200)])
def test_trail_is_not_for_all_of_the_staff(group: str, status: int, settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read"})
    staff = sign_in(make_user(group=group, is_staff=True))

    assert staff.get("/admin/auditlog/logentry/").status_code == status
    assert ("log entries" in staff.get("/admin/").content.decode().lower()) == (status == 200)


def test_nobody_changes_or_deletes_the_trail(session_client: Client) -> None:
    record = make_import("queued")
    session_client.post(f"{PAGES}{record.pk}/cancel/")
    entry = read_entry()
    address = f"/admin/auditlog/logentry/{entry.pk}"

    changed = session_client.post(f"{address}/change/", {"object_repr": "nothing"})
    deleted = session_client.post(f"{address}/delete/", {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"}
    session_client.post("/admin/auditlog/logentry/", chosen)

    assert (changed.status_code, deleted.status_code) == (403, 403)
    assert read_entry() == entry
    assert session_client.get("/admin/auditlog/logentry/add/").status_code == 403


def test_old_entries_are_deleted_by_command(boss: User) -> None:
    boss.set_password("another horse battery")
    boss.save()

    call_command("auditlogflush", "--before-date", "2100-01-01", "--yes")

    assert not LogEntry.objects.exists()
