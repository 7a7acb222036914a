"""The keys of machines: what they open, when they open nothing, and who makes them."""

from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import DatabaseError, IntegrityError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from config.keys import FORM
from config.models import ApiKey, ApiKeyManager
from dropzone.models import Payload
from imports.models import Import
from tests.dropzone.payloads import write
from tests.factories.imports import ImportFactory
from tests.locations.test_fixes import GOOD
from tests.people import make_key, make_user, sign_in, use_key

pytestmark = pytest.mark.django_db
KEYS = "/api/v1/keys/"
IMPORTS = "/api/v1/imports/"
ASKED = {"dataset": "trips", "url": "https://data.example/trips.csv"}


@pytest.fixture(autouse=True)
def _nothing_is_open(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()


@pytest.fixture
def manager() -> Client:
    return sign_in(make_user("grace", group="admin"))


@pytest.mark.parametrize("scope", ["read", "ingest", "import"])
def test_key_opens_what_its_scope_names(scope: str, empty_queue: None) -> None:
    client = use_key(make_key(scope)[1])

    answers = {
        "read": client.get(IMPORTS).status_code,
        "ingest": client.put("/location", GOOD, format="json").status_code,
        "import": client.post(IMPORTS, ASKED, format="json").status_code,
    }

    good = {"read": 200, "ingest": 200, "import": 202}
    assert answers == {**dict.fromkeys(good, 403), scope: good[scope]}


def test_refusal_names_the_permission() -> None:
    response = use_key(make_key("ingest")[1]).get(IMPORTS)

    assert response.json()["errors"][0]["detail"] == "This needs the permission “read”."


@pytest.mark.parametrize("method", ["get", "post"])
def test_key_opens_neither_keys_nor_replay_nor_pages_nor_the_admin(method: str) -> None:
    client = use_key(make_key(by=make_user("root", group="", is_superuser=True, is_staff=True))[1])

    assert getattr(client, method)(KEYS).status_code == 403
    assert client.post("/api/v1/payloads/replay/", {}, format="json").status_code == 403
    assert client.get("/imports/").headers["Location"].startswith("/sign-in/")
    assert client.get("/admin/").headers["Location"].startswith("/admin/login/")


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"revoked": True}, "This key was revoked."),
        ({"expiry_date": "2024-07-01T12:00:00Z"}, "This key expired at 2024-07-01T12:00:00Z."),
        ({"created_by": None}, "Who made this key may not sign in any more."),
    ],
)
def test_key_that_is_not_valid_is_a_401_that_says_why(
    settings: Settings, change: dict[str, object], detail: str
) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "ingest"})  # the doors must not take it either
    record, key = make_key()
    ApiKey.objects.filter(pk=record.pk).update(**change)

    for response in (
        use_key(key).get(IMPORTS),
        use_key(key).put("/location", GOOD, format="json"),
        use_key(key).post("/dropzone", write(1), content_type="text/plain"),
    ):
        assert response.status_code == 401
        assert response.json()["errors"][0]["detail"] == detail
    assert not Payload.objects.exists()


def test_key_ends_with_the_account_of_who_made_it() -> None:
    maker = make_user("maker", group="admin")
    client = use_key(make_key(by=maker)[1])

    assert client.get(IMPORTS).status_code == 200
    maker.is_active = False
    maker.save()
    assert client.get(IMPORTS).status_code == 401
    maker.delete()
    assert client.get(IMPORTS).status_code == 401


def test_key_may_no_more_than_who_made_it() -> None:
    maker = make_user("maker", group="admin")
    client = use_key(make_key(by=maker)[1])

    maker.groups.clear()

    assert client.get(IMPORTS).status_code == 403


def test_key_may_no_less_than_anybody(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read"})

    assert use_key(make_key("ingest")[1]).get(IMPORTS).status_code == 200


@pytest.mark.parametrize(
    "text",
    ["", "x", "a.b", "é" * 41, "abcdefgh." + "0" * 32, "abcdefgh." + "0" * 10_000, "a\0b", " "],
)
def test_key_that_is_none_is_a_401(settings: Settings, text: str) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read"})

    response = use_key(text).get(IMPORTS)

    assert response.status_code == 401
    assert response.json()["errors"][0]["detail"] == "This key is not known."


def test_other_key_of_the_same_beginning_opens_nothing() -> None:
    _, key = make_key()
    last = "a" if key[-1] != "a" else "b"

    response = use_key(key[:-1] + last).get(IMPORTS)

    assert response.status_code == 401
    assert response.json()["errors"][0]["detail"] == "This key is not known."


@pytest.mark.parametrize("door", ["read,ingest", ""])
def test_payload_of_a_key_has_its_name_as_sender(settings: Settings, door: str) -> None:
    settings.ANONYMOUS_ACCESS = frozenset(filter(None, door.split(",")))
    client = use_key(make_key("ingest", name="Weather station")[1])

    response = client.post("/dropzone", write(1), content_type="text/plain")

    assert response.status_code == 202
    assert Payload.objects.get().sender == "Weather station"


def test_import_of_a_key_belongs_to_who_made_it(empty_queue: None) -> None:
    maker = make_user("maker", group="admin")
    client = use_key(make_key("import", by=maker)[1])
    foreign = ImportFactory(created_by=make_user("ada"))

    response = client.post(IMPORTS, ASKED, format="json")

    record = Import.objects.get(pk=response.json()["id"])
    assert record.created_by == maker
    assert client.delete(f"{IMPORTS}{foreign.pk}/").status_code == 403


def test_browsable_api_shows_itself_to_a_key() -> None:
    response = use_key(make_key(name="<b>station</b>")[1]).get(
        IMPORTS, headers={"accept": "text/html"}
    )

    assert response.status_code == 200
    assert "<b>station" not in response.content.decode()


def test_use_is_noted_once_a_minute() -> None:
    record, key = make_key("read")
    client = use_key(key)

    client.get(IMPORTS)
    record.refresh_from_db()
    first = record.last_used_at
    with CaptureQueriesContext(connection) as queries:
        client.get(IMPORTS)
    record.refresh_from_db()
    second = record.last_used_at
    ApiKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    client.get(IMPORTS)
    record.refresh_from_db()

    assert first is not None
    assert first == second
    assert not any("UPDATE" in query["sql"] for query in queries)
    third = record.last_used_at
    assert third is not None
    assert timezone.now() - third < timedelta(minutes=1)


def test_use_that_cannot_be_noted_fails_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(manager: ApiKeyManager, key_id: int) -> None:
        raise DatabaseError

    monkeypatch.setattr(ApiKeyManager, "note_use", fail)

    assert use_key(make_key("read")[1]).get(IMPORTS).status_code == 200


@pytest.mark.parametrize("scopes", [[], ["everything"]])
def test_scopes_are_known_ones(scopes: list[str]) -> None:
    with pytest.raises(IntegrityError, match="api_key_scopes_known"):
        make_key(scopes=scopes)


def test_key_is_made_over_the_api_and_shown_once(manager: Client) -> None:
    asked = {"name": "station", "scopes": ["read", "ingest", "read"], "expiry_date": None}

    response = manager.post(KEYS, asked, content_type="application/json")

    answer = response.json()
    assert (response.status_code, response.headers["Cache-Control"]) == (201, "no-store")
    assert FORM.fullmatch(answer["key"])
    assert answer["scopes"] == ["ingest", "read"]
    assert answer["created_by"] == "grace"
    assert use_key(answer["key"]).get(IMPORTS).status_code == 200
    shown = manager.get(response.headers["Location"])
    assert shown.json() == {
        **{name: value for name, value in answer.items() if name != "key"},
        "last_used_at": shown.json()["last_used_at"],
    }
    everything = shown.content + manager.get(KEYS).content
    assert ApiKey.objects.get().hashed_key.encode() not in everything


@pytest.mark.parametrize(
    ("asked", "attr"),
    [
        ({"scopes": ["read"]}, "name"),
        ({"name": "", "scopes": ["read"]}, "name"),
        ({"name": None, "scopes": ["read"]}, "name"),
        ({"name": "x" * 51, "scopes": ["read"]}, "name"),
        ({"name": "a\0", "scopes": ["read"]}, "name"),
        ({"name": "a"}, "scopes"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "scopes": "read"}, "scopes"),
        ({"name": "a", "scopes": ["everything"]}, "scopes.0"),
        ({"name": "a", "scopes": ["read"], "expiry_date": "2024-07-01T12:00:00Z"}, "expiry_date"),
        ({"name": "a", "scopes": ["read"], "expiry_date": "tomorrow"}, "expiry_date"),
        ({"name": "a", "scopes": ["read"], "expires": "2124-07-01T12:00:00Z"}, "expires"),
        ([], "non_field_errors"),
    ],
)
def test_key_that_cannot_be_made_names_the_field(manager: Client, asked: object, attr: str) -> None:
    response = manager.post(KEYS, asked, content_type="application/json")

    assert response.status_code == 400
    assert attr in {error["attr"] for error in response.json()["errors"]}
    assert not ApiKey.objects.exists()


def test_scope_of_half_a_character_is_told(manager: Client) -> None:
    body = b'{"name": "station", "scopes": ["\\ud800"]}'

    response = manager.post(KEYS, body, "application/json")

    assert response.status_code == 400
    assert response.json()["errors"][0]["attr"] == "scopes.0"


def test_nobody_gives_a_key_what_they_may_not_do() -> None:
    user = make_user("keeper", group="analyst")
    user.user_permissions.add(Permission.objects.get(codename="manage_keys"))

    response = sign_in(user).post(
        KEYS, {"name": "a", "scopes": ["read", "import"]}, content_type="application/json"
    )

    assert response.status_code == 400
    assert response.json()["errors"][0]["detail"] == "you may not import yourself"


def test_key_is_revoked_and_stays_to_be_seen(manager: Client) -> None:
    record, key = make_key()

    assert manager.delete(f"{KEYS}{record.pk}/").status_code == 204
    entry = LogEntry.objects.latest("pk")
    assert (entry.additional_data["verb"], entry.object_pk) == ("revoke", str(record.pk))
    assert manager.delete(f"{KEYS}{record.pk}/").status_code == 204
    assert LogEntry.objects.latest("pk") == entry  # what was revoked is not revoked once more
    assert use_key(key).get(IMPORTS).status_code == 401
    assert manager.get(f"{KEYS}{record.pk}/").json()["revoked"] is True


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("scopes=import", ["b"]),
        ("name=B", ["b"]),
        ("created_by=maker", ["b", "a"]),
        ("created_by=nobody", []),
        ("expiry_date__isnull=true", ["b"]),
        ("expiry_date__gt=2100-01-01", ["a"]),
        ("last_used_at__isnull=true&revoked=false&ordering=name", ["a", "b"]),
        ("created__lt=2024-01-01", []),
    ],
)
def test_keys_are_filtered_by_every_column(manager: Client, query: str, found: list[str]) -> None:
    maker = make_user("maker", group="admin")
    make_key("read", by=maker, name="a", expiry_date="2124-07-01T00:00:00Z")
    make_key("import", by=maker, name="b")

    rows = manager.get(f"{KEYS}?{query}").json()["results"]

    assert [row["name"] for row in rows] == found


def test_hash_is_no_filter(manager: Client) -> None:
    assert manager.get(f"{KEYS}?hashed_key=x").status_code == 400


def test_description_of_the_api_tells_of_keys(manager: Client) -> None:
    schema = manager.get("/api/schema/?format=json").json()

    scheme = schema["components"]["securitySchemes"]["keyAuth"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "Authorization")
    for path in ("/dropzone/", "/location/", "/api/v1/imports/"):
        for operation in schema["paths"][path].values():
            assert {"keyAuth": []} in operation["security"]


def test_client_without_a_key_is_a_stranger() -> None:
    assert APIClient().get(IMPORTS).status_code == 401
