"""Chunks start and end where records do, whatever the blocks are."""

import csv
import io
import itertools
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imports.engine.cutting import Cutter, Position, find_cut
from imports.engine.records import Chunk, Reject, read_rows

START = Position(0, 10, 2)
fields = st.text(alphabet='ab",\n\r ', max_size=12)


def cut(data: bytes, *, block: int = 7, cap: int = 1000, chunk: int = 40) -> list[Chunk]:
    blocks = (data[i : i + block] for i in range(0, len(data), block))
    return list(Cutter(START, record_cap_bytes=cap, chunk_bytes=chunk).cut(blocks))


@given(
    rows=st.lists(st.lists(fields, min_size=2, max_size=2), max_size=30), block=st.integers(1, 50)
)
def test_chunks_of_any_csv_hold_every_record_once_in_order(
    rows: list[list[str]], block: int
) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    data = file.getvalue().encode()

    chunks = cut(data, block=block)

    found = [row for chunk in chunks for row in read_rows(chunk, ("a", "b"))]
    assert [list(row[1].values()) for row in found if not isinstance(row, Reject)] == rows
    assert b"".join(chunk.data for chunk in chunks) == data


@given(data=st.binary(max_size=400), block=st.integers(1, 60))
def test_chunks_of_any_bytes_are_contiguous(data: bytes, block: int) -> None:
    chunks = cut(data, block=block, cap=60)

    ends = [START.byte_offset, *(chunk.byte_end for chunk in chunks)]
    lines = [START.line, *(chunk.line_end for chunk in chunks)]
    assert [chunk.byte_start for chunk in chunks] == ends[:-1]
    assert ends[-1] == START.byte_offset + len(data)
    assert [chunk.line_start for chunk in chunks] == lines[:-1]
    assert lines[-1] == START.line + data.count(b"\n")


def test_record_over_the_cap_is_refused_and_reading_goes_on_at_its_second_line() -> None:
    data = b'1,"opens\n' + b"2,fine\n" * 40 + b"3,last\n"

    chunks = cut(data, cap=100)

    rejects = [reject for chunk in chunks for reject in chunk.rejects]
    rows = [row for chunk in chunks for row in read_rows(chunk, ("a", "b"))]
    assert [(r.code, r.record.line, r.record.byte_offset, r.record.raw) for r in rejects] == [
        ("record_too_large", 2, 10, b'1,"opens')
    ]
    assert len(rows) == 41


@pytest.mark.parametrize("line", [b"\n", b"abc\n"])
def test_long_record_of_short_lines_is_not_searched_again_for_every_block(line: bytes) -> None:
    blocks = itertools.chain([b'1,"opens'], itertools.repeat(line * (2**17 // len(line)), 128))
    began = time.monotonic()

    chunks = Cutter(START, record_cap_bytes=2**24, chunk_bytes=2**22).cut(blocks)

    assert [reject.code for reject in next(chunks).rejects] == ["record_too_large"]
    assert time.monotonic() - began < 30  # searching again took minutes


def test_single_record_between_chunk_and_cap_is_kept_and_one_beyond_is_not() -> None:
    within, beyond = b'1,"' + b"x" * 150 + b'"\n', b'2,"' + b"x" * 300 + b'"\n'

    chunks = cut(within + beyond + b"3,x\n", cap=200, chunk=50)

    rejects = [reject for chunk in chunks for reject in chunk.rejects]
    assert [(reject.code, reject.record.line) for reject in rejects] == [("record_too_large", 3)]
    assert b"".join(chunk.data for chunk in chunks) == within + b"3,x\n"


def test_line_over_the_cap_is_skipped_without_being_held() -> None:
    data = b"1," + b"x" * 1_000_000 + b"\n2,fine\n"
    cutter = Cutter(START, record_cap_bytes=1000, chunk_bytes=100)

    chunks = list(cutter.cut(data[i : i + 500] for i in range(0, len(data), 500)))

    [reject] = [reject for chunk in chunks for reject in chunk.rejects]
    assert reject.record.raw_bytes == 1_000_003
    assert len(reject.record.raw) <= 2**16
    assert b"".join(chunk.data for chunk in chunks) == b"2,fine\n"
    assert chunks[-1].line_start == 3


@pytest.mark.parametrize(
    ("data", "limit", "expected"),
    [
        (b"a\nb\nc", 5, 4),
        (b"a\nb\nc", 3, 2),
        (b'a\n"b\nc', 6, 2),
        (b'"a\nb"\nc\n', 3, 6),
        (b'"a\nb', 4, 0),
        (b"", 4, 0),
    ],
)
def test_cut_is_found_at_even_quote_parity(data: bytes, limit: int, expected: int) -> None:
    assert find_cut(data, limit) == expected


def test_find_cut_agrees_with_a_plain_count() -> None:
    generator = random.Random(7)  # noqa: S311 (chance, not secrecy)

    for _ in range(300):
        data = bytes(generator.choice(b'ab"\n') for _ in range(30))
        ends = [
            i + 1 for i in range(30) if data[i : i + 1] == b"\n" and data[:i].count(b'"') % 2 == 0
        ]
        within = [end for end in ends if end <= 20]
        assert find_cut(data, 20) == (within[-1] if within else ends[0] if ends else 0)
