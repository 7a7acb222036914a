"""What is a payload, every way not to be one, and figures that are right to the last bit."""

import gzip
import hashlib
import json
import math
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropzone.reading import read_quickly, read_thoroughly
from dropzone.summarising import (
    MAX_UNPACKED_BYTES,
    MEANINGS,
    PayloadRefused,
    Summary,
    is_json,
    summarise_payload,
    unpack,
)

GOOD_TIME = "2019-05-01T06:00:00-04:00"
MIB = 2**20
HALF_MIB = MIB // 2
DEEPER = '{"a":'


def write(data: str, time_stamp: str = f'"{GOOD_TIME}"', more: str = "") -> bytes:
    """A payload with these texts of JSON."""
    return f'{{"time_stamp": {time_stamp}, "data": {data}{more}}}'.encode()


def write_numbers(texts: list[str]) -> bytes:
    return write(f"[{', '.join(texts)}]")


def find_codes(body: bytes) -> list[str]:
    with pytest.raises(PayloadRefused) as caught:
        summarise_payload(body)
    return sorted(reason.code for reason in caught.value.reasons)


def explain(body: bytes) -> str:
    with pytest.raises(PayloadRefused) as caught:
        summarise_payload(body)
    return str(caught.value)


def test_real_file_has_its_published_figures(real_data: Path) -> None:
    body = (real_data / "dropzone" / "file.json").read_bytes()

    assert summarise_payload(body) == Summary(
        datetime(2019, 5, 1, 10, tzinfo=UTC), 0.9985282517566032, 1.0179111964854088, 100
    )
    assert read_quickly(body) == read_thoroughly(body)


# Times of day and dates that there are, in every combination with the ways to write an offset.
INSTANTS: dict[str, datetime] = {
    f"{day}{mark}{clock}{fraction}{offset}": datetime.fromisoformat(f"{day}T{clock}+00:00")
    + timedelta(microseconds=micros, minutes=minutes)
    for day in ("2019-05-01", "2024-02-29", "1970-01-01")
    for mark, clock in (("T", "06:00:00"), ("t", "00:00:00"), (" ", "23:59:59"))
    for fraction, micros in (("", 0), (".5", 500_000), (".1234569", 123_456))
    for offset, minutes in (
        ("Z", 0),
        ("z", 0),
        ("-04:00", 240),
        ("+05:45", -345),
        ("+23:59", -1439),
    )
} | {
    "0001-01-01T00:00:00Z": datetime(1, 1, 1, tzinfo=UTC),
    "0001-01-01T14:00:00+14:00": datetime(1, 1, 1, tzinfo=UTC),
    "9999-12-31T23:59:59.9999999Z": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    "2000-02-29T12:00:00+00:00": datetime(2000, 2, 29, 12, tzinfo=UTC),
    "2019-05-01T12:00:00-00:00": datetime(2019, 5, 1, 12, tzinfo=UTC),
    "2019-05-01T12:00:00-23:59": datetime(2019, 5, 2, 11, 59, tzinfo=UTC),
    "2019-05-01T12:00:00.000000999Z": datetime(2019, 5, 1, 12, tzinfo=UTC),
    "2019-05-01T12:00:00." + "9" * 5_000 + "Z": datetime(2019, 5, 1, 12, 0, 0, 999_999, tzinfo=UTC),
    "1969-12-31T23:59:59.9999999Z": datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
}
MALFORMED, MISSING = "timestamp_malformed", "timestamp_without_offset"
OFFSET, HOUR_24 = "timestamp_bad_offset", "timestamp_hour_24"
LEAP, IMPOSSIBLE, YEARS = "timestamp_leap_second", "timestamp_impossible", "timestamp_out_of_years"
BAD_TIMES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        [
            "",
            " ",
            "now",
            "2019-05-01",
            "2019-W18-3",
            "2019-W18-3T06:00:00Z",
            "2019-121T06:00:00Z",
            "20190501T060000Z",
            "2019-05-01T06:00Z",
            "2019-05-01T06Z",
            "2019-05-01T060000Z",
            "2019-05-01T06:00:00.Z",
            "2019-05-01T06:00:00,5Z",
            "2019-05-01T06:00:00Z\n",
            "2019-05-01T06:00:00Z ",
            " 2019-05-01T06:00:00Z",
            "\n2019-05-01T06:00:00Z",
            "2019-05-01T06:00:00Z\0",
            "2019-05-01  06:00:00Z",
            "2019-05-01_06:00:00Z",
            "2019-05-0106:00:00Z",
            "2019-5-1T06:00:00Z",
            "2019-05-01T6:00:00Z",
            "19-05-01T06:00:00Z",
            "12019-05-01T06:00:00Z",
            "+2019-05-01T06:00:00Z",
            "-2019-05-01T06:00:00Z",
            "2019/05/01T06:00:00Z",
            "01.05.2019 06:00:00Z",
            "2019-05-01T06:00:00 Z",
            "2019-05-01T06:00:00+0400",
            "2019-05-01T06:00:00+04",
            "2019-05-01T06:00:00+4:00",
            "2019-05-01T06:00:00+04:00:00",
            "2019-05-01T06:00:00+04:00:00.5",
            "2019-05-01T06:00:00Z+04:00",
            "2019-05-01T06:00:00\u221204:00",
            "2019-05-01T06:00:00+004:00",
            "2019-05-01T06:00:00GMT",
            "2019-05-01T06:00:00 UTC",
            "2019-05-01T06:00:00EST",
            "2019-05-01T06:00:00Europe/Berlin",
            "2019-05-01T06:00:00Z[UTC]",
            "\uff12\uff10\uff11\uff19-05-01T06:00:00Z",
            "2019-05-01T06:00:00.\uff15Z",
            "2019-05-01T06:00:00+0\u0664:00",
            "\u0662\u0660\u0661\u0669-05-01T06:00:00Z",
            "2019-05-01T-6:00:00Z",
            "2019-05-01T06:00:00.-5Z",
            "2019-05-01T06:00:00.1e3Z",
            "1556704800",
            "1556704800.5",
            "1e9",
            "Wed, 01 May 2019 06:00:00 GMT",
            "2019-05-01T06:00:00Z/PT1H",
            "P1D",
            "\ud800",
            "2019-05-01T06:00:00\ud800Z",
            "\ufeff2019-05-01T06:00:00Z",
            "2" * 100_000,
        ],
        (MALFORMED,),
    ),
    **dict.fromkeys(
        ["2019-05-01T06:00:00", "2019-05-01 06:00:00.5", "0001-01-01T00:00:00"], (MISSING,)
    ),
    **dict.fromkeys(
        [
            f"2019-05-01T06:00:00{sign}{offset}"
            for sign in "+-"
            for offset in ("24:00", "99:59", "04:60")
        ],
        (OFFSET,),
    ),
    **dict.fromkeys(
        ["2019-05-01T24:00:00Z", "2019-05-01T24:00:01Z", "2019-02-30T24:00:00Z"], (HOUR_24,)
    ),
    **dict.fromkeys(
        ["2016-12-31T23:59:60Z", "2019-05-01T06:00:60Z", "2016-12-31T18:59:60.5-05:00"], (LEAP,)
    ),
    **dict.fromkeys(
        [
            f"2019-{rest}Z"
            for rest in (
                "02-29T06:00:00",
                "02-30T06:00:00",
                "04-31T06:00:00",
                "00-01T06:00:00",
                "13-01T06:00:00",
                "01-00T06:00:00",
                "01-32T06:00:00",
                "05-01T25:00:00",
                "05-01T99:00:00",
                "05-01T06:60:00",
                "05-01T06:99:00",
                "05-01T06:00:61",
                "05-01T06:00:99",
            )
        ]
        + ["1900-02-29T06:00:00Z", "2100-02-29T06:00:00Z"],
        (IMPOSSIBLE,),
    ),
    **dict.fromkeys(
        [
            "0000-01-01T00:00:00Z",
            "0000-12-31T23:59:59Z",
            "0001-01-01T00:00:00+00:01",
            "0001-01-01T13:59:59+14:00",
            "9999-12-31T23:59:59-00:01",
            "9999-12-31T12:00:00-12:00",
        ],
        (YEARS,),
    ),
    "2019-02-30T06:00:00": (IMPOSSIBLE, MISSING),
    "2019-05-01T06:00:60+24:00": (OFFSET, LEAP),
    "0000-05-01T24:00:00+24:00": (OFFSET, YEARS),
}


@pytest.mark.parametrize("text", INSTANTS)
def test_timestamp_is_its_instant(text: str) -> None:
    summary = summarise_payload(write("[1]", json.dumps(text)))

    assert summary.timestamp == INSTANTS[text]
    assert summary.timestamp.tzinfo is UTC


@pytest.mark.parametrize("text", BAD_TIMES)
def test_timestamp_is_refused_by_its_code(text: str) -> None:
    assert find_codes(write("[1]", json.dumps(text))) == sorted(BAD_TIMES[text])


def test_there_are_many_timestamps() -> None:
    assert len(INSTANTS) + len(BAD_TIMES) >= 200


BAD_PAYLOADS: dict[str, tuple[bytes, list[str]]] = {
    "nothing": (b"", ["not_json"]),
    "blanks": (b" \n\t ", ["not_json"]),
    "a form": (b"time_stamp=1&data=2", ["not_json"]),
    "half of it": (write("[1]")[:-5], ["not_json"]),
    "something behind it": (write("[1]") + b"x", ["not_json"]),
    "NUL behind it": (write("[1]") + b"\0", ["not_json"]),
    "two of them": (write("[1]") * 2, ["not_json"]),
    "single quotes": (write("[1]").replace(b'"', b"'"), ["not_json"]),
    "a comma at the end": (write("[1]", more=","), ["not_json"]),
    "a comma at the end of data": (write("[1,]"), ["not_json"]),
    "two commas": (write("[1,,2]"), ["not_json"]),
    "a leading zero": (write("[01]"), ["not_json"]),
    "a plus sign": (write("[+1]"), ["not_json"]),
    "a point at the end": (write("[1.]"), ["not_json"]),
    "a point at the start": (write("[.5]"), ["not_json"]),
    "hexadecimal": (write("[0x1F]"), ["not_json"]),
    "an underscore": (write("[1_000]"), ["not_json"]),
    "full-width digits": (write("[\uff11]"), ["not_json"]),
    "a comment": (write("[1 /* one */]"), ["not_json"]),
    "a line break in a text": (write("[1]", more=', "a": "\n"'), ["not_json"]),
    "an unknown escape": (write("[1]", more=', "a": "\\x41"'), ["not_json"]),
    "no UTF-8": (write("[1]", more=', "a": "@"').replace(b"@", b"\xff"), ["not_utf8"]),
    "overlong UTF-8": (write("[1]", more=', "a": "@"').replace(b"@", b"\xc0\xaf"), ["not_utf8"]),
    "a surrogate in UTF-8": (
        write("[1]", more=', "a": "@"').replace(b"@", b"\xed\xa0\x80"),
        ["not_utf8"],
    ),
    "Latin-1 in the timestamp": (write("[1]", '"\xe9"').decode().encode("latin-1"), ["not_utf8"]),
    "UTF-16": (write("[1]").decode().encode("utf-16"), ["not_utf8"]),
    "gzip": (gzip.compress(write("[1]"), mtime=0), ["not_utf8"]),
    "a byte order mark": (b"\xef\xbb\xbf" + write("[1]"), ["byte_order_mark"]),
    "null": (b"null", ["not_an_object"]),
    "a number": (b"1", ["not_an_object"]),
    "a text": (b'"data"', ["not_an_object"]),
    "a list": (b"[" + write("[1]") + b"]", ["not_an_object"]),
    "a list with a name twice": (b'[{"a":1,"a":1}]', ["duplicate_key", "not_an_object"]),
    "an empty object": (b"{}", ["data_missing", "timestamp_missing"]),
    "other spelling": (
        b'{"Time_Stamp": "2019-05-01T06:00:00Z", "DATA": [1]}',
        ["data_missing", "timestamp_missing"],
    ),
    "33 lists": (write("[" * 32 + "1" + "]" * 32), ["too_deep"]),
    "33 objects": (write("[1]", more=f', "a": {DEEPER * 32}1{"}" * 32}'), ["too_deep"]),
    "very deep": (b"[" * 10 * MIB, ["too_deep"]),
    "very deep objects": (write("[1]", more=f', "a": {DEEPER * 100_000}'), ["too_deep"]),
    "deep behind quotes": (
        write("[1]", more=f', "\\\\\\"[": "\\\\", "b": {"[" * 50}'),
        ["too_deep"],
    ),
    "deep, with six quotes": (
        b'{"a": %s1%s, "b": 1, "c": 1}' % (b"[" * 100_000, b"]" * 100_000),
        ["too_deep"],
    ),
    "32 lists": (write("[" * 31 + "1" + "]" * 31), ["nested_value"]),
    "too many points": (write("[" + "1," * 1_000_000 + "1]"), ["too_many_points"]),
    "far too many": (write("[" + "1," * 3_000_000 + "1]"), ["too_many_points"]),
    "too many lists": (write("[" + "[]," * 600_000 + "1]"), ["too_many_points"]),
    "time_stamp twice": (write("[1]", more=f', "time_stamp": "{GOOD_TIME}"'), ["duplicate_key"]),
    "data twice": (write("[1]", more=', "data": [1]'), ["duplicate_key"]),
    "data twice, at fault": (write("[null]", more=', "data": []'), ["duplicate_key"]),
    "twice by another spelling": (write("[1]", more=', "d\\u0061ta": [1]'), ["duplicate_key"]),
    "another twice": (write("[1]", more=', "a": 1, "a": 2'), ["duplicate_key"]),
    "twice further down": (write("[1]", more=', "a": [{"b": {"": 1, "": 1}}]'), ["duplicate_key"]),
    "twice in data": (write('[{"a": 1, "a": 1}]'), ["duplicate_key", "nested_value"]),
    "half a character in a name": (write("[1]", more=', "data\\ud800": 1'), ["lone_surrogate"]),
    "half a character further down": (
        write("[1]", more=', "a": {"\\udfff": 1}'),
        ["lone_surrogate"],
    ),
    "NaN elsewhere": (write("[1]", more=', "a": NaN'), ["constant_outside_data"]),
    "Infinity elsewhere": (write("[1]", more=', "a": [-Infinity]'), ["constant_outside_data"]),
    "NaN in both": (write("[NaN]", more=', "a": NaN'), ["constant_outside_data", "nan_value"]),
    "NaN as the time": (write("[1]", "NaN"), ["constant_outside_data", "timestamp_not_text"]),
    "no timestamp": (b'{"data": [1]}', ["timestamp_missing"]),
    "timestamp null": (write("[1]", "null"), ["timestamp_null"]),
    **{
        f"timestamp {text}": (write("[1]", text), ["timestamp_not_text"])
        for text in ("1", "1.5", "true", "[]", "{}", f'["{GOOD_TIME}"]')
    },
    "no data": (f'{{"time_stamp": "{GOOD_TIME}"}}'.encode(), ["data_missing"]),
    "data null": (write("null"), ["data_null"]),
    **{
        f"data {text}": (write(text), ["data_not_list"])
        for text in ("1", "true", '"[1]"', "{}", '{"0": 1}')
    },
    "data NaN": (write("NaN"), ["constant_outside_data", "data_not_list"]),
    "no points": (write("[]"), ["data_empty"]),
    "a list in it": (write("[1, [2]]"), ["nested_value"]),
    "an empty list in it": (write("[[]]"), ["nested_value"]),
    "an object in it": (write("[1, {}]"), ["nested_value"]),
    "a text in it": (write('["1"]'), ["text_value"]),
    "an empty text in it": (write('[""]'), ["text_value"]),
    "NaN as a text": (write('["NaN"]'), ["text_value"]),
    "true in it": (write("[true]"), ["boolean_value"]),
    "false in it": (write("[1, false]"), ["boolean_value"]),
    "null in it": (write("[1, null]"), ["null_value"]),
    "NaN in it": (write("[NaN]"), ["nan_value"]),
    "Infinity in it": (write("[Infinity]"), ["infinite_value"]),
    "-Infinity in it": (write("[1, -Infinity]"), ["infinite_value"]),
    **{
        f"{text[:30]} in it": (write(f"[1, {text}]"), ["out_of_range"])
        for text in (
            "1e400",
            "-1e400",
            "1e309",
            "1.7976931348623159e308",
            "-1.7976931348623159e308",
            "1" + "0" * 400,
            "1e99999999999999999999",
            "1e-324",
            "-1e-324",
            "1e-400",
            "0." + "0" * 400 + "1",
            "1e-99999999999999999999",
        )
    },
    "the deviation too large": (write("[1.7e308, -1.7e308]"), ["out_of_range"]),
    "1,001 digits": (write("[0." + "1" * 1_000 + "]"), ["too_many_digits"]),
    "1,001 zeros": (write("[0." + "0" * 1_000 + "]"), ["too_many_digits"]),
    "a long integer": (write("[" + "9" * 5_000 + "]"), ["too_many_digits"]),
    "a very long integer": (write("[" + "9" * 1_000_000 + "]"), ["too_many_digits"]),
    "zeros before a large exponent": (write("[0." + "0" * 1_000 + "1e1001]"), ["too_many_digits"]),
    "a long exponent": (write("[1e" + "0" * 1_000 + "1]"), ["too_many_digits"]),
    "all of them": (
        write('[[], {}, "", true, null, NaN, Infinity, 1e400]', '"now"', ', "a": 1, "a": 1'),
        [
            "boolean_value",
            "duplicate_key",
            "infinite_value",
            "nan_value",
            "nested_value",
            "null_value",
            "out_of_range",
            "text_value",
            "timestamp_malformed",
        ],
    ),
}


@pytest.mark.parametrize("name", BAD_PAYLOADS)
def test_payload_is_refused_by_all_its_codes(name: str) -> None:
    body, codes = BAD_PAYLOADS[name]

    assert find_codes(body) == codes


@pytest.mark.parametrize("name", BAD_PAYLOADS)
def test_syntax_alone_is_at_fault_where_a_code_says_so(name: str) -> None:
    body, codes = BAD_PAYLOADS[name]
    is_cut_off = name in ("very deep", "very deep objects", "deep behind quotes")

    assert is_json(body) is not (
        is_cut_off or not {"not_json", "not_utf8", "byte_order_mark"}.isdisjoint(codes)
    )


def test_every_code_is_tested() -> None:
    tested = {code for _, codes in BAD_PAYLOADS.values() for code in codes}
    tested |= {code for codes in BAD_TIMES.values() for code in codes}
    tested |= {"unknown_encoding", "bad_gzip", "compression_bomb"}

    assert tested == MEANINGS.keys()
    assert len(BAD_PAYLOADS) >= 60


def test_fault_in_data_is_told_with_its_first_place_and_number() -> None:
    told = explain(write('[1, "a", null, "b", 2, "c"]'))

    assert "is a text: the first is data[1], 3 in all" in told
    assert "is null: the first is data[2], 1 in all" in told


def test_name_that_is_repeated_is_told() -> None:
    told = explain(write("[1]", more=', "q\\u0000": 1, "q\\u0000": 1, "r": 1, "r": 1'))

    assert "the first is “q\N{REPLACEMENT CHARACTER}”, 2 in all" in told


@pytest.mark.parametrize("text", ["\ud800", "\0", "x" * 1_000_000])
def test_reason_can_be_stored(text: str) -> None:
    told = explain(write("[1]", json.dumps(text)))

    assert told.encode()
    assert "\0" not in told
    assert len(told) < 200


@pytest.mark.parametrize(
    "body",
    [
        write("[1]").replace(b"d", b"\\u0064"),
        b' \r\n\t{ "data" : [ 1 ] ,\n"time_stamp" : "2019-05-01T06:00:00-04:00" } \n',
        write("[1]", more=', "sensor": {"name": "\\ud800 \\"[[{{", "more": [1, [2], 1e400, null]}'),
        write("[1]", more=', "data2": ["1", null], "": true'),
        write("[1]", more=f', "text": "{"[" * 100}"'),
        write("[1]", more=f', "a": {"[" * 31}{"]" * 31}'),
        write("[1]", more=', "e\\u0301": 1, "\\u00e9": 1'),
        write("[1]", more=f', "long": {"9" * 100_000}'),
    ],
)
def test_payload_is_taken(body: bytes) -> None:
    assert summarise_payload(body) == Summary(datetime(2019, 5, 1, 10, tzinfo=UTC), 1.0, None, 1)
    assert is_json(body)


def test_a_million_points_are_taken() -> None:
    summary = summarise_payload(write("[" + "0.1," * 999_999 + "0.1]"))

    assert (summary.mean, summary.std, summary.count) == (0.1, 0.0, 1_000_000)


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


# Bytes of which JSON is made, so that some of what is made of them nearly is.
PIECES = [
    *(b'{ } [ ] , : " \\ \\" \\u \\ud800 \\n 0 1 - + . e E'.split()),
    *(b"1e400 true false null NaN Infinity".split()),
    *(b" ", b"\n", b"\0", b"\x01", b"\x03", b"\x0b", b"\xff", b"\xc3\xa9", b"\xef\xbb\xbf"),
    *(
        b'"a"',
        b'"a":',
        b'"data":',
        b'"time_stamp":',
        b'"2019-05-01T06:00:00Z"',
        b"-Infinity",
        b"01",
    ),
]
BODIES = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    ).map(lambda value: json.dumps(value).encode()),
)


def try_to(use: Callable[[bytes], object], body: bytes) -> set[str]:
    """The codes that it is refused by."""
    try:
        use(body)
    except PayloadRefused as refusal:
        return {reason.code for reason in refusal.reasons} or {"none"}
    return set()


@given(BODIES)
def test_nothing_but_a_refusal_is_raised(body: bytes) -> None:
    for candidate in (body, write("@").replace(b"@", body), write("[1]", "@").replace(b"@", body)):
        assert try_to(summarise_payload, candidate) <= MEANINGS.keys()


@given(BODIES)
def test_unpacking_raises_nothing_but_a_refusal(body: bytes) -> None:
    for candidate in (body, b"\x1f\x8b\x08" + body, gzip.compress(body)[:20] + body):
        assert try_to(partial(unpack, encoding="gzip"), candidate) <= {"bad_gzip"}


def has_json(body: bytes) -> bool:
    """By Python's own parser, which knows NaN and the infinities, and takes any number."""
    try:
        json.loads(body.decode(), parse_int=str, parse_float=str)
    except ValueError:
        return False
    return True


@given(BODIES, BODIES)
def test_syntax_is_judged_as_by_a_strict_parser(body: bytes, other: bytes) -> None:
    pairs = [b"[NaN,%s]" % body, b"[%s,%s]" % (body, other), b'{"a":NaN,"a":%s}' % other]
    for candidate in (body, *pairs, body + other):
        assert is_json(candidate) is has_json(candidate)


@pytest.mark.parametrize(
    ("body", "is_right"),
    [
        (b"[" * 100_000 + b"]" * 100_000, True),
        (b"[" * 100_000 + b"]" * 99_999, False),
        (b"[" * 100_000 + b"}" + b"]" * 99_999, False),
        (b'{"a":' * 100_000 + b"1e400" + b"}" * 100_000, True),
        (b'{"a":' * 100_000 + b"1e400," + b"}" * 100_000, False),
        (b'[{"a": [1, "\\ud800",' * 50_000 + b"NaN" + b"]}]" * 50_000, True),
        (b'[{"a": [1 "",' * 50_000 + b"NaN" + b"]}]" * 50_000, False),
        (b'[NaN, {"a": [1}]]', False),
        (b'{"a": NaN, 1}', False),
        (b'[NaN, "a": 1]', False),
        (b"NaN, 1", False),
        (b"[" * 10 * MIB, False),
        (b'["' + b'\\"' * 5 * MIB, False),
        (b'"' * 10 * MIB, False),
        (b"-" * 10 * MIB, False),
    ],
)
def test_syntax_is_judged_at_any_depth(body: bytes, is_right: bool) -> None:
    assert is_json(body) is is_right


@pytest.mark.parametrize(
    "body",
    [
        DEEPER.encode() * 2 * HALF_MIB,
        b"[0," * 3 * HALF_MIB + b"0" + b"]" * HALF_MIB,
        b'["",' * 2 * HALF_MIB + b"0" + b"]" * 2 * HALF_MIB,
        write("[" + "NaN," * 2 * HALF_MIB + "NaN]"),
        b"0] " * 3 * HALF_MIB,
        b'["' + b"\\n-" * 3 * HALF_MIB,
    ],
)
@pytest.mark.parametrize("use", [is_json, summarise_payload])
def test_large_body_takes_little_memory(use: Callable[[bytes], object], body: bytes) -> None:
    tracemalloc.start()
    try:
        try_to(use, body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 8 * len(body)


PACKED = gzip.compress(write("[1]"), mtime=0)
EMPTY = gzip.compress(b"", mtime=0)


@pytest.mark.parametrize("encoding", ["", "identity", "Identity", " IDENTITY "])
@pytest.mark.parametrize("body", [b"", b"abc", PACKED])
def test_body_that_is_not_packed_stays_as_it_is(encoding: str, body: bytes) -> None:
    assert unpack(body, encoding) == body


@pytest.mark.parametrize("encoding", ["gzip", "GZip", "x-gzip", "X-GZIP", " gzip "])
@pytest.mark.parametrize(
    ("body", "payload"),
    [
        (PACKED, write("[1]")),
        (EMPTY, b""),
        (EMPTY * 3 + PACKED, write("[1]")),
        (
            gzip.compress(b"a", mtime=0)
            + gzip.compress(b"b", mtime=0)
            + gzip.compress(b"c", mtime=0),
            b"abc",
        ),
        (gzip.compress(b"a" * MIB, mtime=0), b"a" * MIB),
        (gzip.compress(bytes(range(256)) * 40_960, 0, mtime=0), bytes(range(256)) * 40_960),
    ],
)
def test_packed_body_is_unpacked(encoding: str, body: bytes, payload: bytes) -> None:
    assert unpack(body, encoding) == payload


RANDOM = hashlib.shake_128().digest(MAX_UNPACKED_BYTES + 1)


@pytest.mark.parametrize(
    ("body", "encoding", "code"),
    [
        *[
            (PACKED, encoding, "unknown_encoding")
            for encoding in ("br", "deflate", "zstd", "gzip, gzip", "gzipped", "*", "utf-8", "\0")
        ],
        (b"", "gzip", "bad_gzip"),
        (b"abc", "gzip", "bad_gzip"),
        (write("[1]"), "gzip", "bad_gzip"),
        (zlib.compress(b"abc"), "gzip", "bad_gzip"),
        *[(PACKED[:size], "gzip", "bad_gzip") for size in range(len(PACKED))],
        (PACKED + b"x", "gzip", "bad_gzip"),
        (PACKED + b"\0", "gzip", "bad_gzip"),
        (PACKED + b"\0" * 512, "gzip", "bad_gzip"),
        (PACKED + b"\x1f\x8b", "gzip", "bad_gzip"),
        (PACKED + PACKED[:-1], "gzip", "bad_gzip"),
        (PACKED[:-8] + bytes(4) + PACKED[-4:], "gzip", "bad_gzip"),
        (PACKED[:-4] + bytes(4), "gzip", "bad_gzip"),
        (PACKED[:2] + b"\x07" + PACKED[3:], "gzip", "bad_gzip"),
        (EMPTY * 100_000, "gzip", "bad_gzip"),
        (gzip.compress(b"a" * (MIB + 1), mtime=0), "gzip", "compression_bomb"),
        (gzip.compress(bytes(MAX_UNPACKED_BYTES), mtime=0), "gzip", "compression_bomb"),
        (gzip.compress(bytes(MIB), mtime=0) * 2, "gzip", "compression_bomb"),
        (gzip.compress(RANDOM, 1, mtime=0), "gzip", "compression_bomb"),
    ],
)
def test_body_that_cannot_be_unpacked_is_refused(body: bytes, encoding: str, code: str) -> None:
    with pytest.raises(PayloadRefused) as caught:
        unpack(body, encoding)

    assert [reason.code for reason in caught.value.reasons] == [code]


def test_as_much_as_may_be_is_unpacked() -> None:
    payload = RANDOM[:MAX_UNPACKED_BYTES]

    assert unpack(gzip.compress(payload, 1), "gzip") == payload


def test_bomb_is_refused_in_little_memory() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(500)) + packer.flush()
    tracemalloc.start()
    try:
        with pytest.raises(PayloadRefused, match="unpacked"):
            unpack(bomb, "gzip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 2 * MAX_UNPACKED_BYTES
