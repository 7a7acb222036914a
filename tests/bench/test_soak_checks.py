import signal
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from pacing import BROKEN, FIXES, WHOLE, Told
from sampling import ROLES, Sample, Span
from soak_checks import (
    MISSED,
    Check,
    Course,
    Imports,
    Restart,
    Stored,
    check_answers,
    check_imports,
    check_programs,
    check_stored,
    list_spans,
    write_soak,
)
from soak_importing import Ended

MEMORY = dict.fromkeys(ROLES.values(), 100_000_000)
STORED = Stored(
    fixes=300,
    averaged=300,
    processed=198,
    rejected=2,
    waiting=0,
    measurements=198,
    lineage=198,
    bodies=200,
)


def make_told(count: int, **changes: Any) -> Told:
    told = Told(sent=count, acknowledged=count, failed=0, others={}, p50_ms=2.0, p99_ms=9.0)
    return replace(told, **changes)


TOLD = {FIXES: make_told(300), WHOLE: make_told(198), BROKEN: make_told(2), "pages": make_told(60)}


def make_sample(seconds: float, **changes: Any) -> Sample:
    values: dict[str, Any] = {
        "memory": MEMORY,
        "connections": 20,
        "waiting": 3,
        "oldest_seconds": 0.5,
        "redis_bytes": 1_500_000,
        "redis_keys": 9,
        "disk_bytes": 10**9,
    }
    return Sample(seconds, **values | changes)


ENDED = Ended(seconds=[2.0, 4.0], finished=5, cancelled=1, deleted=3)
COURSE = Course(
    seconds=180,
    told=TOLD,
    unsent=0,
    samples=[make_sample(10.0 * place) for place in range(19)],
    restarts=[Restart("worker", signal.SIGKILL), Restart("payload-worker", signal.SIGTERM)],
    deaths=2,
    replaced=0,
    imports=Imports(
        6, Ended(seconds=[2.0, 4.0], finished=5, cancelled=1, deleted=3), [202, 200, 409], 0
    ),
)


def list_missed(checks: list[Check]) -> list[str]:
    return [check.name for check in checks if not check.holds]


# What is stored


def test_all_that_was_acknowledged_holds() -> None:
    assert list_missed(check_stored(TOLD, STORED)) == []


def test_what_was_sent_and_not_answered_may_be_stored() -> None:
    told = {**TOLD, FIXES: make_told(301, acknowledged=299, failed=2)}

    assert list_missed(check_stored(told, STORED)) == []


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({"averaged": 299, "fixes": 299}, "fixes"),
        ({"averaged": 301, "fixes": 301}, "fixes"),
        ({"averaged": 300, "fixes": 301}, "fixes"),
        ({"processed": 197, "measurements": 197, "lineage": 197}, "payloads processed"),
        ({"measurements": 197}, "payloads processed"),
        ({"bodies": 199}, "payloads processed"),
        ({"waiting": 1}, "payloads processed"),
        ({"rejected": 1, "bodies": 199}, "payloads rejected"),
    ],
)
def test_what_is_lost_or_doubled_is_missed(changes: Mapping[str, int], missed: str) -> None:
    [name] = list_missed(check_stored(TOLD, replace(STORED, **changes)))

    assert name.startswith(missed)


# Imports


@pytest.mark.parametrize(
    "changes",
    [
        {"begun": 7},
        {"left": 1},
        {"ended": replace(ENDED, finished=4, deleted=2)},
        {"ended": replace(ENDED, deleted=2)},
    ],
)
def test_imports_that_did_not_end_or_left_something_are_missed(changes: Mapping[str, Any]) -> None:
    assert len(list_missed(check_imports(replace(COURSE.imports, **changes)))) == 1


# Answers and programs


@pytest.mark.parametrize(
    ("others", "answers", "failed", "missed"),
    [
        ({}, [200, 204, 409], 0, []),
        ({"503": 2}, [], 0, ["answers of 500 and more"]),
        ({"429": 1, "404": 1}, [], 0, ["other answers that are not wanted"]),
        ({}, [500], 0, ["answers of 500 and more"]),
        ({}, [0], 0, ["requests without an answer"]),
        ({}, [], 1, ["requests without an answer"]),
    ],
)
def test_answers_that_are_not_wanted_are_missed(
    others: Mapping[str, int], answers: list[int], failed: int, missed: list[str]
) -> None:
    told = {**TOLD, "pages": make_told(60, others=others, failed=failed)}
    course = replace(COURSE, told=told, imports=replace(COURSE.imports, answers=answers))

    assert list_missed(check_answers(course)) == missed


def test_requests_that_could_not_be_sent_are_missed() -> None:
    missed = list_missed(check_answers(replace(COURSE, unsent=1)))

    assert missed == ["requests too late to be sent"]


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({}, None),
        ({"deaths": 1}, "workers ended"),
        ({"restarts": [], "deaths": 0}, "workers ended"),
        ({"deaths": 3}, "processes that ended"),
        ({"replaced": 1}, "processes that ended"),
        ({"samples": [make_sample(0, oldest_seconds=31.0)]}, "seconds that the oldest"),
    ],
)
def test_programs_that_ended_otherwise_are_missed(
    changes: Mapping[str, Any], missed: str | None
) -> None:
    names = list_missed(check_programs(replace(COURSE, **changes)))

    assert [name for name in names if not name.startswith(missed or "-")] == []
    assert len(names) == (0 if missed is None else 1)


# What grows


def test_minutes_at_a_third_and_at_the_end_are_compared() -> None:
    assert list_spans(1800) == (Span(540, 600), Span(1740, 1800))
    assert list_spans(120) == (Span(0, 40), Span(80, 120))


def test_tables_tell_all_that_holds() -> None:
    tables = "\n".join(write_soak(COURSE, STORED))

    assert MISSED not in tables
    assert "| fixes | 300 | 1.7 | 2.0 | 9.0 |" in tables
    assert "| fixes in the averages | 300 of 300 acknowledged | all |" in tables
    assert "| imports finished with exactly their rows | 5 of 5, in 2.0 to 4.0 s | all |" in tables
    assert "2 of 2 (1 by SIGKILL, 1 by SIGTERM)" in tables
    assert "| memory: sweeper | 100.0 MB | 100.0 MB | 1.00 | ≤ 1.05 |" in tables


def test_memory_that_grows_is_missed_and_a_job_of_a_moment_is_not() -> None:
    def change(place: int, role: str, size: int) -> Sample:
        sample = COURSE.samples[place]
        return replace(sample, memory={**sample.memory, role: size})

    job = [*COURSE.samples[:-2], change(-2, "import workers", 300_000_000), COURSE.samples[-1]]
    leak = [change(place, "web server", 10**8 + 10**6 * place) for place in range(19)]

    assert MISSED not in "\n".join(write_soak(replace(COURSE, samples=job), STORED))
    grown = "\n".join(write_soak(replace(COURSE, samples=leak), STORED))
    assert [line for line in grown.splitlines() if MISSED in line] == [
        "| memory: web server | 103.5 MB | 115.5 MB | 1.12 | ≤ 1.05, **missed** |"
        " 100.0 MB to 118.0 MB |"
    ]
