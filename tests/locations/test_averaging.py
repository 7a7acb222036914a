"""Each fix counts once, the first that arrives, in the average of its minute."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from config.api.statements import run_statement
from locations import averaging
from locations.averaging import store_fix, store_fixes
from locations.fixes import NewFix
from locations.models import Fix, MinuteAverage
from tests.locations.fixes import BERLIN, NEW_YORK, expect, make_fix, read_averages, run_at_once

pytestmark = pytest.mark.django_db


def read_one() -> MinuteAverage:
    return MinuteAverage.objects.get()


def test_fixes_of_a_minute_are_averaged() -> None:
    assert store_fix(make_fix("2024-07-01 12:00:00", lat=50, long=10, accuracy=4, speed=1))
    assert store_fix(make_fix("2024-07-01 12:00:59.999", lat=51, long=11, accuracy=8, speed=2))

    average = read_one()

    assert average.minute == datetime(2024, 7, 1, 10, tzinfo=UTC)
    assert (average.lat, average.long, average.accuracy, average.speed) == (50.5, 10.5, 6, 1.5)
    assert average.count == 2
    assert average.point.tuple == (10.5, 50.5)
    assert average.point.srid == 4326
    assert average.last_fix_at == datetime(2024, 7, 1, 10, 0, 59, 999_000, tzinfo=UTC)
    assert not average.is_gap
    assert not average.is_fold


def test_minutes_and_users_are_apart() -> None:
    fixes = [
        make_fix("2024-07-01 12:00:59.999999"),
        make_fix("2024-07-01 12:01:00"),
        make_fix("2024-07-01 12:00:59.999999", user_id="Ada"),
    ]

    assert [store_fix(fix) for fix in fixes] == [True, True, True]
    assert MinuteAverage.objects.count() == 3


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("2024-07-01 12:00:00", "2024-07-01 12:00:00"),
        ("2024-07-01 12:00:00", "2024-07-01T12:00:00.000"),
        ("2024-07-01 12:00:00.5", "2024-07-01T12:00:00.500000"),
        ("2024-07-01 12:00:00Z", "2024-07-01 14:00:00+02:00"),
    ],
)
def test_same_timestamp_is_a_duplicate_that_changes_nothing(first: str, again: str) -> None:
    store_fix(make_fix(first, lat=50))
    before = read_averages()

    assert not store_fix(make_fix(again, lat=51))
    assert store_fixes([make_fix(again, lat=51)]) == [False]
    assert read_averages() == before


def test_local_time_and_time_with_an_offset_are_two_timestamps() -> None:
    assert store_fix(make_fix("2024-07-01 12:00:00"))
    assert store_fix(make_fix("2024-07-01 12:00:00+02:00"))

    assert read_one().count == 2


def test_repeat_from_another_zone_is_a_duplicate() -> None:
    assert store_fix(make_fix("2024-07-01 12:00:00", lat=BERLIN[0], long=BERLIN[1]))
    assert not store_fix(make_fix("2024-07-01 12:00:00", lat=NEW_YORK[0], long=NEW_YORK[1]))

    assert read_one().minute == datetime(2024, 7, 1, 10, tzinfo=UTC)


# Clocks that are put forward and back

FIRST = datetime(2024, 10, 27, 0, 30, tzinfo=UTC)  # 02:30 in Berlin, and an hour later again
SECOND = FIRST + timedelta(hours=1)


def store_both_ways(fixes: Sequence[NewFix]) -> list[tuple[Any, ...]]:
    """The answers and the averages, the same one by one and as a batch."""
    found = []
    for is_batch in (False, True):
        MinuteAverage.objects.all().delete()
        Fix.objects.all().delete()
        answers = store_fixes(fixes) if is_batch else [store_fix(fix) for fix in fixes]
        rows = MinuteAverage.objects.order_by("user_id", "minute")
        columns = ("user_id", "minute", "count", "last_fix_at", "is_gap", "is_fold", "lat", "long")
        found.append([tuple(answers), *rows.values_list(*columns)])
    assert found[0] == found[1]
    return found[0]


def list_minutes(found: list[tuple[Any, ...]]) -> list[datetime]:
    return [row[1] for row in found[1:]]


def test_time_that_occurs_twice_means_the_first() -> None:
    found = store_both_ways([make_fix("2024-10-27 02:30:00")])

    assert list_minutes(found) == [FIRST]
    assert found[1][5] is True


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("2024-10-27 01:59:00", FIRST),
        ("2024-10-27 02:30:29", FIRST),
        ("2024-10-27 02:30:30.001", SECOND),
        ("2024-10-27 02:59:00", SECOND),
        ("2024-10-27 03:10:00", SECOND),
        ("2024-10-28 03:10:00", SECOND),
    ],
)
def test_time_that_occurs_twice_is_the_second_after_a_later_fix(
    before: str, expected: datetime
) -> None:
    found = store_both_ways(
        [make_fix(before, user_id="bob"), make_fix(before), make_fix("2024-10-27 02:30:30")]
    )

    assert expected in [row[1] for row in found[1:] if row[0] == "ada"]
    assert sum(row[2] for row in found[1:] if row[0] == "ada") == 2


def test_hour_that_comes_twice_is_walked_through_in_order() -> None:
    first = [make_fix(f"2024-10-27 02:{minute:02}:00") for minute in range(0, 60, 10)]
    second = [make_fix(f"2024-10-27 02:{minute:02}:00.5") for minute in range(0, 60, 10)]

    found = store_both_ways([*first, *second])

    assert list_minutes(found) == [
        datetime(2024, 10, 27, 0, tzinfo=UTC) + timedelta(minutes=minute)
        for minute in range(0, 120, 10)
    ]


def test_repeat_an_hour_later_is_a_duplicate() -> None:
    fixes = [
        make_fix("2024-10-27 02:30:00"),
        make_fix("2024-10-27 02:50:00"),
        make_fix("2024-10-27 02:30:00", lat=51),
    ]

    found = store_both_ways(fixes)

    assert found[0] == (True, True, False)
    assert list_minutes(found) == [FIRST, FIRST + timedelta(minutes=20)]


def test_time_that_does_not_exist_is_moved_forward_and_flagged() -> None:
    found = store_both_ways([make_fix("2024-03-31 02:30:00"), make_fix("2024-03-31 03:30:10")])

    assert list_minutes(found) == [datetime(2024, 3, 31, 1, 30, tzinfo=UTC)]
    assert found[1][2] == 2
    assert found[1][4] is True
    assert found[1][5] is False


# Longitudes


@pytest.mark.parametrize(
    ("longs", "expected"),
    [
        ([179.5, -179.5], 180.0),
        ([179.0, -179.5], 179.75),
        ([-179.0, 179.5], -179.75),
        ([180.0, -180.0], 180.0),
        ([-180.0], 180.0),
        ([-180.0, -179.0], -179.5),
        ([170.0, -170.0, -170.0], -176.66666666666666),
        ([0.0, 90.0, -90.0], 0.0),
    ],
)
def test_longitudes_are_averaged_the_short_way_round(longs: list[float], expected: float) -> None:
    fixes = [make_fix(f"2024-07-01 12:00:{n:02}Z", long=long) for n, long in enumerate(longs)]

    found = store_both_ways(fixes)

    assert found[1][7] == pytest.approx(expected, abs=1e-12)


# Exactness


def test_averages_keep_every_digit() -> None:
    """Sums of doubles would be wrong in the seventh digit after this spike."""
    values = [1e8, *[0.1] * 300, 1e-9]
    fixes = [
        make_fix(f"2024-07-01 12:00:00.{n:06}", accuracy=value) for n, value in enumerate(values)
    ]

    store_fixes(fixes)

    [expected] = expect((fix, fix.moment.at) for fix in fixes).values()
    [found] = read_averages().values()
    assert found == expected


VALUES = {
    "lat": st.floats(-90, 90, allow_subnormal=False),
    "long": st.floats(-180, 180, allow_subnormal=False),
    "accuracy": st.floats(0, 1e8, allow_subnormal=False),
    "speed": st.floats(0, 3e8, allow_subnormal=False),
}
FIXES = st.lists(
    st.builds(
        lambda second, user, values: make_fix(
            f"2024-10-27 {1 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}",
            user_id=user,
            **values,
        ),
        st.one_of(st.integers(3_500, 3_800), st.integers(0, 3 * 3600)),
        st.sampled_from("ab"),
        st.fixed_dictionaries(VALUES),
    ),
    max_size=25,
)


class AnyFixesTest(TestCase):
    @given(FIXES)
    @settings(max_examples=60)
    def test_one_by_one_and_as_a_batch_are_the_same(self, fixes: list[NewFix]) -> None:
        store_both_ways(fixes)

    @given(FIXES, st.integers(1, 30))
    @settings(max_examples=30)
    def test_averages_are_those_of_the_first_of_each_timestamp(
        self, fixes: list[NewFix], size: int
    ) -> None:
        seen: set[tuple[str, datetime]] = set()
        taken = []
        latest: dict[str, datetime] = {}
        for fix in fixes:
            moment = fix.moment
            if (fix.user_id, moment.submitted) in seen:
                continue
            seen.add((fix.user_id, moment.submitted))
            at, last = moment.at, latest.get(fix.user_id)
            if moment.repeated_at and last and last > at:
                at = moment.repeated_at
            latest[fix.user_id] = max(at, last or at)
            taken.append((fix, at))

        for start in range(0, len(fixes), size):
            store_fixes(fixes[start : start + size])

        assert read_averages() == {
            key: pytest.approx(value, rel=1e-9, abs=1e-9) for key, value in expect(taken).items()
        }


def test_batch_is_few_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    fixes = [make_fix(f"2024-07-01 12:00:{n / 100:06.3f}") for n in range(6000)]
    statements: list[str] = []

    def note(statement: str, parameters: Any) -> Any:
        statements.append(statement)
        return run_statement(statement, parameters)

    monkeypatch.setattr(averaging, "run_statement", note)

    assert all(store_fixes(fixes))
    assert len(statements) == 3
    assert read_one().count == 6000


# Racing


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", [BERLIN, NEW_YORK])
def test_of_two_at_once_one_is_stored(place: tuple[float, float]) -> None:
    for number in range(60):
        stamp = f"2024-10-27 02:{number:02}:00"
        pair = (make_fix(stamp, accuracy=1), make_fix(stamp, lat=place[0], long=place[1]))

        answers = run_at_once(*(partial(store_fix, fix) for fix in pair))

        assert sorted(answers) == [False, True]
    assert sum(MinuteAverage.objects.values_list("count", flat=True)) == 60
    assert Fix.objects.count() == 60


@pytest.mark.django_db(transaction=True)
def test_batches_and_single_fixes_at_once_lose_and_double_nothing() -> None:
    """Each writer sends all fixes, in an order of its own."""
    fixes = [
        make_fix(f"2024-07-01 12:{n // 60 % 60:02}:{n % 60:02}", user_id=f"u{n % 5}")
        for n in range(1_200)
    ]

    def send(seed: int, size: int) -> int:
        mine = random.Random(seed).sample(fixes, len(fixes))  # noqa: S311 - chance, not secrets
        parts = [mine[start : start + size] for start in range(0, len(mine), size)]
        return sum(store_fix(part[0]) if size == 1 else sum(store_fixes(part)) for part in parts)

    counts = run_at_once(*(partial(send, n, [1, 7, 150, 1200][n % 4]) for n in range(8)))

    assert sum(counts) == 1_200
    assert read_averages() == {
        key: pytest.approx(value, rel=1e-9)
        for key, value in expect((fix, fix.moment.at) for fix in fixes).items()
    }


# Connections


@pytest.mark.django_db(transaction=True)
def test_statement_that_is_ended_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY SEQUENCE runs; SET statement_timeout = 50")
    monkeypatch.setattr(averaging, "ONE", "SELECT nextval('runs'), pg_sleep(10)")

    with pytest.raises(psycopg.errors.QueryCanceled):
        store_fix(make_fix("2024-07-01 12:00:00"))

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SELECT last_value FROM runs")
        assert cursor.fetchone() == (1,)


@pytest.mark.django_db(transaction=True)
def test_lost_connection_loses_no_fix() -> None:
    store_fix(make_fix("2024-07-01 12:00:00"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    end_backend(pid)

    assert store_fix(make_fix("2024-07-01 12:00:01"))
    assert read_one().count == 2


def end_backend(pid: int) -> None:
    def end() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    run_at_once(end)


@pytest.mark.django_db(transaction=True)
def test_statement_is_prepared_once() -> None:
    for second in range(5):
        store_fix(make_fix(f"2024-07-01 12:00:0{second}"))

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s",
            ["%locations_fix%"],
        )
        assert cursor.fetchone() == (1,)
