"""Figures that are right to the last bit."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropzone.reading import read_quickly, read_thoroughly
from dropzone.summarising import (
    Summary,
    summarise_payload,
)
from tests.dropzone.bodies import write_numbers


def test_real_file_has_its_published_figures(real_data: Path) -> None:
    body = (real_data / "dropzone" / "file.json").read_bytes()

    assert summarise_payload(body) == Summary(
        datetime(2019, 5, 1, 10, tzinfo=UTC), 0.9985282517566032, 1.0179111964854088, 100
    )
    assert read_quickly(body) == read_thoroughly(body)


@pytest.mark.parametrize(
    ("texts", "mean", "std"),
    [
        (["0"], 0.0, None),
        (["-0"], 0.0, None),
        (["-0.0", "-0e5"], 0.0, 0.0),
        (["0e99999999999999999999", "1"], 0.5, math.sqrt(0.5)),
        (["0E-99999999999999999999", "1"], 0.5, math.sqrt(0.5)),
        (["0." + "0" * 999, "1"], 0.5, math.sqrt(0.5)),
        (["5e-324"], 5e-324, None),
        (["5e-324", "-5e-324"], 0.0, 5e-324),
        (["-5e-324"] + ["0"] * 8, 0.0, 0.0),
        (["1.7976931348623157e308"] * 3, 1.7976931348623157e308, 0.0),
        (["1.7976931348623158e308"] * 3, 1.7976931348623157e308, 0.0),
        (["1e300", "-1e300", "1e-300"], 1e-300 / 3, 1e300),
        (["1e300"] * 7, 1e300, 0.0),
        (["1e-300"] * 7, 1e-300, 0.0),
        (["1e-300", "3e-300"], 2e-300, 1.4142135623730950488e-300),
        (["1", "1." + "0" * 998 + "1"], 1.0, 0.0),
        (["9007199254740993", "9007199254740993"], 9007199254740992.0, 0.0),
        (["9007199254740993", "9007199254740993.1"], 9007199254740994.0, math.sqrt(0.005)),
        (["0.1", "0.2", "0.3"], 0.2, 0.1),
    ],
)
def test_extremes_are_summed_exactly(texts: list[str], mean: float, std: float | None) -> None:
    summary = summarise_payload(write_numbers(texts))

    assert (summary.mean, summary.std) == (mean, std)
    assert math.copysign(1, summary.mean) == (1 if summary.mean == 0 else math.copysign(1, mean))


def write_accuracy(middle: str, low: str, high: str) -> list[str]:
    return [middle] + [low, high] * 500


@pytest.mark.parametrize(
    ("texts", "mean", "std"),
    [
        (["10000001", "10000003", "10000002"], 10000002.0, 1.0),
        (write_accuracy("1.2", "1.1", "1.3"), 1.2, 0.1),
        (write_accuracy("1000000.2", "1000000.1", "1000000.3"), 1000000.2, 0.1),
        (write_accuracy("10000000.2", "10000000.1", "10000000.3"), 10000000.2, 0.1),
    ],
    ids=["NumAcc1", "NumAcc2", "NumAcc3", "NumAcc4"],
)
def test_certified_figures_of_nist_are_met_exactly(
    texts: list[str], mean: float, std: float
) -> None:
    summary = summarise_payload(write_numbers(texts))

    assert (summary.mean, summary.std, summary.count) == (mean, std, len(texts))


def write_number(sign: str, whole: int, fraction: str, exponent: int | None) -> str:
    point = f".{fraction}" if fraction else ""
    return f"{sign}{whole}{point}{'' if exponent is None else f'e{exponent}'}"


def is_far_from_the_ends(text: str) -> bool:
    """Of what a double holds: also the deviation is one."""
    return abs(float(text)) < 1e307 and (float(text) != 0 or not Decimal(text))


NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**30), 10**30).map(str),
    st.builds(
        write_number,
        st.sampled_from(["", "-"]),
        st.integers(0, 10**20),
        st.text("0123456789", max_size=40),
        st.none() | st.integers(-300, 280),
    ),
).filter(is_far_from_the_ends)


def find_nearest(number: Fraction, guess: float) -> Iterator[bool]:
    """That the guess is the nearest double to the root of the number, by exact middles."""
    above = (Fraction(guess) + Fraction(math.nextafter(guess, math.inf))) / 2
    below = (Fraction(guess) + Fraction(math.nextafter(guess, -math.inf))) / 2
    yield number <= above * above
    yield below <= 0 or below * below <= number


@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_figures_are_the_nearest_doubles(texts: list[str]) -> None:
    values = [Fraction(text) for text in texts]
    mean = sum(values, Fraction()) / len(values)

    summary = summarise_payload(write_numbers(texts))

    assert summary.mean == float(mean)
    if len(values) == 1:
        assert summary.std is None
        return
    variance = sum(((value - mean) ** 2 for value in values), Fraction()) / (len(values) - 1)
    assert summary.std is not None
    assert all(find_nearest(variance, summary.std))


@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_both_ways_of_reading_read_the_same(texts: list[str]) -> None:
    quick = read_quickly(write_numbers(texts))
    thorough = read_thoroughly(write_numbers(texts))

    assert thorough.numbers == [Decimal(text) for text in texts]
    assert quick is None or quick == thorough


@given(st.lists(NUMBERS, min_size=2, max_size=20), st.randoms())
def test_order_changes_nothing(texts: list[str], random: Any) -> None:
    shuffled = texts[:]
    random.shuffle(shuffled)

    assert summarise_payload(write_numbers(texts)) == summarise_payload(write_numbers(shuffled))
