"""Figures that people watch: smooth, and never backward."""

import math

import pytest

from imports.engine.copying import Committed, Ledger
from imports.engine.progress import SMOOTHING_SECONDS, Rate, Tally


class Clock:
    """`time`, where nothing passes by itself."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("imports.engine.progress.time", clock)
    return clock


def test_rate_is_the_mean_while_little_time_has_passed(clock: Clock) -> None:
    rate = Rate(1_000)
    clock.now += 1
    first = rate.note(1_600)
    clock.now += 1

    assert first == pytest.approx(600)
    assert rate.note(1_600) == pytest.approx(300)


@pytest.mark.parametrize("seconds", [0.25, 1.0, 7.0, 60.0])
def test_rate_of_a_steady_growth_is_that_growth(clock: Clock, seconds: float) -> None:
    rate = Rate(0)

    for step in range(1, 40):
        clock.now += seconds
        assert rate.note(int(1_000 * seconds * step)) == pytest.approx(1_000)


def test_one_slow_chunk_makes_no_jump_and_a_lasting_change_is_followed(clock: Clock) -> None:
    rate, value = Rate(0), 0
    for _ in range(60):
        clock.now += 1
        value += 1_000
        before = rate.note(value)

    clock.now += 1
    stalled = rate.note(value)
    for _ in range(int(3 * SMOOTHING_SECONDS)):
        clock.now += 1
        value += 100
        after = rate.note(value)

    assert before == pytest.approx(1_000)
    assert 900 < stalled < 1_000
    assert 100 < after < 100 + 900 * math.exp(-2.9)


def test_rate_is_told_twice_at_one_moment(clock: Clock) -> None:
    rate = Rate(0)
    first = rate.note(5)
    clock.now += 1
    second = rate.note(100)

    assert first == 0
    assert second == pytest.approx(100)
    assert rate.note(200) == second


def test_tally_starts_where_the_ledger_ends(clock: Clock) -> None:
    ledger = Ledger(rows_loaded=10, rows_rejected=2, early_rejects=1)

    tally = Tally(ledger, bytes_done=500, bytes_total=None)
    clock.now += 2
    tally.add(Committed(30, 4, 3))
    tally.reach(900)

    assert tally.early_rejects == 4
    assert tally.read() == {
        "bytes_done": 900,
        "bytes_total": None,
        "rows_loaded": 40,
        "rows_rejected": 6,
        "bytes_per_second": pytest.approx(200),
        "rows_per_second": pytest.approx(17),
    }


def test_source_that_is_read_again_is_as_far_as_it_was() -> None:
    tally = Tally(Ledger(), bytes_done=0, bytes_total=1_000)

    for reached in (300, 700, 0, 200, 699, 700):
        tally.reach(reached)

    assert tally.bytes_done == 700
    tally.reach(701)
    assert tally.bytes_done == 701
