"""Mean and standard deviation of what was measured: exact sums, rounded once."""

from dataclasses import dataclass
from datetime import datetime
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation, localcontext
from math import isqrt
from operator import mul

from dropzone.reading import read_payload
from dropzone.refusing import MEANINGS, PayloadRefused, Reason, explain
from dropzone.syntax import is_json
from dropzone.unpacking import MAX_UNPACKED_BYTES, unpack

__all__ = [
    "MAX_UNPACKED_BYTES",
    "MEANINGS",
    "PayloadRefused",
    "Reason",
    "Summary",
    "is_json",
    "summarise_payload",
    "unpack",
]

# A number that is read has digits from 10^308 to 10^-1324, a sum of squares of a million of them,
# times a million, from 10^628 to 10^-2648: nothing is ever rounded, and if it were, it would raise.
EXACT = Context(prec=4_000, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[Inexact, InvalidOperation])
# Twice the 53 bits of a double, and some: its square root is then right before it is rounded.
ROOT_BITS = 120


@dataclass(frozen=True, slots=True)
class Summary:
    """`std` is that of a sample (n-1): one point has none."""

    timestamp: datetime
    mean: float
    std: float | None
    count: int


def summarise_payload(body: bytes) -> Summary:
    """Raises PayloadRefused."""
    payload = read_payload(body)
    mean, std = summarise(payload.numbers)
    return Summary(payload.timestamp, mean, std, len(payload.numbers))


def summarise(numbers: list[Decimal]) -> tuple[float, float | None]:
    """The doubles next to the mean and the standard deviation, whatever the order of numbers.

    Raises PayloadRefused.
    """
    count = len(numbers)
    with localcontext(EXACT):
        total = sum(numbers, Decimal())
        squares = sum(map(mul, numbers, numbers), Decimal())
        spread = count * squares - total * total
    mean = divide(total, count)
    if count == 1:
        return mean, None
    try:
        return mean, divide_root(spread, count * (count - 1))
    except OverflowError:
        reason = explain("out_of_range", "the standard deviation of `data`")
        raise PayloadRefused(reason) from None


def divide(number: Decimal, divisor: int) -> float:
    """The quotient, rounded once, as Python does with integers; zero has no sign."""
    numerator, denominator = number.as_integer_ratio()
    return numerator / (denominator * divisor) + 0.0


def divide_root(number: Decimal, divisor: int) -> float:
    """The square root of the quotient, rounded once.

    It is cut off after enough bits, and its last bit is set where anything was cut off ("round to
    odd"): it lies on the same side of each double, and of each middle of two, as the root itself.
    Raises OverflowError where no double is as large.
    """
    numerator, denominator = number.as_integer_ratio()
    denominator *= divisor
    # By how many bits the root has to be moved to the left.
    shift = (ROOT_BITS + denominator.bit_length() - numerator.bit_length()) // 2
    if shift >= 0:
        numerator <<= 2 * shift
    else:
        denominator <<= -2 * shift
    quotient, rest = divmod(numerator, denominator)
    root = isqrt(quotient)
    root |= bool(rest or root * root != quotient)
    return root / (1 << shift) if shift >= 0 else float(root << -shift)
