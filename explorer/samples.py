"""Made-up trips in the shape of the for-hire-vehicle records: the same bytes for the same
arguments."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from types import MappingProxyType
from typing import Final

HEADER: Final = (
    b"hvfhs_license_num,dispatching_base_num,originating_base_num,request_datetime,"
    b"on_scene_datetime,pickup_datetime,dropoff_datetime,PULocationID,DOLocationID,trip_miles,"
    b"trip_time,base_passenger_fare,tolls,bcf,sales_tax,congestion_surcharge,airport_fee,tips,"
    b"driver_pay,shared_request_flag,shared_match_flag,access_a_ride_flag,wav_request_flag,"
    b"wav_match_flag\n"
)
ROWS_PER_BLOCK: Final = 5_000
TRIPS_PER_SECOND: Final = 8  # as many as the city has
DAY_SECONDS: Final = 86_400

DAYS: Final = tuple(f"{date(2024, 1, 1) + timedelta(n)}" for n in range(366))
TOLLS: Final = ("0.0",) * 27 + ("6.94", "13.38", "-6.94", "3.18", "15.38")
FEES: Final = ("0.0,0.0", "2.75,0.0", "2.75,0.0", "0.0,2.5")  # congestion, airport
FLAGS: Final = ("N,N,N,N,N", "N,N, ,N,N", "N,N,N,N,Y", "Y,N,N,N,N", "Y,Y, ,N,N", "N,N,N,Y,Y")
UBER_BASES: Final = ("B03404", "B02764", "B02872", "B02883")
ZONES: Final = 263


@dataclass(frozen=True)
class Texts:
    """What a row is put together from: formatting each anew would take three times as long."""

    clock: tuple[str, ...]
    money: tuple[str, ...]
    miles: tuple[str, ...]


@cache
def load_texts() -> Texts:
    """10 MB, which only those processes need that write samples."""
    seconds = (divmod(second, 60) for second in range(DAY_SECONDS))
    return Texts(
        clock=tuple(f"{n // 60:02d}:{n % 60:02d}:{second:02d}" for n, second in seconds),
        money=tuple(str(cents / 100) for cents in range(16_384)),
        miles=tuple(str(thousandths / 1000) for thousandths in range(32_768)),
    )


def write_trips(rows: int, *, seed: int, bad: float = 0.0) -> Iterator[bytes]:
    """Blocks of CSV, header first; `bad` is the share of broken rows, between 0 and 1."""
    # Only .random() is promised to give the same numbers in every version of Python.
    draw = random.Random(seed).random  # noqa: S311 - sample data, not secrets
    yield HEADER
    for first in range(0, rows, ROWS_PER_BLOCK):
        numbers = range(first, min(first + ROWS_PER_BLOCK, rows))
        yield b"".join([_row(draw, n, is_bad=draw() < bad) for n in numbers])


Draw = Callable[[], float]


def _row(draw: Draw, number: int, *, is_bad: bool) -> bytes:
    row = _write_trip(draw, number)
    if not is_bad:
        return row.encode()
    kinds = tuple(BAD_KINDS.values())
    return kinds[int(draw() * len(kinds))](row.rstrip("\n").split(","))


def _write_trip(draw: Draw, number: int) -> str:
    # One draw has 53 random bits: enough for all the small choices of a row, and for all amounts.
    choices, amounts = int(draw() * 2**53), int(draw() * 2**53)
    asked = number // TRIPS_PER_SECOND + (choices & 63)
    waited = 60 + (choices >> 6 & 255)
    travelled = 120 + (choices >> 14 & 2047)
    money, miles = load_texts().money, load_texts().miles
    picked_up = asked + waited + 60
    if choices >> 25 & 3:
        base = UBER_BASES[choices >> 27 & 3]
        company = f"HV0003,{base},{base},{_time(asked)},{_time(asked + waited)}"
    else:
        company = f"HV0005,B03406,,{_time(asked)},"
    return (
        f"{company},{_time(picked_up)},{_time(picked_up + travelled)},"
        f"{1 + (choices >> 29 & 2047) % ZONES},{1 + (choices >> 40 & 2047) % ZONES},"
        f"{miles[amounts & 32_767]},{travelled},{_fare(amounts >> 15 & 16_383)},"
        f"{TOLLS[amounts >> 29 & 31]},{money[amounts >> 34 & 127]},{money[amounts >> 41 & 511]},"
        f"{FEES[choices >> 51 & 3]},{money[amounts >> 50 & 7]},{money[amounts >> 15 & 8191]},"
        f"{FLAGS[(amounts >> 20) % 61 % len(FLAGS)]}\n"
    )


def _time(second: int) -> str:
    day, second = divmod(second, DAY_SECONDS)
    return f"{DAYS[day % len(DAYS)]} {load_texts().clock[second]}"


def _fare(cents: int) -> str:
    """Now and then a fare is given back."""
    text = load_texts().money[cents]
    return text if cents % 512 else f"-{text}"


# Broken rows

Spoil = Callable[[list[str]], bytes]


def _with_field(index: int, value: str) -> Spoil:
    return lambda fields: _line([*fields[:index], value, *fields[index + 1 :]])


def _line(fields: list[str]) -> bytes:
    return f"{','.join(fields)}\n".encode()


def _without_last(fields: list[str]) -> bytes:
    return _line(fields[:-1])


def _with_one_more(fields: list[str]) -> bytes:
    return _line([*fields, "more"])


def _with_broken_utf8(fields: list[str]) -> bytes:
    return _line(fields).replace(b",", b"\xff,", 1)


# Each breaks the fields of a row in its own way. A number of an integer column that is not
# written as one is refused, however whole it is: it stands for another kind of file.
BAD_KINDS: Final[Mapping[str, Spoil]] = MappingProxyType(
    {
        "fraction_for_integer": _with_field(10, "1.5"),
        "exponent_for_integer": _with_field(8, "1e3"),
        "text_for_number": _with_field(11, "n/a"),
        "impossible_time": _with_field(6, "2024-02-30 10:00:00"),
        "empty_pickup_time": _with_field(5, ""),
        "missing_column": _without_last,
        "extra_column": _with_one_more,
        "invalid_utf8": _with_broken_utf8,
    }
)
