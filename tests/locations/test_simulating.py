import json
import math
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from io import StringIO
from itertools import pairwise
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from rest_framework_simplejwt.tokens import AccessToken

from locations.averaging import store_fix
from locations.fixes import read_fix
from locations.models import Fix, MinuteAverage
from locations.phones import (
    PLACES,
    RADIUS,
    Average,
    PhoneFix,
    Place,
    Plan,
    Reading,
    foresee,
    make_fixes,
    make_phone,
)
from locations.simulating import Server, judge_minutes, read_minutes, read_status
from locations.zones import find_zone
from tests.people import make_user
from tests.servers import run_site

PLAN = Plan(run="test", minutes=30)
ISLAND, SEA, KATHMANDU = range(3)  # numbers of the phones there
SMALL = ("--users", "4", "--minutes", "3", "--run", "small")
SMALL_PLAN = Plan(run="small", users=4, minutes=3)


def simulate_locations(*options: str) -> dict[str, str]:
    """The figures that it prints."""
    output = StringIO()
    call_command("simulate_locations", *options, stdout=output)
    lines = (line.split(":") for line in output.getvalue().splitlines())
    return {name: figure.strip() for name, figure in lines}


def find_first_of_each(fixes: list[PhoneFix]) -> Iterator[PhoneFix]:
    seen = set()
    for fix in fixes:
        if fix.shown not in seen:
            seen.add(fix.shown)
            yield fix


@pytest.fixture
def open_server(settings: Settings, live_server: LiveServer) -> str:
    """The address of a server that lets anybody send and read locations."""
    settings.ANONYMOUS_ACCESS = frozenset({"read", "ingest"})
    return live_server.url


# What phones send


def test_fixes_are_the_same_for_the_same_seed() -> None:
    first, second = (list(make_fixes(PLAN, SEA)) for _ in range(2))

    assert first == second
    assert first != list(make_fixes(replace(PLAN, seed=2), SEA))
    assert first == list(make_fixes(replace(PLAN, run="another"), SEA))


@pytest.mark.parametrize("number", range(len(PLACES)))
@pytest.mark.parametrize("interval", [10.0, 0.01])
def test_fixes_are_sorted_by_time_but_for_repeats(number: int, interval: float) -> None:
    plan = replace(PLAN, minutes=1 if interval < 1 else 60, interval_seconds=interval)

    instants = [fix.at for fix in find_first_of_each(list(make_fixes(plan, number)))]

    assert all(one < other for one, other in pairwise(instants))
    assert plan.start <= instants[0] < instants[-1] < plan.start + timedelta(minutes=plan.minutes)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.7])
def test_a_share_of_the_fixes_repeats_an_earlier_timestamp_with_other_numbers(share: float) -> None:
    plan = replace(PLAN, minutes=600, duplicates=share)

    fixes = list(make_fixes(plan, KATHMANDU))
    firsts = {fix.shown: fix for fix in find_first_of_each(fixes)}

    assert (len(fixes) - len(firsts)) / len(fixes) == pytest.approx(share, abs=0.05)
    assert sum(fix.reading == firsts[fix.shown].reading for fix in fixes) == len(firsts)


def test_timestamps_are_written_in_every_way() -> None:
    texts = [fix.timestamp for fix in make_fixes(PLAN, KATHMANDU)]

    assert {text[10] for text in texts} == {"T", " "}
    assert {"." in text for text in texts} == {True, False}
    assert {text[19:].lstrip(".0123456789") for text in texts} == {"", "Z", "+05:45"}


@pytest.mark.parametrize("number", range(len(PLACES)))
def test_timestamps_say_the_local_time_of_the_place_or_the_instant(number: int) -> None:
    for fix in make_fixes(PLAN, number):
        said = datetime.fromisoformat(fix.timestamp)

        assert said == fix.shown
        if said.tzinfo is not None:
            assert said == fix.at


def test_a_phone_in_kathmandu_shows_five_hours_and_three_quarters_more() -> None:
    shown = [fix for fix in make_fixes(PLAN, KATHMANDU) if fix.shown.tzinfo is None]

    assert {fix.shown - fix.at.replace(tzinfo=None) for fix in shown} == {
        timedelta(hours=5, minutes=45)
    }


@pytest.mark.parametrize(("number", "offsets"), [(ISLAND, {12}), (SEA, {12, -12})])
def test_phones_cross_the_antimeridian_within_a_minute(number: int, offsets: set[int]) -> None:
    fixes = list(find_first_of_each(list(make_fixes(PLAN, number))))
    sides: dict[datetime, set[bool]] = {}
    for fix in fixes:
        sides.setdefault(fix.at.replace(second=0, microsecond=0), set()).add(
            float(fix.reading.long) > 0
        )

    assert {True, False} in sides.values()
    assert {
        (fix.shown - fix.at.replace(tzinfo=None)) / timedelta(hours=1)
        for fix in fixes
        if fix.shown.tzinfo is None
    } == offsets


def test_a_time_that_occurs_twice_is_sent_with_an_offset() -> None:
    lisbon = [place.zone for place in PLACES].index("Europe/Lisbon")
    plan = replace(PLAN, start=datetime(2024, 10, 27, 0, 0, tzinfo=UTC), minutes=120)

    fixes = list(make_fixes(plan, lisbon))

    assert all(fix.shown.tzinfo is not None for fix in fixes)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.zone)
def test_all_of_a_place_is_in_the_zone_that_is_named(place: Place) -> None:
    for angle in range(0, 360, 15):
        lat = place.lat + 1.05 * RADIUS * math.sin(math.radians(angle + 1))
        long = place.long + 1.05 * RADIUS * math.cos(math.radians(angle + 1))
        beyond = long > 180

        zone = str(find_zone(lat, long - 360 if beyond else long))

        assert zone == (place.zone_beyond if beyond and place.zone_beyond else place.zone)


# What must come of it


def make_fix(second: int, *numbers: str) -> PhoneFix:
    at = datetime(2024, 7, 1, 8, 0, second % 60, tzinfo=UTC) + timedelta(minutes=second // 60)
    return PhoneFix(at, at, at.isoformat(), Reading(*numbers))


def test_foresee_averages_the_first_of_each_timestamp_by_the_minute() -> None:
    fixes = [
        make_fix(50, "-16.5", "179.9", "5", "1"),
        make_fix(59, "-16.7", "-179.8", "6", "0"),
        make_fix(50, "50", "8", "900", "90"),
        make_fix(60, "-16.9", "-179.7", "7", "0.1"),
    ]

    statuses, minutes = foresee(fixes)

    first, second = (datetime(2024, 7, 1, 8, minute, tzinfo=UTC) for minute in (0, 1))
    assert statuses == ["stored", "stored", "duplicate", "stored"]
    assert minutes == {
        first: [Average(*map(Fraction, ("2", "-16.6", "180.05", "5.5", "0.5")))],
        second: [Average(*map(Fraction, ("1", "-16.9", "-179.7", "7", "0.1")))],
    }


RIGHT = Average(*map(Fraction, ("3", "40", "180", "8", "0")))


@pytest.mark.parametrize(
    ("changed", "is_told"),
    [
        ({}, False),
        ({"long": Fraction(-180)}, False),
        ({"long": Fraction("-179.9999999985")}, True),
        ({"long": Fraction("179.9999999995")}, False),
        ({"lat": Fraction("40.0000000009")}, False),
        ({"lat": Fraction("40.0000000011")}, True),
        ({"accuracy": Fraction("8.000000007")}, False),
        ({"accuracy": Fraction("8.000000009")}, True),
        ({"speed": Fraction("1e-12")}, True),
        ({"count": Fraction(4)}, True),
    ],
)
def test_numbers_are_compared_to_a_billionth(changed: dict[str, Any], is_told: bool) -> None:
    minute = datetime(2024, 7, 1, 8, 0, tzinfo=UTC)
    phone = replace(make_phone(PLAN, 0), minutes={minute: [RIGHT]})

    differences = list(judge_minutes(phone, {minute: [replace(RIGHT, **changed)]}))

    assert bool(differences) is is_told


@pytest.mark.parametrize(
    ("code", "answer", "status"),
    [
        (200, b'{"status":"stored"}', "stored"),
        (200, b'{"status": "duplicate"}', "duplicate"),
        (201, b'{"status": "stored"}', '201 {"status": "stored"}'),
        (200, b'{"status": "stored", "id": 1}', '200 {"status": "stored", "id": 1}'),
        (200, b"[]", "200 []"),
        (500, b"\xff", "500 \ufffd"),
    ],
)
def test_only_an_answer_of_the_right_form_has_a_status(
    code: int, answer: bytes, status: str
) -> None:
    assert read_status(code, answer) == status


# With a server


def test_a_fleet_gets_the_averages_that_it_must_get(open_server: str) -> None:
    figures = simulate_locations(
        *("--users", "12", "--minutes", "5", "--run", "fleet", "--url", open_server)
    )

    plan = Plan(run="fleet", users=12, minutes=5)
    sent = sum(len(make_phone(plan, number).fixes) for number in range(12))
    stored = Fix.objects.count()
    assert MinuteAverage.objects.count() == 12 * 5
    assert 0 < stored < sent
    assert figures["run"] == "fleet"
    assert figures["fixes sent"] == f"{sent:,}"
    assert figures["stored"] == f"{stored:,}"
    assert figures["duplicates"] == f"{sent - stored:,}"
    assert figures["minutes compared"] == "60"
    assert figures["differences"] == "0"


def test_another_run_has_other_users(open_server: str) -> None:
    for _ in range(2):
        simulate_locations("--users", "1", "--minutes", "1", "--url", open_server)

    assert MinuteAverage.objects.values("user_id").distinct().count() == 2


def test_averages_are_read_page_by_page(open_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("locations.simulating.PAGE_SIZE", 2)

    figures = simulate_locations("--users", "1", "--minutes", "5", "--url", open_server)

    assert (figures["minutes compared"], figures["differences"]) == ("5", "0")


def test_clocks_that_are_put_back_during_the_run_change_nothing(open_server: str) -> None:
    simulate_locations(
        *("--users", "12", "--minutes", "90", "--interval", "200", "--url", open_server),
        *("--start", "2024-10-26T23:45Z", "--duplicates", "0.3"),
    )

    assert not MinuteAverage.objects.filter(is_fold=True).exists()


def test_a_fix_too_many_is_told(open_server: str) -> None:
    fix = {
        "timestamp": "2024-07-01T08:01:30.0005Z",
        "lat": -16.83,
        "long": 179.99,
        "accuracy": 5,
        "speed": 1,
        "user_id": "sim-small-001",
    }
    store_fix(read_fix(json.dumps(fix).encode()))

    with pytest.raises(CommandError, match=r"sim-small-001, 2024-07-01T08:01Z: expected count"):
        simulate_locations(*SMALL, "--url", open_server)


def test_a_minute_too_many_is_told(open_server: str) -> None:
    fix = {
        "timestamp": "2024-07-01T09:30:00Z",
        "lat": 1,
        "long": 1,
        "accuracy": 5,
        "speed": 1,
        "user_id": "sim-small-003",
    }
    store_fix(read_fix(json.dumps(fix).encode()))

    with pytest.raises(CommandError, match="2024-07-01T09:30Z: expected averages: 0, found 1"):
        simulate_locations(*SMALL, "--url", open_server)


def test_a_timestamp_that_is_known_already_is_told(open_server: str) -> None:
    simulate_locations(*SMALL, "--url", open_server)

    with pytest.raises(CommandError, match=r"(?s)expected stored, found duplicate.*and \d+ more"):
        simulate_locations(*SMALL, "--url", open_server)


@pytest.mark.parametrize(
    ("falsify", "told"),
    [
        (lambda rows: rows.update(sum_lat=F("sum_lat") + F("count") * 2e-9), "lat"),
        (
            lambda rows: rows.update(sum_long_offset=F("sum_long_offset") + F("count") * 2e-9),
            "long",
        ),
        (lambda rows: rows.update(sum_accuracy=F("sum_accuracy") * 1.00000001), "accuracy"),
        (lambda rows: rows.update(sum_speed=F("sum_speed") + 0.001), "speed"),
        (lambda rows: rows.delete(), "averages: 1"),
    ],
)
def test_a_falsified_average_is_told(
    open_server: str, falsify: Callable[[Any], object], told: str
) -> None:
    simulate_locations(*SMALL, "--url", open_server)
    phone = make_phone(SMALL_PLAN, 2)
    minute = datetime(2024, 7, 1, 8, 1, tzinfo=UTC)

    falsify(MinuteAverage.objects.filter(user_id=phone.user_id, minute=minute))
    [difference] = judge_minutes(phone, read_minutes(Server(open_server), phone.user_id))

    assert difference.user_id == "sim-small-002"
    assert difference.moment == "2024-07-01T08:01Z"
    assert difference.expected.startswith(told)


def test_whoever_may_not_read_is_told(settings: Settings, live_server: LiveServer) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"ingest"})

    with pytest.raises(CommandError, match=r"^GET http:.* is refused with 401: a token"):
        simulate_locations(*SMALL, "--url", live_server.url)

    assert not Fix.objects.exists()


def test_whoever_may_not_send_is_told(settings: Settings, live_server: LiveServer) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read"})

    with pytest.raises(CommandError, match=r"^PUT http:.*/location is refused with 401: a token"):
        simulate_locations(*SMALL, "--url", live_server.url)


def test_a_token_opens_the_doors(settings: Settings, live_server: LiveServer) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()
    user = make_user("phones")

    figures = simulate_locations(
        *SMALL, "--url", live_server.url, "--token", str(AccessToken.for_user(user))
    )

    assert (figures["minutes compared"], figures["differences"]) == ("12", "0")


def test_a_server_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(CommandError, match=rf"^GET http://127.0.0.1:{port}/.* is not answered: "):
        simulate_locations(*SMALL, "--url", f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    "body", [b"<p>Welcome</p>", b"[]", b'{"features": [{}]}', b'{"detail": "gone"}']
)
def test_a_server_of_another_kind_is_told(body: bytes) -> None:
    with run_site() as site:
        site.serve("/api/v1/locations/?user_id=sim-small-000&page_size=1000", body)

        with pytest.raises(CommandError, match=f"^{site.url} has no averages at /api.*: 200 "):
            simulate_locations(*SMALL, "--url", site.url)


def test_unexpected_answers_are_told_beside_the_averages_that_are_missing() -> None:
    with run_site() as site:
        site.serve(
            "/below/api/v1/locations/?user_id=sim-small-000&page_size=1000",
            b'{"features": [], "next": null}',
        )

        with pytest.raises(
            CommandError, match=r"sim-small-000, 2024-07-01.*: expected stored, found 501 "
        ):
            simulate_locations(
                *("--users", "1", "--minutes", "1", "--run", "small"), "--url", f"{site.url}/below/"
            )


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--users", "0"),
        ("--users", "-3"),
        ("--users", "2.5"),
        ("--users", "1001"),
        ("--minutes", "0"),
        ("--minutes", "many"),
        ("--interval", "0"),
        ("--interval", "nan"),
        ("--interval", "soon"),
        ("--duplicates", "1"),
        ("--duplicates", "-0.1"),
        ("--duplicates", "nan"),
        ("--seed", "x"),
        ("--run", ""),
        ("--run", "a b"),
        ("--start", "yesterday"),
        ("--start", "1066-10-14T09:00Z"),
        ("--token", "t\u00f6ken"),
        ("--url", "127.0.0.1:8000"),
        ("--url", "ftp://127.0.0.1"),
        ("--url", "http://127.0.0.1:99999"),
        ("--url", "http://[::1"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(option: str, value: str) -> None:
    with pytest.raises(CommandError, match=f"argument {option}: "):
        simulate_locations(f"{option}={value}")
