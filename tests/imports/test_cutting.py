"""Chunks start and end where records do, whatever the blocks are."""

import csv
import io
import itertools
import random
from collections.abc import Iterable, Iterator
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imports.engine import cutting
from imports.engine.csvrows import find_end, read_rows
from imports.engine.cutting import Cutter, Position, cut_source, find_cut
from imports.engine.records import Chunk, ImportFailure, Reject
from tests.imports.chunks import know

START = Position(0, 10, 2)
LINES = [f"{number},{'x' * (number % 7)}\n".encode() for number in range(60)]
BODY = b"".join(LINES)
fields = st.text(alphabet='ab",\n\r ', max_size=12)


def split(data: bytes, block: int) -> Iterator[bytes]:
    return (data[i : i + block] for i in range(0, len(data), block))


def cut(data: bytes, *, block: int = 7, cap: int = 1000, chunk: int = 40) -> list[Chunk]:
    return list(Cutter(START, record_cap_bytes=cap, chunk_bytes=chunk).cut(split(data, block)))


def list_rejects(chunks: Iterable[Chunk]) -> list[tuple[str, int, bytes]]:
    """The code, the line and the text of each record that the cutter refused."""
    return [
        (reject.code, reject.record.line, reject.record.raw)
        for chunk in chunks
        for reject in chunk.rejects
    ]


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
    assert sum(chunk.row_count for chunk in chunks) == len(rows)


@given(
    data=st.one_of(
        st.binary(max_size=400), st.text(alphabet='a",\n\r', max_size=400).map(str.encode)
    ),
    block=st.integers(1, 60),
)
def test_chunks_of_any_bytes_are_contiguous(data: bytes, block: int) -> None:
    chunks = cut(data, block=block, cap=60)

    ends = [START.byte_offset, *(chunk.byte_end for chunk in chunks)]
    lines = [START.line, *(chunk.line_end for chunk in chunks)]
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.byte_start for chunk in chunks] == ends[:-1]
    assert ends[-1] == START.byte_offset + len(data)
    assert [chunk.line_start for chunk in chunks] == lines[:-1]
    assert lines[-1] == START.line + data.count(b"\n")
    for chunk in chunks:
        own = data[chunk.byte_start - START.byte_offset : chunk.byte_end - START.byte_offset]
        assert chunk.crc32 == crc32(own)
        assert chunk.data == (b"" if chunk.rejects else own)


@given(
    data=st.text(alphabet='a",\n', max_size=300).map(str.encode),
    blocks=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_chunks_are_the_same_whatever_the_blocks_are(data: bytes, blocks: tuple[int, int]) -> None:
    first, second = (cut(data, block=block, cap=60) for block in blocks)

    assert list_rejects(first) == list_rejects(second)
    assert b"".join(c.data for c in first) == b"".join(c.data for c in second)


def test_unclosed_quote_costs_only_the_line_it_stands_in() -> None:
    data = b'1,2\n3,"4\n5,6\n7,"8"\n9,10\n'

    chunks = cut(data)

    assert list_rejects(chunks) == [("unclosed_quote", 3, b'3,"4')]
    assert b"".join(chunk.data for chunk in chunks) == data.replace(b'3,"4\n', b"")


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b'1,x"\n3,4\n5,6\n', 2),
        (b'1,2\n3,4\n5,"6', 4),
        (b'1,2\n"3,4\n5,6\n"7,8\n9,10\n', 3),
        (b'1,2\n3,4"\n5,"6"\n', 3),
    ],
)
def test_quote_without_a_match_is_refused_where_it_stands(data: bytes, line: int) -> None:
    lines = data.splitlines(keepends=True)

    chunks = cut(data)

    codes = [(code, number) for code, number, _ in list_rejects(chunks)]
    assert codes[0] == ("unclosed_quote", line)
    kept = b"".join(chunk.data for chunk in chunks).splitlines(keepends=True)
    assert [text for text in lines if b'"' not in text] == [t for t in kept if b'"' not in t]


def test_record_over_the_cap_is_refused_and_reading_goes_on_at_its_second_line() -> None:
    data = b'1,"opens\n' + b"2,fine\n" * 40 + b"3,last\n"

    chunks = cut(data, cap=100)

    rejects = [reject for chunk in chunks for reject in chunk.rejects]
    rows = [row for chunk in chunks for row in read_rows(chunk, ("a", "b"))]
    assert [(r.code, r.record.line, r.record.byte_offset, r.record.raw) for r in rejects] == [
        ("unclosed_quote", 2, 10, b'1,"opens')
    ]
    assert len(rows) == 41


@pytest.mark.parametrize("line", [b"\n", b"abc\n"])
def test_long_record_of_short_lines_is_not_searched_again_for_every_block(
    line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = []

    def count_and_find(data: bytearray, start: int, already: int | None = None) -> int:
        searched.append(len(data) - (start if already is None else already))
        return find_end(data, start, already)

    monkeypatch.setattr(cutting, "find_end", count_and_find)
    block = line * (2**17 // len(line))
    blocks = itertools.chain([b'1,"opens'], itertools.repeat(block, 128))

    chunks = Cutter(START, record_cap_bytes=2**24, chunk_bytes=2**22).cut(blocks)

    assert [reject.code for reject in next(chunks).rejects] == ["unclosed_quote"]
    assert sum(searched) <= 2 * 128 * len(block)


def test_single_record_between_chunk_and_cap_is_kept_and_one_beyond_is_not() -> None:
    within, beyond = b'1,"' + b"x" * 150 + b'"\n', b'2,"' + b"x" * 300 + b'"\n'

    chunks = cut(within + beyond + b"3,x\n", cap=200, chunk=50)

    assert [reject[:2] for reject in list_rejects(chunks)] == [("record_too_large", 3)]
    assert b"".join(chunk.data for chunk in chunks) == within + b"3,x\n"


@pytest.mark.parametrize("end", [b"\n", b""])
@pytest.mark.parametrize("chunk", [50, 1000])
def test_record_over_the_cap_is_refused_however_large_a_chunk_is(chunk: int, end: bytes) -> None:
    line = b"2," + b"x" * 300

    chunks = cut(b"1,x\n" + line + end, cap=200, chunk=chunk)

    assert list_rejects(chunks) == [("record_too_large", 3, line)]
    assert b"".join(part.data for part in chunks) == b"1,x\n"


def test_line_over_the_cap_is_skipped_without_being_held() -> None:
    data = b"1," + b"x" * 1_000_000 + b"\n2,fine\n"
    cutter = Cutter(START, record_cap_bytes=1000, chunk_bytes=100)

    chunks = list(cutter.cut(split(data, 500)))

    [reject] = [reject for chunk in chunks for reject in chunk.rejects]
    assert reject.record.raw_bytes == 1_000_003
    assert len(reject.record.raw) <= 2**16
    assert b"".join(chunk.data for chunk in chunks) == b"2,fine\n"
    assert chunks[-1].line_start == 3


def test_line_without_end_ends_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "LINE_CAP_BYTES", 10_000)
    cutter = Cutter(START, record_cap_bytes=100, chunk_bytes=100)

    with pytest.raises(ImportFailure) as caught:
        list(cutter.cut(itertools.repeat(b"x" * 100)))

    assert caught.value.code == "too_large"


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


# Chunks that are known


def cut_again(body: bytes, known: list[Chunk], block: int = 13) -> list[Chunk]:
    start = Position(100, 10, 2)
    return list(cut_source(split(body, block), start, know(known)))


@given(kept=st.sets(st.integers(0, 20)), block=st.integers(1, 90))
def test_missing_chunks_are_cut_whatever_is_known(kept: set[int], block: int) -> None:
    whole = cut(BODY)
    known = [chunk for chunk in whole if chunk.seq in kept]

    missing = cut_again(BODY, known, block)

    found = sorted([*known, *missing], key=lambda chunk: chunk.byte_start)
    assert b"".join(chunk.data for chunk in found) == BODY
    assert [chunk.line_start for chunk in found[1:]] == [chunk.line_end for chunk in found[:-1]]
    assert [chunk.seq for chunk in missing] == list(range(100, 100 + len(missing)))


@pytest.mark.parametrize("kept", [[0], [3], [0, 1, 2], [5, 6], [0, 2, 4]])
def test_changed_byte_in_a_known_chunk_ends_the_import(kept: list[int]) -> None:
    known = [chunk for chunk in cut(BODY) if chunk.seq in kept]
    place = known[-1].byte_start - START.byte_offset
    changed = BODY[:place] + b"9" + BODY[place + 1 :]
    assert changed != BODY

    with pytest.raises(ImportFailure) as caught:
        cut_again(changed, known)

    assert caught.value.code == "source_changed"


def test_source_that_ends_within_a_known_chunk_has_changed() -> None:
    known = cut(BODY)

    with pytest.raises(ImportFailure) as caught:
        cut_again(BODY[:-1], known)

    assert caught.value.code == "source_changed"
