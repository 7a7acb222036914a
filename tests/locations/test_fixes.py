"""What is a fix, and every way not to be one."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from locations.fixes import (
    RANGES,
    REPORTS,
    FixRefused,
    NewFix,
    judge,
    read_fix,
    read_fixes,
    read_json,
)

GOOD: dict[str, Any] = {
    "timestamp": "2024-07-01 12:00:28.008",
    "lat": 52.5,
    "long": 13.4,
    "accuracy": 12.5,
    "speed": 1.25,
    "user_id": "ada",
}


def write(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def write_raw(name: str, text: str) -> bytes:
    """With a member whose value is this text of JSON."""
    return write(**{name: "@"}).replace(b'"@"', text.encode())


def leave_out(name: str) -> bytes:
    return json.dumps({key: value for key, value in GOOD.items() if key != name}).encode()


def find_faults(body: bytes) -> list[tuple[str | None, str]]:
    with pytest.raises(FixRefused) as caught:
        read_fix(body)
    return [(fault.attr, fault.code) for fault in caught.value.faults]


# Each body that is at fault, with the members it is at fault in: what the door of phones answers
# is tested with the same.
MALFORMED: dict[str, tuple[bytes, set[str | None]]] = {
    **{f"missing {name}": (leave_out(name), {name}) for name in GOOD},
    **{f"null {name}": (write(**{name: None}), {name}) for name in GOOD},
    **{f"boolean {name}": (write(**{name: True}), {name}) for name in GOOD},
    **{f"array {name}": (write(**{name: [1]}), {name}) for name in GOOD},
    **{f"object {name}": (write(**{name: {"a": 1}}), {name}) for name in GOOD},
    **{
        f"text {name}": (write(**{name: "1.5"}), {name})
        for name in ("lat", "long", "accuracy", "speed")
    },
    **{f"number {name}": (write(**{name: 5}), {name}) for name in ("timestamp", "user_id")},
    **{
        f"{text} {name}": (write_raw(name, text), {name})
        for name in ("lat", "long", "accuracy", "speed")
        for text in ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 5_000)
    },
    "lat 90.0001": (write(lat=90.0001), {"lat"}),
    "lat -91": (write(lat=-91), {"lat"}),
    "long 180.0001": (write(long=180.0001), {"long"}),
    "long -181": (write(long=-181), {"long"}),
    "long 360": (write(long=360), {"long"}),
    "negative accuracy": (write(accuracy=-0.1), {"accuracy"}),
    "negative speed": (write(speed=-1), {"speed"}),
    "accuracy beyond the globe": (write(accuracy=1e9), {"accuracy"}),
    "speed beyond light": (write(speed=3.1e8), {"speed"}),
    "empty user": (write(user_id=""), {"user_id"}),
    "blank user": (write(user_id=" \t"), {"user_id"}),
    "long user": (write(user_id="u" * 256), {"user_id"}),
    "very long user": (write(user_id="u" * 1_000_000), {"user_id"}),
    "NUL in user": (write(user_id="a\0b"), {"user_id"}),
    "half a character in user": (write(user_id="a\ud800b"), {"user_id"}),
    "half a character in timestamp": (write(timestamp="\udfff"), {"timestamp"}),
    "empty timestamp": (write(timestamp=""), {"timestamp"}),
    "date alone": (write(timestamp="2024-07-01"), {"timestamp"}),
    "30 February": (write(timestamp="2024-02-30 12:00:00"), {"timestamp"}),
    "29 February 2023": (write(timestamp="2023-02-29 12:00:00"), {"timestamp"}),
    "month 13": (write(timestamp="2024-13-01 12:00:00"), {"timestamp"}),
    "hour 25": (write(timestamp="2024-07-01 25:00:00"), {"timestamp"}),
    "second 60": (write(timestamp="2024-07-01 12:00:60"), {"timestamp"}),
    "year 0": (write(timestamp="0000-07-01 12:00:00"), {"timestamp"}),
    "before the year 1 in UTC": (write(timestamp="0001-01-01 00:00:00+14:00"), {"timestamp"}),
    "after the year 9999 in UTC": (write(timestamp="9999-12-31 23:59:59-12:00"), {"timestamp"}),
    "epoch": (write(timestamp="1719835228"), {"timestamp"}),
    "newline after the timestamp": (write(timestamp="2024-07-01 12:00:00\n"), {"timestamp"}),
    "full-width digits": (write(timestamp="\uff12024-07-01 12:00:00"), {"timestamp"}),
    "repeated lat": (write()[:-1] + b', "lat": 52.5}', {"lat"}),
    "repeated by another spelling": (write()[:-1] + b', "l\\u0061t": 52.5}', {"lat"}),
    "repeated other member": (write()[:-1] + b', "a": 1, "a": 1}', {"a"}),
    "several": (write(lat=91, speed=None, user_id=""), {"lat", "speed", "user_id"}),
    "nothing": (b"", {None}),
    "blanks": (b"  \n", {None}),
    "no JSON": (b"lat=1&long=2", {None}),
    "half of it": (write()[:-10], {None}),
    "something after it": (write() + b"x", {None}),
    "two of them": (write() + write(), {None}),
    "single quotes": (write().replace(b'"', b"'"), {None}),
    "comma at the end": (write()[:-1] + b",}", {None}),
    "leading zero": (write_raw("lat", "052.5"), {None}),
    "plus sign": (write_raw("lat", "+52.5"), {None}),
    "hexadecimal": (write_raw("lat", "0x34"), {None}),
    "line break in a text": (write_raw("user_id", '"a\nb"'), {None}),
    "null": (b"null", {None}),
    "a number": (b"5", {None}),
    "a text": (b'"timestamp"', {None}),
    "an array": (b"[" + write() + b"]", {None}),
    "an empty array": (b"[]", {None}),
    "an empty object": (b"{}", set(GOOD)),
    "deep arrays": (b"[" * 100_000 + b"]" * 100_000, {None}),
    "deep objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, {None}),
    "depth in a member": (write_raw("lat", "[" * 100_000 + "]" * 100_000), {None}),
    "invalid UTF-8": (write_raw("user_id", '"@"').replace(b"@", b"\xff\xfe"), {None}),
    "overlong UTF-8": (write_raw("user_id", '"@"').replace(b"@", b"\xc0\xaf"), {None}),
    "a surrogate in UTF-8": (write_raw("user_id", '"@"').replace(b"@", b"\xed\xa0\x80"), {None}),
    "UTF-16": (write().decode().encode("utf-16"), {None}),
    "UTF-32": (write().decode().encode("utf-32"), {None}),
    "byte order mark": (b"\xef\xbb\xbf" + write(), {None}),
    "binary": (bytes(range(256)), {None}),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_body_is_refused_by_the_names_of_its_members(name: str) -> None:
    body, members = MALFORMED[name]

    assert {attr for attr, _ in find_faults(body)} == members


@pytest.mark.parametrize("name", RANGES)
def test_limits_are_the_same_both_ways(name: str) -> None:
    for limit, beyond in zip(RANGES[name], (-math.inf, math.inf), strict=True):
        inside, outside = write(**{name: limit}), write(**{name: math.nextafter(limit, beyond)})

        assert read_fix(inside) == judge(read_json(inside))
        assert find_faults(outside) == [(name, "invalid")]
        with pytest.raises(msgspec.ValidationError):
            REPORTS.decode(outside)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (leave_out("lat"), "required"),
        (write(lat=None), "null"),
        (write(lat="1"), "invalid"),
        (write()[:-1] + b', "lat": 52.5}', "repeated"),
        (b"{", "parse_error"),
        (b"[]", "invalid"),
    ],
)
def test_fault_has_a_code(body: bytes, code: str) -> None:
    assert [found for _, found in find_faults(body)] == [code]


def test_fix_is_read() -> None:
    fix = read_fix(write())

    assert (fix.user_id, fix.lat, fix.long, fix.accuracy, fix.speed) == (
        *("ada", 52.5, 13.4),
        *(12.5, 1.25),
    )
    assert fix.moment.at == datetime(2024, 7, 1, 10, 0, 28, 8_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        write(),
        write(lat=52, long=13, accuracy=0, speed=0),
        write(lat=-90, long=-180),
        write(lat=90.0, long=180.0),
        write(user_id="u" * 255),
        write(user_id="Zoë 😀"),
        write(user_id='a"b\\c'),
        write(user_id=" a "),
        write(battery=80, tags=["a", {"lat": 99}]),
        write_raw("lat", "5.25e1"),
        write_raw("speed", "-0.0"),
        write_raw("speed", "1e-400"),
        b" \n\t" + write() + b" \r\n",
    ],
)
def test_good_body_is_read_alike_by_both_ways(body: bytes) -> None:
    assert read_fix(body) == judge(read_json(body))


MEMBERS = st.fixed_dictionaries(
    {
        "timestamp": st.one_of(
            st.datetimes().map(str), st.datetimes().map(datetime.isoformat), st.text(max_size=5)
        ),
        "lat": st.one_of(st.floats(-90, 90), st.floats(), st.integers(), st.none()),
        "long": st.one_of(st.floats(-180, 180), st.floats(), st.booleans()),
        "accuracy": st.one_of(st.floats(0, 100), st.floats(), st.text(max_size=3)),
        "speed": st.one_of(st.floats(0, 100), st.floats()),
        "user_id": st.text(max_size=8),
    },
    optional={"more": st.text(max_size=3)},
)


def attempt(read: Callable[[Any], NewFix], value: Any) -> object:
    try:
        return read(value)
    except FixRefused as refusal:
        return refusal.faults


@given(MEMBERS)
def test_both_ways_agree_on_any_members(members: dict[str, Any]) -> None:
    body = json.dumps(members).encode()

    assert attempt(read_fix, body) == attempt(judge, read_json(body))


@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_any_bytes_are_refused_not_raised(body: bytes) -> None:
    assert find_faults(body)


@pytest.mark.parametrize("text", ["5e-324", "-1e-310", "1e-301", "1e-400"])
def test_number_too_small_to_be_averaged_is_zero(text: str) -> None:
    assert read_fix(write_raw("lat", text)).lat == 0


def test_only_some_repetitions_are_told() -> None:
    body = b"{" + b", ".join(b'"%d": 1' % (n // 2) for n in range(10_000)) + b"}"

    assert len(find_faults(body)) < 50


# Many at once


def read_all(body: bytes) -> list[str]:
    return ["ok" if isinstance(fix, NewFix) else "refused" for fix in read_fixes(body, most=3)]


@pytest.mark.parametrize(
    "body",
    [
        b"[" + write() + b"," + write(lat=91) + b"," + write() + b"]",
        b'{"points": [' + write() + b"," + write(lat=91) + b"," + write() + b"]}",
        b"[" + write() + b"," + write_raw("lat", "NaN") + b"," + write() + b"]",
        b"[" + write() + b', {"a": "\xff"}, ' + write() + b"]",
        b"[" + write() + b", 5, " + write() + b"]",
        b"[" + write() + b", null, " + write() + b"]",
    ],
)
def test_bad_fix_leaves_its_neighbours_alone(body: bytes) -> None:
    assert read_all(body) == ["ok", "refused", "ok"]


def test_no_fixes_are_no_fault() -> None:
    assert read_all(b"[]") == read_all(b'{"points": []}') == []


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"5", b"{}", write(), b"[1", b"[" * 90_000),
        *(b'{"points": 5}', b'{"points": {}}', b'{"points": [], "points": []}'),
        *(b"[0, 0, 0, 0]", b'{"points": [0, 0, 0, 0]}', b"[NaN, NaN, NaN, NaN]"),
    ],
)
def test_what_is_no_array_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(FixRefused):
        read_fixes(body, most=3)
