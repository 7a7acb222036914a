"""Which records PostgreSQL refuses, and why: it is the judge of each by itself."""

import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from explorer.samples import BAD_KINDS
from imports.engine import judging
from imports.engine.csvrows import split_records
from imports.engine.judging import (
    Judge,
    Refused,
    compile_pattern,
    copy_bytes,
    find_suspects,
    read_records,
)
from imports.engine.leasing import Connection
from imports.engine.records import Loaded, Staging
from tests.imports.chunks import make_chunk
from tests.imports.trips import (
    COLUMNS,
    GOOD,
    NAMES,
    copy_alone,
    copy_one_by_one,
    read_rows,
    write_trip,
)

FINE = write_trip()


def judge(session: Connection, staging: Staging, data: bytes) -> Loaded:
    chunk = make_chunk(data, byte_start=300)
    found = find_suspects(chunk, COLUMNS)
    reading = read_records(found.suspects, COLUMNS)
    with session.transaction(), session.cursor() as cursor:
        return Judge(cursor, staging, COLUMNS).load(chunk, found, reading)


def is_fine(record: bytes) -> bool:
    """Whether the pattern lets a record pass without asking PostgreSQL."""
    return not find_suspects(make_chunk(record), COLUMNS).suspects


# The pattern

TEXTS = [
    b"", b" ", b"N", b"\\.", b"\\N", b"a'b", b'""', b'"a"', b'"a,b"', b'"a ""b"""', b'"a\nb"',
    b'"a\r\nb"', b'a"b"', b'"a"b', '"é"'.encode(), "é".encode(), "€".encode(), "😀".encode(),
    b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xed\x9f\xbf", b"\xf4\x90\x80\x80", b"\xe0\x80\x80",
    b"\xc3", b"\0", b"\t", b"a\rb", b"\x7f", b"\xef\xbf\xbf", b"\xee\x80\x80",
]  # fmt: skip
NUMBERS = [
    b"0", b"-0", b"+1", b"1.5", b"1e3", b"1.", b".5", b"-", b"--1", b" 1", b"1 ", b"007",
    b"999999999", b"2147483647", b"2147483648", b"-2147483648", b"-2147483649", b"9" * 30,
    b"9" * 31, b"0." + b"1" * 30, b"9" * 140_000, b"1e140000", b"NaN", b"nan", b"Infinity",
    b"-Infinity", b"inf", b"0x10", b"1_000", b"1,5", b'"1,5"', b'"5"', b"\xd9\xa3", b"n/a",
]  # fmt: skip
TIMES = [
    b"2024-02-29 10:00:00", b"2023-02-29 10:00:00", b"2024-02-30 10:00:00", b"2024-04-31 00:00:00",
    b"2024-12-31 23:59:59", b"2024-12-31 24:00:00", b"2024-12-31 23:59:60", b"2024-01-01 25:00:00",
    b"2024-01-01 10:60:00", b"2024-01-01", b"2024-01-01T10:00:00", b"2024-01-01 10:00:00.123456",
    b"2024-01-01 10:00:00.1234567", b"2024-01-01 10:00:00+01", b"2024-01-01 10:00:00Z",
    b"2024-01-01 10:00:00 Nowhere/City", b"2024-13-01 10:00:00", b"2024-00-10 10:00:00",
    b"2024-01-00 10:00:00", b"1899-12-31 10:00:00", b"1900-01-01 00:00:00", b"2189-12-31 00:00:00",
    b"2199-12-31 23:59:59", b"2200-01-01 00:00:00", b"0000-01-01 00:00:00", b"infinity",
    b"-infinity", b"99999-01-01 00:00:00", b"4714-01-01 00:00:00 BC", b"soon",
    b"2024-03-10 02:30:00", b"2024-11-03 01:30:00", b'"2024-01-01 10:00:00"',
]  # fmt: skip
values = st.one_of(
    st.sampled_from([*TEXTS, *NUMBERS, *TIMES]),
    st.binary(max_size=6),
    st.text(max_size=6).map(lambda text: text.encode(errors="surrogatepass")),
    st.from_regex(rb"\A-?[0-9]{1,12}(\.[0-9]{0,8})?\Z"),
    st.from_regex(
        rb"\A(19|20|21)[0-9]{2}-[0-1][0-9]-[0-3][0-9][ T][0-2][0-9]:[0-6][0-9]:[0-6][0-9]\Z"
    ),
)


@settings(
    max_examples=1_500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.dictionaries(st.sampled_from(NAMES), values, min_size=1, max_size=2),
    end=st.sampled_from([b"\n", b"\r\n", b""]),
)
def test_what_the_pattern_lets_pass_is_taken_by_copy(
    session: Connection, staging: Staging, changes: dict[str, bytes], end: bytes
) -> None:
    record = write_trip(changes, end)

    assert not is_fine(record) or copy_alone(session, staging, record)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"tips": b""}, True),
        ({"tips": b"-6.94"}, True),
        ({"access_a_ride_flag": b" "}, True),
        ({"originating_base_num": b""}, True),
        ({"originating_base_num": "Zürich 東京".encode()}, True),
        ({"originating_base_num": b'"quoted, ""twice""\nand long"'}, True),
        ({"pickup_datetime": b"2024-02-28 23:59:59.999999"}, True),
        ({"pickup_datetime": b""}, False),
        ({"hvfhs_license_num": b""}, False),
        ({"hvfhs_license_num": b'""'}, False),
        ({"hvfhs_license_num": b"\\."}, False),
        ({"PULocationID": b"1.5"}, False),
        ({"PULocationID": b"1e3"}, False),
    ],
)
def test_usual_forms_need_no_judge(changes: dict[str, bytes], *, expected: bool) -> None:
    assert is_fine(write_trip(changes)) == expected


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_real_chunk_is_passed_over_in_one_match(end: bytes) -> None:
    data = write_trip({"wav_match_flag": "né".encode()}, end) * 20_000

    match = compile_pattern(COLUMNS).match(data)

    assert match is not None
    assert match.end() == len(data)


def test_fine_and_suspects_are_the_whole_chunk() -> None:
    bad = write_trip({"tips": b"x"})
    data = FINE + b"\n" + bad + FINE * 2 + b"\r\n" + b'"a\nb",c\n' + FINE.rstrip(b"\n")

    found = find_suspects(make_chunk(data, byte_start=50, line_start=7), COLUMNS)

    assert found.fine == FINE * 3 + FINE.rstrip(b"\n")
    places = [(record.line, record.byte_offset - 50, record.raw) for record in found.suspects]
    assert places == [
        (9, len(FINE) + 1, bad.rstrip(b"\n")),
        (13, data.index(b'"a'), b'"a\nb",c'),
    ]


# The judge

REASONS = {
    "fraction_for_integer": ("trip_time", "invalid_value", '"1.5"'),
    "exponent_for_integer": ("DOLocationID", "invalid_value", '"1e3"'),
    "text_for_number": ("base_passenger_fare", "invalid_value", '"n/a"'),
    "impossible_time": ("dropoff_datetime", "out_of_range", "2024-02-30"),
    "empty_pickup_time": ("pickup_datetime", "missing_value", "pickup_datetime is empty"),
    "missing_column": ("wav_match_flag", "missing_columns", "23 columns"),
    "extra_column": ("", "extra_columns", "25 columns"),
    "invalid_utf8": ("hvfhs_license_num", "invalid_utf8", "not UTF-8"),
}


@pytest.mark.parametrize("kind", BAD_KINDS)
def test_bad_row_is_refused_with_its_place_and_why(
    session: Connection, staging: Staging, kind: str
) -> None:
    column, code, reason = REASONS[kind]
    bad = BAD_KINDS[kind](GOOD.decode().split(","))

    loaded = judge(session, staging, FINE * 3 + bad + FINE * 2)

    [reject] = loaded.rejects
    assert (reject.column, reject.code) == (column, code)
    assert reason in reject.reason
    assert (reject.record.line, reject.record.byte_offset) == (5, 300 + 3 * len(FINE))
    assert reject.record.raw == bad.rstrip(b"\n")
    assert loaded.row_count == len(read_rows(session, staging)) == 5


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("trip_time", b"1.5", "invalid_value"),
        ("trip_time", b"1e3", "invalid_value"),
        ("trip_time", b"2147483648", "out_of_range"),
        ("tips", b"NaN", "out_of_range"),
        ("tips", b"Infinity", "out_of_range"),
        ("tips", b"-Infinity", "out_of_range"),
        ("tips", b"-inf", "out_of_range"),
        ("pickup_datetime", b"infinity", "out_of_range"),
        ("request_datetime", b"-infinity", "out_of_range"),
        ("pickup_datetime", b"2023-02-29 10:00:00", "out_of_range"),
        ("pickup_datetime", b"1234-05-06 07:08:09", "out_of_range"),
        ("pickup_datetime", b"2024-01-01 10:00:00 Nowhere/City", "invalid_value"),
        ("pickup_datetime", b'""', "missing_value"),
        ("hvfhs_license_num", b"", "missing_value"),
        ("hvfhs_license_num", b'""', "missing_value"),
    ],
)
def test_bad_value_names_its_column(
    session: Connection, staging: Staging, name: str, value: bytes, code: str
) -> None:
    loaded = judge(session, staging, FINE + write_trip({name: value}) + FINE)

    [reject] = loaded.rejects
    assert (reject.column, reject.code, reject.record.line) == (name, code, 3)
    assert reject.reason
    assert loaded.row_count == len(read_rows(session, staging)) == 2


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("trip_time", b'"5"', "5"),
        ("tips", b'"1.50"', "1.50"),
        ("tips", b'""', None),
        ("tips", b"", None),
        ("originating_base_num", b'""', None),
        ("originating_base_num", b'""""', '"'),
        ("originating_base_num", b'"a\nb"', "a\nb"),
        ("originating_base_num", b'"a\r\nb"', "a\r\nb"),
        ("originating_base_num", b'"a\n\\.\nb"', "a\n\\.\nb"),
        ("originating_base_num", b'a"b,c"d', "ab,cd"),
        ("originating_base_num", "Zürich 東京 😀".encode(), "Zürich 東京 😀"),
        ("originating_base_num", b"\\.", "\\."),
        ("originating_base_num", b"\\N", "\\N"),
        ("access_a_ride_flag", b" ", " "),
        ("pickup_datetime", b'"2024-01-01 10:00:00"', "2024-01-01 10:00:00-05"),
    ],
)
def test_value_is_stored_as_copy_stores_it(
    session: Connection, staging: Staging, name: str, value: bytes, stored: str | None
) -> None:
    record = write_trip({name: value})
    place = NAMES.index(name)

    loaded = judge(session, staging, record + b",\n")
    found = read_rows(session, staging)
    alone, _ = copy_one_by_one(session, staging, make_chunk(record))

    assert (loaded.row_count, [reject.code for reject in loaded.rejects]) == (
        1,
        ["missing_columns"],
    )
    assert found == alone
    assert found[0][place] == stored


MIXTURES: dict[str, Callable[[], bytes]] = {
    "end of data between rows": lambda: FINE * 2 + b"\\.\n" + FINE * 3,
    "end of data first": lambda: b"\\.\n" + FINE * 3,
    "end of data last": lambda: FINE * 3 + b"\\.",
    "end of data with CRLF": lambda: FINE * 2 + b"\\.\r\n" + FINE * 3,
    "end of data within quotes": lambda: (
        FINE + write_trip({"tips": b'"1\n\\.\n2"'}) + FINE
    ),
    "end of data within quoted text": lambda: (
        FINE + write_trip({"originating_base_num": b'"a\n\\.\nb"'}) + FINE
    ),
    "blank lines": lambda: b"\n" + FINE + b"\n\n" + FINE + b"\r\n" + FINE + b"\n",
    "line of a space": lambda: FINE + b" \n" + FINE,
    "CRLF then LF": lambda: write_trip(end=b"\r\n") * 2 + FINE * 2,
    "LF then CRLF": lambda: FINE * 2 + write_trip(end=b"\r\n") * 2,
    "many mixed endings": lambda: (FINE + write_trip(end=b"\r\n")) * 100,
    "many mixed endings and a bad row": lambda: (
        (FINE + write_trip(end=b"\r\n")) * 100 + write_trip({"tips": b"x"}) + FINE
    ),
    "CRLF at the end only": lambda: FINE + write_trip(end=b"\r\n").rstrip(b"\n"),
    "no last newline": lambda: FINE + write_trip(end=b""),
    "NUL": lambda: FINE + write_trip({"tips": b"\0"}) + FINE,
    "NUL in text": lambda: FINE + write_trip({"originating_base_num": b"a\0b"}) + FINE,
    "invalid UTF-8": lambda: FINE + write_trip({"originating_base_num": b"a\xffb"}) + FINE,
    "Latin-1": lambda: FINE + write_trip({"originating_base_num": b"Z\xfcrich"}) + FINE,
    "surrogates": lambda: FINE + write_trip({"originating_base_num": b"\xed\xa0\x80"}) + FINE,
    "surrogate pair": lambda: (
        FINE + write_trip({"originating_base_num": b"\xed\xa0\xbd\xed\xb8\x80"}) + FINE
    ),
    "overlong": lambda: FINE + write_trip({"originating_base_num": b"\xc0\xaf"}) + FINE,
    "accents": lambda: FINE + write_trip({"originating_base_num": "né".encode()}) * 3 + FINE,
    "text of several lines": lambda: (
        FINE + write_trip({"originating_base_num": b'"a\nb\r\nc"'}) + write_trip({"tips": b"x"})
    ),
    "lone CR": lambda: FINE + write_trip({"originating_base_num": b"a\rb"}) + FINE,
    "lone CR in the first row": lambda: write_trip({"originating_base_num": b"a\rb"}) + FINE * 2,
    "rows that end with CR": lambda: GOOD + b"\r" + GOOD + b"\r" + GOOD,
    "misplaced quotes": lambda: FINE + write_trip({"originating_base_num": b'a"b"c'}) + FINE,
    "quote in a number": lambda: FINE + write_trip({"tips": b'1"2"'}) + FINE,
    "nothing but bad rows": lambda: write_trip({"tips": b"x"}) * 5,
    "few columns in the last row": lambda: FINE + GOOD[:40],
    "date in full": lambda: FINE + write_trip({"pickup_datetime": b"Jan 5 2024 10:00 PM"}) + FINE,
}  # fmt: skip


@pytest.mark.parametrize("kind", MIXTURES)
def test_every_record_ends_as_if_it_were_copied_alone(
    session: Connection, staging: Staging, kind: str
) -> None:
    data = MIXTURES[kind]()
    expected, refused = copy_one_by_one(session, staging, make_chunk(data))

    loaded = judge(session, staging, data)

    assert read_rows(session, staging) == expected
    assert loaded.row_count == len(expected)
    assert sorted(reject.record.line for reject in loaded.rejects) == list(refused)


@pytest.mark.parametrize("seed", range(8))
def test_mutated_rows_end_as_if_each_were_copied_alone(
    session: Connection, staging: Staging, seed: int
) -> None:
    draw = random.Random(seed)  # noqa: S311 (chance, not secrecy)
    pool = [value for value in [*TEXTS, *NUMBERS, *TIMES] if len(value) < 100]
    rows = [
        write_trip(
            {draw.choice(NAMES): draw.choice(pool) for _ in range(draw.choice([0, 0, 1, 2]))},
            draw.choice([b"\n", b"\n", b"\r\n"]),
        )
        for _ in range(150)
    ]
    data = b"".join(rows)
    chunk = make_chunk(data)
    expected, refused = copy_one_by_one(session, staging, chunk)

    loaded = judge(session, staging, data)

    assert read_rows(session, staging) == expected
    assert sorted(reject.record.line for reject in loaded.rejects) == list(refused)
    seen = sum(bool(record.raw) for record in split_records(chunk))
    assert loaded.row_count + len(loaded.rejects) == seen


def test_what_only_postgresql_refuses_is_found_among_many(
    session: Connection, staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a pattern lets pass what it should not."""
    monkeypatch.setitem(judging.FORMS, "numeric", rb"[^,\r\n]*+")
    compile_pattern.cache_clear()
    bad = write_trip({"tips": b"x"})
    data = (FINE * 100 + bad) * 3 + FINE * 50

    loaded = judge(session, staging, data)
    compile_pattern.cache_clear()

    assert [reject.record.line for reject in loaded.rejects] == [102, 203, 304]
    assert loaded.row_count == len(read_rows(session, staging)) == 350


@pytest.mark.parametrize("bad", [b"\\.\n", write_trip({"tips": b"x"}), b"\n", b"a,b\n"])
def test_copy_takes_all_or_nothing(session: Connection, staging: Staging, bad: bytes) -> None:
    with pytest.raises(Refused), session.transaction(), session.cursor() as cursor:
        copy_bytes(cursor, staging, COLUMNS, FINE + bad + FINE)

    assert read_rows(session, staging) == []


def test_copy_of_nothing_is_no_copy(session: Connection, staging: Staging) -> None:
    with session.cursor() as cursor:
        assert copy_bytes(cursor, staging, COLUMNS, b"") == 0


def test_record_of_nothing_but_empty_fields_is_refused(
    session: Connection, staging: Staging
) -> None:
    loaded = judge(session, staging, b"," * (len(COLUMNS) - 1) + b"\n")

    assert loaded.row_count == 0
    assert [reject.code for reject in loaded.rejects] == ["missing_value"]


def test_record_of_nothing_but_quotes_is_read_in_time_to_commit(
    session: Connection, staging: Staging
) -> None:
    """The session is a loader's, and ended where its transaction stands idle for 5 seconds."""
    quotes = write_trip({"hvfhs_license_num": b'"' + b'""' * 500_000 + b'"'})
    bad = write_trip({"trip_time": b"1.5"})
    data = quotes * 3 + bad

    loaded = judge(session, staging, data)

    assert (loaded.row_count, len(loaded.rejects)) == (3, 1)
