"""Records are told apart and read one by one, as PostgreSQL does it."""

import psycopg
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from imports.engine import csvrows
from imports.engine.csvrows import (
    RecordError,
    Survey,
    find_end,
    has_line_over,
    is_misquoted,
    read_rows,
    split_fields,
    survey_records,
)
from imports.engine.leasing import Connection
from imports.engine.records import Reject
from tests.imports.chunks import make_chunk

HEADER = ("a", "b")


def read(data: bytes) -> list[tuple[int, int, object]]:
    """Line, byte offset, and the fields or the code of the reject, of each record."""
    return [
        (row.record.line, row.record.byte_offset, row.code)
        if isinstance(row, Reject)
        else (row[0].line, row[0].byte_offset, tuple(row[1].values()))
        for row in read_rows(make_chunk(data, byte_start=100, line_start=5), HEADER)
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"1,2\n3,4\n", [(5, 100, ("1", "2")), (6, 104, ("3", "4"))]),
        (b"1,2\r\n3,4", [(5, 100, ("1", "2")), (6, 105, ("3", "4"))]),
        (b'1,"x\ny"\n3,4\n', [(5, 100, ("1", "x\ny")), (7, 108, ("3", "4"))]),
        (b'1,"a ""b"", c"\n', [(5, 100, ("1", 'a "b", c'))]),
        (b"1,2\n\n\r\n3,4\n", [(5, 100, ("1", "2")), (8, 107, ("3", "4"))]),
        (b"1\n3,4\n", [(5, 100, "missing_columns"), (6, 102, ("3", "4"))]),
        (b"1,2,3\n3,4\n", [(5, 100, "extra_columns"), (6, 106, ("3", "4"))]),
        (b"\xff,2\n3,4\n", [(5, 100, "invalid_utf8"), (6, 104, ("3", "4"))]),
        (b"1,\x00\n3,4\n", [(5, 100, "null_byte"), (6, 104, ("3", "4"))]),
        (b'1,"x"y\n3,4\n', [(5, 100, "bad_csv"), (6, 107, ("3", "4"))]),
        (b"1,2\r3,4\n5,6\n", [(5, 100, "line_break"), (6, 108, ("5", "6"))]),
        (b"", []),
    ],
)
def test_record_is_found_with_its_place(data: bytes, expected: list[object]) -> None:
    assert read(data) == expected


def test_next_line_separator_inside_a_field_does_not_split_it() -> None:
    assert read("1,a\u0085b\u2028c\n".encode()) == [(5, 100, ("1", "a\u0085b\u2028c"))]


@pytest.mark.parametrize("line", [b"\n", b"1,2,3\n"])
def test_chunk_of_many_short_lines_is_read_in_one_pass(
    line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = line * 100_000
    searched = []

    def count_and_find(data: bytes, start: int, already: int | None = None) -> int:
        end = find_end(data, start, already)
        searched.append(end - start)
        return end

    monkeypatch.setattr(csvrows, "find_end", count_and_find)

    rows = read(data)

    assert len(rows) in {0, 100_000}
    assert sum(searched) <= 2 * len(data)


def test_field_of_many_megabytes_is_read() -> None:
    [(_, _, fields)] = read(b"1," + b"x" * 3_000_000 + b"\n")

    assert isinstance(fields, tuple)
    assert len(fields[1]) == 3_000_000


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", Survey(0, is_well_quoted=True, longest_quoted=0)),
        (b"a,b\n", Survey(1, is_well_quoted=True, longest_quoted=0)),
        (b"a,b\nc,d", Survey(2, is_well_quoted=True, longest_quoted=0)),
        (b"\n\n", Survey(2, is_well_quoted=True, longest_quoted=0)),
        (b'"a\nb",c\r\n"d"\n', Survey(2, is_well_quoted=True, longest_quoted=3)),
        (b'"a ""b""",c\n', Survey(1, is_well_quoted=True, longest_quoted=2)),
        (b'"","",""\n', Survey(1, is_well_quoted=True, longest_quoted=0)),
        (b'a"b",c\n', Survey(1, is_well_quoted=False, longest_quoted=1)),
        (b'"a"b,c\n', Survey(1, is_well_quoted=False, longest_quoted=1)),
    ],
)
def test_records_are_surveyed(data: bytes, expected: Survey) -> None:
    assert survey_records(data) == expected


@pytest.mark.parametrize(
    ("data", "start", "searched", "expected"),
    [
        (b"a\nb\n", 0, None, 2),
        (b"a\nb\n", 2, None, 4),
        (b"a\nb", 2, None, 0),
        (b'"a\nb"\nc\n', 0, None, 6),
        (b'"a\nb"\nc\n', 0, 3, 6),
        (b'"a\nb', 0, None, 0),
        (b"", 0, None, 0),
    ],
)
def test_end_of_a_record_is_found(
    data: bytes, start: int, searched: int | None, expected: int
) -> None:
    assert find_end(data, start, searched) == expected


@given(data=st.text(alphabet='a"\n', max_size=40).map(str.encode), start=st.integers(0, 40))
def test_end_of_a_record_agrees_with_a_plain_count(data: bytes, start: int) -> None:
    ends = [
        end
        for end in range(start + 1, len(data) + 1)
        if data[end - 1 : end] == b"\n" and data.count(b'"', start, end) % 2 == 0
    ]

    assert find_end(data, start) == (ends[0] if ends else 0)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (b'1,"a\nb"\n', False),
        (b'"a\nb",2\r\n', False),
        (b'1,"a ""b""\nc"\n', False),
        (b'1,"a\nb"', False),
        (b'1,"a\n2,"b"\n', True),
        (b'1,a"\n2,b"\n', True),
        (b'1,"a\n2,b"c\n', True),
        (b'1,"a\nb\n', True),
    ],
)
def test_quotes_that_join_lines_are_told(record: bytes, expected: bool) -> None:
    assert is_misquoted(record) == expected


@given(
    lengths=st.lists(st.integers(0, 30), max_size=20),
    cap=st.integers(1, 25),
    has_end=st.booleans(),
)
def test_line_over_the_cap_is_never_missed(lengths: list[int], cap: int, has_end: bool) -> None:
    data = b"\n".join(b"x" * length for length in lengths) + b"\n" * has_end

    longest = max(map(len, data.splitlines(keepends=True)), default=0)

    assert has_line_over(data, cap) or longest <= cap


# As PostgreSQL reads it

records = st.text(alphabet='aé",\n\r ', max_size=12).map(str.encode)


def copy_alone(session: Connection, record: bytes) -> list[str] | None:
    """The three fields that COPY stores; None where it refuses the record."""
    query = "COPY three FROM STDIN (FORMAT csv, FORCE_NOT_NULL (a, b, c))"
    try:
        with session.transaction(), session.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE three (a text, b text, c text) ON COMMIT DROP")
            with cursor.copy(query) as copy:
                copy.write(record + b"\n")
            [row] = cursor.execute("SELECT a, b, c FROM three").fetchall()
            return list(row)
    except psycopg.DataError:
        return None


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
@example(record=b'"""",a"b"c,"" ""')
@example(record=b'"a""b",",\n","\r\n"')
@example(record=b'""a"",a"",""""""')
@given(
    record=st.one_of(records, st.lists(records, min_size=3, max_size=3).map(b",".join)).filter(
        lambda record: bool(record) and find_end(record + b"\n", 0) == len(record) + 1
    )
)
def test_fields_are_those_that_copy_stores(session: Connection, record: bytes) -> None:
    assume(not record.endswith(b"\r"))  # the ending of a line is taken off before

    try:
        fields = split_fields(record)
    except RecordError:
        fields = []

    assert copy_alone(session, record) == (fields if len(fields) == 3 else None)


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (b"a,\xff,c", "invalid_utf8"),
        (b"a,\xed\xa0\x80,c", "invalid_utf8"),
        (b"a,\xc0\x80,c", "invalid_utf8"),
        (b"a,\xf4\x90\x80\x80,c", "invalid_utf8"),
        (b"a,\0,c", "null_byte"),
        (b"a,b\rc,d", "line_break"),
    ],
)
def test_record_that_copy_refuses_has_no_fields(
    session: Connection, record: bytes, code: str
) -> None:
    with pytest.raises(RecordError) as caught:
        split_fields(record)

    assert caught.value.code == code
    assert copy_alone(session, record) is None
