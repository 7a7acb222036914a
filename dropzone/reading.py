"""Measurement files as they are sent: JSON of a `time_stamp` and of `data`, read strictly.

What cannot be taken is refused with every reason that can be told at once.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import isinf
from types import NoneType
from typing import Any

import msgspec

from dropzone.refusing import (
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_POINTS,
    PayloadRefused,
    Reason,
    explain,
    refuse,
    show,
)
from dropzone.syntax import keep_structure

# What the members that are not looked at may hold: they are parsed, and so cost memory.
MAX_OTHER_VALUES = 10_000


@dataclass(frozen=True, slots=True)
class Payload:
    """What was measured, exactly, from a timestamp (UTC) on."""

    timestamp: datetime
    numbers: list[Decimal]


class Plain(msgspec.Struct):
    """A payload as nearly all are."""

    time_stamp: str
    data: list[Decimal]


PLAIN = msgspec.json.Decoder(Plain)
# Quotes are around the two names and the timestamp: where both names are there and no more quotes,
# neither is there twice, there are no other members, and no text stands where a number should.
PLAIN_COUNTS = {b'"': 6, b"[": 1, b"{": 1}
# Between these powers of ten every number is a double.
LEAST_POWER, MOST_POWER = -320, 307


def read_payload(body: bytes) -> Payload:
    """Raises PayloadRefused."""
    return read_quickly(body) or read_thoroughly(body)


def read_quickly(body: bytes) -> Payload | None:
    """A plain payload, None where it has to be read thoroughly."""
    if any(body.count(symbol) != count for symbol, count in PLAIN_COUNTS.items()):
        return None
    if body.count(b",") > MAX_POINTS or max(map(len, body.split(b","))) > MAX_DIGITS:
        return None
    try:
        plain = PLAIN.decode(body)
        timestamp = read_timestamp(plain.time_stamp)
    except (msgspec.MsgspecError, ValueError, PayloadRefused):
        return None
    powers = [number.adjusted() for number in plain.data]
    if not powers or min(powers) < LEAST_POWER or max(powers) > MOST_POWER:
        return None
    return Payload(timestamp, plain.data)


class Number(str):
    """As it was written: what it is worth is seen later."""

    __slots__ = ()


class Constant(str):
    """NaN, Infinity, -Infinity: Python's JSON, and nobody else's."""

    __slots__ = ()


class Nested:
    """In the place of an object."""


NESTED = Nested()
KINDS: dict[type, str] = {
    list: "nested_value",
    Nested: "nested_value",
    str: "text_value",
    bool: "boolean_value",
    NoneType: "null_value",
}
SURROGATE = re.compile("[\ud800-\udfff]")


class Document:
    """A payload whose JSON was parsed, with what is wrong wherever it stands in it.

    Raises PayloadRefused where it is no JSON.
    """

    def __init__(self, text: str) -> None:
        self.members: list[tuple[str, Any]] = []
        self.repeated: list[str] = []
        self.halved: list[str] = []
        self.constant_count = 0
        try:
            self.value = json.loads(
                text,
                object_pairs_hook=self._take_object,
                parse_float=Number,
                parse_int=Number,
                parse_constant=self._take_constant,
            )
        except ValueError as error:
            raise PayloadRefused(explain("not_json", str(error))) from error

    def _take_object(self, members: list[tuple[str, Any]]) -> Nested:
        """The outermost comes last: its members are what is left."""
        self.members = members
        self.halved += [name for name, _ in members if SURROGATE.search(name)]
        if len(dict(members)) < len(members):
            seen: set[str] = set()
            for name, _ in members:
                if name in seen:
                    self.repeated.append(name)
                seen.add(name)
        return NESTED

    def _take_constant(self, name: str) -> Constant:
        self.constant_count += 1
        return Constant(name)

    def find(self, name: str) -> list[Any]:
        """Each value that the member has."""
        return [value for other, value in self.members if other == name]


def read_thoroughly(body: bytes) -> Payload:
    """Raises PayloadRefused with every reason, and not only the first."""
    document = Document(read_text(body))
    reasons = [*judge_names(document), *judge_constants(document)]
    if document.value is not NESTED:
        raise PayloadRefused(explain("not_an_object"), *reasons)
    found: dict[str, Any] = {}
    # Of a name that is there more than once nobody knows which is meant.
    for name, missing, read in (
        ("time_stamp", "timestamp_missing", read_time_member),
        ("data", "data_missing", read_data_member),
    ):
        values = document.find(name)
        try:
            if not values:
                refuse(missing)
            if len(values) == 1:
                found[name] = read(values[0])
        except PayloadRefused as refusal:
            reasons += refusal.reasons
    if reasons:
        raise PayloadRefused(*reasons)
    return Payload(found["time_stamp"], found["data"])


def judge_names(document: Document) -> Iterable[Reason]:
    for code, names in (("duplicate_key", document.repeated), ("lone_surrogate", document.halved)):
        if names:
            yield explain(code, f"the first is {show(names[0])}, {len(names):,} in all")


def judge_constants(document: Document) -> Iterable[Reason]:
    if not document.constant_count:
        return
    lists = [value for value in document.find("data") if isinstance(value, list)]
    inside = sum(isinstance(value, Constant) for values in lists for value in values)
    if document.constant_count > inside:
        yield explain("constant_outside_data", f"{document.constant_count - inside:,} in all")


BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


def read_text(body: bytes) -> str:
    """The text of a payload that is small and flat enough for a parser that calls itself.

    Raises PayloadRefused.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise PayloadRefused(explain("not_utf8", f"at byte {error.start:,}")) from error
    if text.startswith(BYTE_ORDER_MARK):
        refuse("byte_order_mark")
    structure = keep_structure(body)
    check_depth(structure)
    if sum(map(structure.count, (b",", b"[", b"{"))) > MAX_POINTS + MAX_OTHER_VALUES:
        refuse("too_many_points")
    return text


def check_depth(structure: bytes) -> None:
    depth = 0
    for symbol in structure.translate(None, b","):
        depth += 1 if symbol in b"[{" else -1
        if depth > MAX_DEPTH:
            refuse("too_deep")


def read_time_member(value: Any) -> datetime:
    if value is None:
        refuse("timestamp_null")
    if type(value) is not str:
        refuse("timestamp_not_text")
    return read_timestamp(value)


RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
OFFSET = re.compile(r"[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d", re.ASCII)


def read_timestamp(text: str) -> datetime:
    """RFC 3339, with an offset: the instant in UTC. What is finer than microseconds is cut off.

    Raises PayloadRefused.
    """
    match = RFC3339.fullmatch(text)
    if match is None:
        refuse("timestamp_malformed", show(text))
    day, time, fraction, offset = match.groups()
    codes = [code for code in (judge_offset(offset), judge_time(day, time)) if code]
    if codes:
        raise PayloadRefused(*[explain(code, show(text)) for code in codes])
    zone = "+00:00" if offset in "Zz" else offset
    try:
        return datetime.fromisoformat(f"{day}T{time}.{(fraction or '')[:6]:0<6}{zone}").astimezone(
            UTC
        )
    except OverflowError:
        refuse("timestamp_out_of_years", show(text))


def judge_offset(offset: str | None) -> str | None:
    if offset is None:
        return "timestamp_without_offset"
    return None if OFFSET.fullmatch(offset) else "timestamp_bad_offset"


def judge_time(day: str, time: str) -> str | None:
    if day.startswith("0000"):
        return "timestamp_out_of_years"
    if time.startswith("24"):
        return "timestamp_hour_24"
    if time.endswith("60"):
        return "timestamp_leap_second"
    try:
        datetime.fromisoformat(f"{day}T{time}")
    except ValueError:
        return "timestamp_impossible"
    return None


def read_data_member(value: Any) -> list[Decimal]:
    if value is None:
        refuse("data_null")
    if not isinstance(value, list):
        refuse("data_not_list")
    if not value:
        refuse("data_empty")
    if len(value) > MAX_POINTS:
        refuse("too_many_points")
    return read_numbers(value)


def read_numbers(values: list[Any]) -> list[Decimal]:
    """Raises PayloadRefused with each fault: where it is found first, and how often."""
    numbers: list[Decimal] = []
    places: dict[str, list[int]] = {}
    for index, value in enumerate(values):
        number = read_number(value)
        if isinstance(number, Decimal):
            numbers.append(number)
        else:
            places.setdefault(number, []).append(index)
    if places:
        raise PayloadRefused(
            *[
                explain(code, f"the first is data[{found[0]}], {len(found):,} in all")
                for code, found in places.items()
            ]
        )
    return numbers


def read_number(value: Any) -> Decimal | str:
    """The number, or the code of what is wrong with it."""
    if isinstance(value, Constant):
        return "nan_value" if value == "NaN" else "infinite_value"
    if not isinstance(value, Number):
        return KINDS[type(value)]
    if len(value) > MAX_DIGITS and sum(map(str.isdigit, value)) > MAX_DIGITS:
        return "too_many_digits"
    nearest = float(value)
    if nearest and not isinf(nearest):
        return Decimal(value)
    # Zero has an exponent in JSON, which would make sums long.
    is_zero = not re.search("[1-9]", re.split("[eE]", value)[0])
    return Decimal(0) if is_zero else "out_of_range"
