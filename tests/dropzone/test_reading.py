"""What is a payload, and every way not to be one."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given

from dropzone.summarising import (
    MEANINGS,
    Summary,
    is_json,
    summarise_payload,
)
from tests.dropzone.bodies import (
    BODIES,
    DEEPER,
    GOOD_TIME,
    MIB,
    explain,
    find_codes,
    try_to,
    write,
)

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


@given(BODIES)
def test_nothing_but_a_refusal_is_raised(body: bytes) -> None:
    for candidate in (body, write("@").replace(b"@", body), write("[1]", "@").replace(b"@", body)):
        assert try_to(summarise_payload, candidate) <= MEANINGS.keys()
