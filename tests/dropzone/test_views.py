"""What the API and the admin tell of payloads and measurements."""

from hashlib import sha256
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import FileResponse
from django.test import Client
from django.utils.timezone import now
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from dropzone import replaying
from dropzone.choices import State
from dropzone.draining import drain_payloads
from dropzone.models import Measurement, Payload, RawBody
from dropzone.partitions import make_next_partitions
from tests.dropzone.payloads import BAD, INSTANT, WHEN, process, receive, write

pytestmark = pytest.mark.django_db(transaction=True)

PAYLOADS = "/api/v1/payloads/"
MEASUREMENTS = "/api/v1/measurements/"


@pytest.fixture(autouse=True)
def _partitions() -> None:
    make_next_partitions()


def test_payload_tells_what_it_produced(api: APIClient) -> None:
    payload = process(write(1, 3))

    found = api.get(f"{PAYLOADS}{payload.pk}/").json()

    assert found["state"] == "processed"
    assert found["produced"] == {
        "timestamp": WHEN,
        "mean": 2.0,
        "std": pytest.approx(2**0.5),
        "count": 2,
    }
    assert found["sha256"] == bytes(payload.sha256).hex()


@pytest.fixture
def payloads() -> list[Payload]:
    return [process(write(1)), process(BAD), receive(b"x" * 5, key="mine")]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [2, 1, 0]),
        ("state=processed", [0]),
        ("state=rejected&state=received", [2, 1]),
        ("code=data_empty", [1]),
        ("code=nonsense", []),
        ("idempotency_key=mine", [2]),
        (f"sha256={sha256(BAD).hexdigest()}", [1]),
        ("size_bytes=5", [2]),
        ("timestamp=2024-07-01", [0]),
        ("sender=tests&ordering=size_bytes", [2, 1, 0]),
    ],
)
def test_payloads_are_filtered(
    api: APIClient, payloads: list[Payload], query: str, expected: list[int]
) -> None:
    rows = api.get(f"{PAYLOADS}?{query}").json()["results"]

    assert {row["id"] for row in rows} == {payloads[place].pk for place in expected}


def test_raw_bytes_are_never_run_by_a_browser(api: APIClient) -> None:
    payload = receive(b"<script>alert(1)</script>")

    response = api.get(f"{PAYLOADS}{payload.pk}/raw/")

    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_raw_bytes_that_are_gone_are_a_410(api: APIClient) -> None:
    payload = process(write(1))
    RawBody.objects.all().delete()

    assert api.get(f"{PAYLOADS}{payload.pk}/raw/").status_code == 410
    assert api.post(f"{MEASUREMENTS}{WHEN}/verify/").status_code == 410
    assert api.get(f"{PAYLOADS}999999/raw/").status_code == 404


@pytest.fixture
def operator(settings: Settings) -> APIClient:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "ingest"})
    return APIClient()


def test_rejected_payload_is_retried(operator: APIClient, payloads: list[Payload]) -> None:
    response = operator.post(f"{PAYLOADS}{payloads[1].pk}/retry/")

    assert response.status_code == 202
    assert response.json()["state"] == "received"
    drain_payloads()
    assert Payload.objects.get(pk=payloads[1].pk).state == State.REJECTED
    assert operator.post(f"{PAYLOADS}{payloads[0].pk}/retry/").status_code == 409


def test_retry_needs_more_than_reading(api: APIClient, payloads: list[Payload]) -> None:
    assert api.post(f"{PAYLOADS}{payloads[1].pk}/retry/").status_code == 401
    assert api.post(f"{PAYLOADS}replay/", {}, format="json").status_code == 401


def mistake(*payloads: Payload) -> None:
    """As if they had been rejected by a rule that does not hold any more."""
    rows = Payload.objects.filter(pk__in=[payload.pk for payload in payloads])
    reasons = [{"code": "old_rule", "reason": "x"}]
    rows.update(state=State.REJECTED, ended_at=now(), reasons=reasons, timestamp=None)


def test_replay_tells_first_how_many_would_pass(operator: APIClient) -> None:
    mistake(*(receive(write(n, when=f"2024-07-01T10:00:{n:02}Z")) for n in range(42)))
    process(BAD)
    before = list(Payload.objects.order_by("pk").values_list("state", "reasons"))

    dry = operator.post(f"{PAYLOADS}replay/", {"dry_run": True}, format="json")

    assert (dry.status_code, dry.json()) == (
        200,
        {"matching": 43, "examined": 43, "would_pass": 42},
    )
    assert list(Payload.objects.order_by("pk").values_list("state", "reasons")) == before
    assert not Measurement.objects.exists()

    order = {"filter": {"code": "old_rule"}, "dry_run": False}
    response = operator.post(f"{PAYLOADS}replay/", order, format="json")

    assert (response.status_code, response.json()) == (202, {"matching": 42, "replayed": 42})
    drain_payloads()
    assert Measurement.objects.count() == 42
    assert Payload.objects.filter(state=State.REJECTED).count() == 1


def test_replay_takes_nothing_but_json(operator: APIClient, payloads: list[Payload]) -> None:
    order = {"dry_run": "false", "filter": "{}"}

    response = operator.post(f"{PAYLOADS}replay/", order, format="multipart")

    assert response.status_code == 415


def test_values_of_a_list_are_any_of_them(operator: APIClient) -> None:
    process(BAD)
    order = {"filter": {"code": ["nonsense", "data_empty"]}}

    response = operator.post(f"{PAYLOADS}replay/", order, format="json")

    assert response.json()["matching"] == 1


def test_dry_run_examines_as_much_as_it_has_time_for(
    operator: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        process(b"x" * 100)
    monkeypatch.setattr(replaying, "MOST_EXAMINED_BYTES", 250)

    response = operator.post(f"{PAYLOADS}replay/", {}, format="json")

    assert response.json() == {"matching": 5, "examined": 2, "would_pass": 0}


def test_replay_leaves_those_whose_bytes_are_gone(operator: APIClient) -> None:
    payload = receive(write(1))
    mistake(payload)
    RawBody.objects.all().delete()

    response = operator.post(f"{PAYLOADS}replay/", {"dry_run": False}, format="json")

    assert response.json() == {"matching": 1, "replayed": 0}
    assert Payload.objects.get().reasons[0]["code"] == "old_rule"


@pytest.mark.parametrize(
    "order",
    [
        {"filter": {"colour": "red"}},
        {"filter": {"id": "x"}},
        {"filter": 5},
        {"filter": {"received_at__gte": ["2024", None]}},
        {"dry_run": "perhaps"},
        {"dry_run": False, "filters": {"id": 1}},
        {"dryrun": False},
        {"filter": {"code": []}},
        [],
    ],
)
def test_replay_of_what_cannot_be_is_a_400(operator: APIClient, order: object) -> None:
    response = operator.post(f"{PAYLOADS}replay/", order, format="json")

    assert response.status_code == 400
    assert response.json()["errors"]


# Measurements


@pytest.fixture
def measurements() -> list[Measurement]:
    for n in range(5):
        receive(write(*range(n + 1), when=f"2024-07-0{n + 1}T10:00:00.00000{n}Z"))
    drain_payloads()
    return list(Measurement.objects.order_by("timestamp"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("timestamp=2024-07-02", [1]),
        ("timestamp__gte=2024-07-04", [3, 4]),
        ("mean__gt=1", [3, 4]),
        ("std__isnull=true", [0]),
        ("count__gte=4", [3, 4]),
        ("ordering=-std", [0, 4, 3, 2, 1]),
    ],
)
def test_measurements_are_filtered(
    api: APIClient, measurements: list[Measurement], query: str, expected: list[int]
) -> None:
    rows = api.get(f"{MEASUREMENTS}?{query}").json()["results"]

    assert [row["mean"] for row in rows] == [measurements[place].mean for place in expected]


@pytest.mark.parametrize("ordering", ["timestamp", "-timestamp", "mean", "std", "-std", "count"])
def test_measurements_are_walked_in_pages(
    api: APIClient, measurements: list[Measurement], ordering: str
) -> None:
    whole = api.get(f"{MEASUREMENTS}?ordering={ordering}").json()["results"]
    url = f"{MEASUREMENTS}?ordering={ordering}&page_size=2"
    found: list[dict[str, Any]] = []
    while url:
        page = api.get(url).json()
        found += page["results"]
        url = page["next"]

    assert found == whole


@pytest.mark.parametrize(
    "written",
    [
        "2024-07-03t10:00:00.000002z",
        "2024-07-03T12:00:00.000002+02:00",
        "2024-07-03 10:00:00.000002",
    ],
)
def test_measurement_is_found_by_any_way_to_write_its_instant(
    api: APIClient, measurements: list[Measurement], written: str
) -> None:
    path = written.replace("+", "%2B")

    assert api.get(f"{MEASUREMENTS}{path}/").json()["count"] == 3


@pytest.mark.parametrize("written", ["x", "2024-07-03", "2024-07-03T10:00:00Z", "%00"])
def test_instant_without_a_measurement_is_a_404(
    api: APIClient, measurements: list[Measurement], written: str
) -> None:
    assert api.get(f"{MEASUREMENTS}{written}/").status_code == 404


def test_lineage_tells_every_payload_in_order(api: APIClient) -> None:
    bodies = [write(1), write(2), write(3)]
    payloads = [process(body) for body in bodies]

    found = api.get(f"{MEASUREMENTS}{WHEN}/lineage/").json()

    assert found["timestamp"] == WHEN
    assert [(row["payload"], row["mean"], row["is_standing"]) for row in found["lineage"]] == [
        (payloads[0].pk, 1.0, False),
        (payloads[1].pk, 2.0, False),
        (payloads[2].pk, 3.0, True),
    ]
    assert [row["sha256"] for row in found["lineage"]] == [
        sha256(body).hexdigest() for body in bodies
    ]


def test_lineage_of_very_many_is_that_of_the_last(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "MOST_LINEAGE", 2)
    for number in range(5):
        process(write(number))

    found = api.get(f"{MEASUREMENTS}{WHEN}/lineage/").json()

    assert found["count"] == 5
    assert [row["mean"] for row in found["lineage"]] == [3.0, 4.0]


def test_measurement_is_verified_bit_by_bit(api: APIClient) -> None:
    process(write(0.1, 0.2, 0.7))
    url = f"{MEASUREMENTS}{WHEN}/verify/"

    assert api.post(url).json()["matches"] is True

    measurement = Measurement.objects.get()
    Measurement.objects.update(mean=measurement.mean + 2**-53)
    found = api.post(url).json()
    assert found["matches"] is False
    assert found["recomputed"]["mean"] == measurement.mean

    Measurement.objects.update(mean=measurement.mean)
    RawBody.objects.update(body=write(0.1, 0.2, 0.7, more=1))
    found = api.post(url).json()
    assert (found["matches"], found["is_same_raw"]) == (False, False)


def test_measurements_are_exported(api: APIClient, measurements: list[Measurement]) -> None:
    response = api.get(f"{MEASUREMENTS}export.csv?count__lt=3")

    assert isinstance(response, FileResponse)
    assert response.getvalue().decode().splitlines() == [
        "timestamp,mean,std,count,payload",
        f"2024-07-01T10:00:00Z,0,,1,{measurements[0].payload_id}",
        f"2024-07-02T10:00:00.000001Z,0.5,0.7071067811865476,2,{measurements[1].payload_id}",
    ]


@pytest.mark.parametrize("path", [PAYLOADS, MEASUREMENTS])
def test_lists_keep_their_query_count(
    api: APIClient,
    measurements: list[Measurement],
    django_assert_num_queries: DjangoAssertNumQueries,
    path: str,
) -> None:
    for size in (1, 5):
        with django_assert_num_queries(2):
            api.get(f"{path}?page_size={size}")


# Admin


def test_admin_replays_what_was_rejected(
    client: Client, django_user_model: type[User], payloads: list[Payload]
) -> None:
    client.force_login(django_user_model.objects.create_superuser("ada"))
    chosen = {"action": "replay_payloads", "_selected_action": [payloads[1].pk]}

    page = client.post("/admin/dropzone/payload/", chosen, follow=True).content.decode()

    assert "1 are processed anew" in page
    assert Payload.objects.get(pk=payloads[1].pk).state == State.RECEIVED


def test_admin_shows_where_a_measurement_came_from(
    client: Client, django_user_model: type[User]
) -> None:
    client.force_login(django_user_model.objects.create_superuser("ada"))
    payload = process(write(1))

    listing = client.get("/admin/dropzone/measurement/").content.decode()
    page = client.get(f"/admin/dropzone/payload/{payload.pk}/change/").content.decode()

    assert "1 measurement" in listing
    assert f"{PAYLOADS}{payload.pk}/raw/" in page
    assert bytes(payload.sha256).hex() in page
    assert INSTANT.year == 2024
