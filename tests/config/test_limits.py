"""Limits: how they are written, who is counted, and what is answered. Real Redis."""

import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import Client
from limits import RateLimitItem, parse
from pytest_django import Settings
from rest_framework.test import APIClient

from config.api.clients import find_network
from config.api.limits import Limiter, identify, limiter
from config.api.rates import parse_rates
from config.keys import Machine
from config.models import ApiKey
from tests.locations.test_fixes import write

NAMES = {"read", "login"}
READ = "/api/v1/imports/"


def limit(settings: Settings, text: str) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | parse_rates(text, {"read", "ingest", "import"})


# How limits are written


def test_rates_are_read_by_name() -> None:
    rates = parse_rates(" read = 20/second, login=5/2hour,", NAMES)

    assert rates == {"read": parse("20/second"), "login": parse("5/2hour")}
    assert parse_rates("", NAMES) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("write=1/second", "write is not one of login, read"),
        ("read=1/second,read=2/second", "read is given twice"),
        ("read=0/second", "read=0/second is not like"),
        ("read=-1/second", "read=-1/second is not like"),
        ("read=1/moon", "read=1/moon is not like"),
        ("read=1/second;2/minute", "is not like"),
        ("read", "read= is not like"),
    ],
)
def test_what_is_no_rate_is_named(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_rates(text, NAMES)


# Who is counted


@pytest.mark.parametrize(
    ("proxies", "forwarded", "found"),
    [
        (0, "203.0.113.1", "192.0.2.1"),
        (1, "", "192.0.2.1"),
        (1, "203.0.113.1", "203.0.113.1"),
        (1, "198.51.100.7, 203.0.113.1", "203.0.113.1"),
        (2, "198.51.100.7,203.0.113.1 , 10.0.0.1", "203.0.113.1"),
        (2, "203.0.113.1", "203.0.113.1"),
        (1, "203.0.113.1:4711", "203.0.113.1"),
        (1, "[2001:db8:1:2:3::4]:4711", "2001:db8:1:2::/64"),
        (1, "2001:db8:1:2::5", "2001:db8:1:2::/64"),
        (1, "::ffff:203.0.113.1", "203.0.113.1"),
        (1, "fe80::1%eth0", "fe80::/64"),
        (1, "unknown", "192.0.2.1"),
    ],
)
def test_address_is_the_one_that_the_outermost_proxy_saw(
    settings: Settings, proxies: int, forwarded: str, found: str
) -> None:
    settings.NUM_PROXIES = proxies
    meta = {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": forwarded}

    assert find_network(meta) == found


def test_key_user_and_address_are_counted_apart() -> None:
    request = HttpRequest()
    request.META["REMOTE_ADDR"] = "192.0.2.1"

    names = [identify(request)]
    request.user = User(pk=5)
    names.append(identify(request))
    request.user = Machine(ApiKey(pk=5), creator=User(pk=5))  # type: ignore[assignment]
    names.append(identify(request))

    assert names == ["address:192.0.2.1", "user:5", "user:key-5"]


# Counting


def test_window_begins_with_its_first_request_and_ends() -> None:
    item = parse("2/second")
    counts = [limiter.count(item, "it") for _ in range(3)]

    assert [one.is_exceeded for one in counts] == [False, False, True]
    assert [one.remaining for one in counts] == [1, 0, 0]
    assert all(0 < one.seconds <= 1 and one.wait == 1 for one in counts)
    threading.Event().wait(counts[-1].seconds + 0.05)
    assert limiter.count(item, "it").count == 1


@pytest.fixture
def lonely(settings: Settings) -> Limiter:
    """A limiter whose Redis is not there."""
    settings.LIMIT_REDIS_URL = "unix:///nowhere/redis.sock"
    return Limiter("LIMIT_REDIS_URL")


def test_process_counts_for_itself_where_redis_is_not_there(lonely: Limiter) -> None:
    item = parse("2/minute")

    counts = [lonely.count(item, "it") for _ in range(3)]

    assert [one.is_exceeded for one in counts] == [False, False, True]
    assert 0 < counts[-1].seconds <= 60
    assert lonely.down_until > 0


def test_two_limiters_share_their_counts() -> None:
    item: RateLimitItem = parse("100/minute")
    others = [Limiter("LIMIT_REDIS_URL"), Limiter("LIMIT_REDIS_URL")]

    assert [one.count(item, "it").count for one in others * 2] == [1, 2, 3, 4]


def test_only_own_keys_are_forgotten() -> None:
    redis: Any = limiter.shared.get_connection()
    redis.set("another", "1", ex=60)
    limiter.count(parse("1/minute"), "it")

    limiter.shared.reset()

    assert redis.get("another") == b"1"
    assert limiter.count(parse("1/minute"), "it").count == 1


# The API


@pytest.mark.django_db
def test_answer_tells_how_one_stands(settings: Settings, api: APIClient) -> None:
    limit(settings, "read=2/minute")

    answers = [api.get(READ) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer["RateLimit-Limit"] for answer in answers} == {"2"}
    assert all(1 <= int(answer["RateLimit-Reset"]) <= 60 for answer in answers)
    assert 1 <= int(answers[2]["Retry-After"]) <= 60
    [error] = answers[2].json()["errors"]
    assert answers[2].json()["type"] == "client_error"
    assert error["code"] == "throttled"


@pytest.mark.django_db
def test_nothing_is_told_where_there_is_no_limit(api: APIClient) -> None:
    assert not api.get(READ).has_header("RateLimit-Limit")


@pytest.mark.django_db
def test_forged_header_makes_nobody_another(settings: Settings, api: APIClient) -> None:
    limit(settings, "read=2/minute")

    answers = [api.get(READ, headers={"X-Forwarded-For": f"203.0.113.{n}"}) for n in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]


@pytest.mark.django_db
def test_users_are_counted_apart_and_so_are_kinds_of_access(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()
    limit(settings, "read=1/minute,ingest=1/minute")
    statuses = []
    for name in ("ada", "bob"):
        client = APIClient()
        client.force_authenticate(User.objects.create_superuser(name))
        statuses += [client.get(READ).status_code, client.get(READ).status_code]
        statuses.append(client.put("/location", write(), content_type="text/plain").status_code)

    assert statuses == [200, 429, 200] * 2


@pytest.mark.django_db
def test_pages_of_other_sites_may_read_the_fields(settings: Settings, api: APIClient) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://maps.example"]
    limit(settings, "read=1/minute")

    answer = api.get(READ, headers={"Origin": "https://maps.example"})

    exposed = answer["Access-Control-Expose-Headers"]
    assert {"Retry-After", "RateLimit-Limit", "RateLimit-Reset"} <= set(exposed.split(", "))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "status"), [("put", "/location", 200), ("post", "/dropzone/", 202)]
)
def test_door_counts_too(settings: Settings, method: str, path: str, status: int) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"ingest"})
    limit(settings, "ingest=1/minute")
    send = getattr(Client(), method)

    answers = [send(path, write(), content_type="application/json") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [status, 429]
    assert answers[0]["RateLimit-Remaining"] == "0"
    assert int(answers[1]["Retry-After"]) >= 1
    assert answers[1].json()["errors"][0]["code"] == "throttled"
    assert int(answers[1]["Content-Length"]) == len(answers[1].content)


@pytest.mark.django_db
def test_ingest_is_open_without_redis(
    settings: Settings, lonely: Limiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"ingest", "read"})
    limit(settings, "ingest=1/minute,read=1/minute")
    monkeypatch.setattr("config.api.limits.limiter", lonely)

    statuses = [
        Client().put("/location", write(), content_type="application/json").status_code
        for _ in range(2)
    ]

    assert statuses == [200, 429]
    assert [Client().get(READ).status_code for _ in range(2)] == [200, 429]


@pytest.mark.django_db
def test_description_tells_of_limits(api: APIClient) -> None:
    paths = api.get("/api/schema/?format=json").json()["paths"]

    operations = [one for path in paths.values() for one in path.values()]
    assert all("Retry-After" in one["responses"]["429"]["headers"] for one in operations)
    assert "503" in paths["/api/v1/auth/token/"]["post"]["responses"]
