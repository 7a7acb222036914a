"""Records are read one by one, each with its place in the file."""

import time

import pytest

from imports.engine.records import Chunk, Reject, read_rows

HEADER = ("a", "b")


def read(data: bytes) -> list[tuple[int, int, object]]:
    """Line, byte offset, and the fields or the code of the reject, of each record."""
    chunk = Chunk(0, 100, 100 + len(data), 5, 5 + data.count(b"\n"), data)
    return [
        (row.record.line, row.record.byte_offset, row.code)
        if isinstance(row, Reject)
        else (row[0].line, row[0].byte_offset, tuple(row[1].values()))
        for row in read_rows(chunk, HEADER)
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
        (
            b'1,x"\n3,4\n5,6\n',
            [(5, 100, "unclosed_quote"), (6, 105, ("3", "4")), (7, 109, ("5", "6"))],
        ),
        (b"", []),
    ],
)
def test_record_is_found_with_its_place(data: bytes, expected: list[object]) -> None:
    assert read(data) == expected


def test_unclosed_quote_costs_only_the_line_it_stands_in() -> None:
    data = b'1,2\n3,"4\n5,6\n7,"8"\n9,10\n'

    rows = read(data)

    assert [row[2] for row in rows] == [
        ("1", "2"),
        "unclosed_quote",
        ("5", "6"),
        ("7", "8"),
        ("9", "10"),
    ]
    assert [row[0] for row in rows] == [5, 6, 7, 8, 9]


def test_next_line_separator_inside_a_field_does_not_split_it() -> None:
    assert read("1,a\u0085b\u2028c\n".encode()) == [(5, 100, ("1", "a\u0085b\u2028c"))]


@pytest.mark.parametrize("line", [b"\n", b"1,2,3\n"])
def test_chunk_of_many_short_lines_is_read_in_one_pass(line: bytes) -> None:
    data = line * 300_000
    began = time.monotonic()

    rows = list(read_rows(Chunk(0, 0, len(data), 2, 300_002, data), HEADER))

    assert len(rows) in {0, 300_000}
    assert time.monotonic() - began < 30  # counting from the start again took minutes


def test_field_of_many_megabytes_is_read() -> None:
    [(_, _, fields)] = read(b"1," + b"x" * 3_000_000 + b"\n")

    assert isinstance(fields, tuple)
    assert len(fields[1]) == 3_000_000
