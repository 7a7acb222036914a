"""Of a source that breaks off, or is gone on with, only what is missing is read into chunks."""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.samples import HEADER, write_trips
from imports.datasets import datasets
from imports.engine import cutting
from imports.engine.copying import Ledger
from imports.engine.reading import Reader
from imports.engine.records import Chunk, ImportFailure
from imports.engine.sources import Rewound, Source, SourceAborted, Validators
from tests.imports.chunks import know

ROWS = 300
BODY = b"".join(write_trips(ROWS, seed=1))
NAMES = tuple(HEADER.decode().strip().split(","))
TRIPS = datasets["trips"]
CHUNK_BYTES = 2_000


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "CHUNK_BYTES", CHUNK_BYTES)


@dataclass
class Memory(Source):
    """A source in memory. Each of `breaks` is how many bytes come before it is read anew."""

    body: bytes
    position: int = 0
    breaks: Sequence[int] = ()
    later: bytes = b""
    passes: int = 0

    def __post_init__(self) -> None:
        self.validators = Validators(total_bytes=len(self.body))

    def open(self) -> None:
        return

    def blocks(self) -> Iterator[bytes]:
        body = self.later if self.passes and self.later else self.body
        end = self.breaks[self.passes] if self.passes < len(self.breaks) else len(body)
        self.passes += 1
        while self.position < end:
            block = body[self.position : min(end, self.position + 700)]
            self.position += len(block)
            yield block
        if self.passes <= len(self.breaks):
            self.position = 0
            raise Rewound

    def close(self) -> None:
        return


def make_reader(source: Source, ledger: Ledger | None = None) -> Reader:
    return Reader(source, TRIPS, ledger or Ledger(), reach=lambda size: None)


def resume(source: Source, committed: Sequence[Chunk]) -> Reader:
    """A reader as of an owner who finds these chunks in the ledger."""
    reader = make_reader(source, make_ledger(committed))
    reader.header, reader.form = NAMES, "csv"
    return reader


def make_ledger(committed: Sequence[Chunk]) -> Ledger:
    numbers = [chunk.seq for chunk in committed]
    return Ledger(
        known=know(committed), next_seq=1 + max(numbers, default=-1), has_first=0 in numbers
    )


def read_whole(body: bytes = BODY) -> list[Chunk]:
    return list(make_reader(Memory(body)).chunks())


def join(chunks: Sequence[Chunk]) -> bytes:
    return b"".join(c.data for c in sorted(chunks, key=lambda chunk: chunk.byte_start))


def check_whole(chunks: Sequence[Chunk]) -> None:
    """The chunks are the file, each byte and line once."""
    ordered = sorted(chunks, key=lambda chunk: chunk.byte_start)
    assert HEADER + join(chunks) == BODY
    assert [c.byte_start for c in ordered[1:]] == [c.byte_end for c in ordered[:-1]]
    assert [c.line_start for c in ordered[1:]] == [c.line_end for c in ordered[:-1]]
    assert len({c.seq for c in chunks}) == len(chunks)


def test_whole_source_is_read() -> None:
    reader = make_reader(Memory(BODY))

    chunks = list(reader.chunks())

    check_whole(chunks)
    assert len(chunks) > 20
    assert (reader.header, reader.form) == (NAMES, "csv")
    assert [chunk.source_bytes for chunk in chunks] == [chunk.byte_end for chunk in chunks]


@settings(max_examples=60, deadline=None)
@given(kept=st.sets(st.integers(0, 30)))
def test_gaps_in_the_ledger_are_read_and_nothing_else(kept: set[int]) -> None:
    committed = [chunk for chunk in read_whole() if chunk.seq in kept]

    missing = list(resume(Memory(BODY), committed).chunks())

    check_whole([*committed, *missing])


@settings(max_examples=60, deadline=None)
@given(kept=st.sets(st.integers(1, 30)))
def test_source_is_gone_on_with_from_the_first_gap(kept: set[int]) -> None:
    committed = [chunk for chunk in read_whole() if chunk.seq in {0, *kept}]
    gap = make_ledger(committed).find_gap()
    assert gap is not None

    source = Memory(BODY, position=gap[0].byte_offset)
    missing = list(resume(source, committed).chunks())

    check_whole([*committed, *missing])


@pytest.mark.parametrize(
    ("seq", "start"),
    [(0, "beginning"), (4, "beginning"), (9, "beginning"), (4, "gap"), (9, "gap")],
)
def test_changed_byte_in_a_known_chunk_ends_the_import(seq: int, start: str) -> None:
    committed = [chunk for chunk in read_whole() if chunk.seq in {0, 1, 4, 9}]
    place = next(chunk.byte_start for chunk in committed if chunk.seq == seq)
    changed = BODY[:place] + b"#" + BODY[place + 1 :]
    gap = make_ledger(committed).find_gap()
    assert gap is not None
    source = Memory(changed, position=gap[0].byte_offset if start == "gap" else 0)

    with pytest.raises(ImportFailure) as caught:
        list(resume(source, committed).chunks())

    assert caught.value.code == "source_changed"


@pytest.mark.parametrize(
    "changed",
    [
        HEADER.replace(b"tips,driver_pay", b"driver_pay,tips") + BODY[len(HEADER) :],
        gzip.compress(BODY),
    ],
    ids=["another header", "another form"],
)
def test_source_of_another_form_has_changed(changed: bytes) -> None:
    committed = read_whole()[:3]

    with pytest.raises(ImportFailure) as caught:
        list(resume(Memory(changed), committed).chunks())

    assert caught.value.code == "source_changed"


@pytest.mark.parametrize(
    "breaks",
    [
        [20_000],
        [0],
        [10, 20],
        [len(HEADER)],
        [20_000, 20_000, 20_000],
        [30_000, 5_000, 40_000, 0],
        [len(BODY)],
    ],
)
def test_source_that_is_read_again_gives_nothing_twice(breaks: list[int]) -> None:
    source = Memory(BODY, breaks=breaks)

    chunks = list(make_reader(source).chunks())

    check_whole(chunks)
    assert source.passes == len(breaks) + 1


@settings(max_examples=60, deadline=None)
@given(kept=st.sets(st.integers(0, 30)), breaks=st.lists(st.integers(0, len(BODY)), max_size=4))
def test_gaps_are_read_once_however_often_the_source_breaks_off(
    kept: set[int], breaks: list[int]
) -> None:
    committed = [chunk for chunk in read_whole() if chunk.seq in kept]

    missing = list(resume(Memory(BODY, breaks=breaks), committed).chunks())

    check_whole([*committed, *missing])


def test_source_that_comes_back_different_has_changed() -> None:
    other = BODY.replace(b"HV000", b"HV009")
    chunks = make_reader(Memory(BODY, breaks=[20_000], later=other)).chunks()

    with pytest.raises(ImportFailure) as caught:
        list(chunks)

    assert caught.value.code == "source_changed"


def test_aborted_source_gives_no_last_chunk() -> None:
    class Aborted(Memory):
        def blocks(self) -> Iterator[bytes]:
            yield from islice(super().blocks(), 10)
            raise SourceAborted

    chunks = make_reader(Aborted(BODY)).chunks()

    with pytest.raises(SourceAborted):
        list(chunks)


@pytest.mark.parametrize("breaks", [[], [20_000], [20_000, 9_000]])
@pytest.mark.parametrize("expected", [sha256(BODY).hexdigest(), sha256(BODY).hexdigest().upper()])
def test_checksum_is_of_one_whole_reading(breaks: list[int], expected: str) -> None:
    reader = make_reader(Memory(BODY, breaks=breaks))
    reader.expected_sha256 = expected

    check_whole(list(reader.chunks()))


def test_other_checksum_ends_the_import_when_all_is_read() -> None:
    reader = make_reader(Memory(BODY))
    reader.expected_sha256 = "0" * 64
    chunks = reader.chunks()

    found = list(islice(chunks, len(read_whole())))

    check_whole(found)
    with pytest.raises(ImportFailure) as caught:
        next(chunks)
    assert caught.value.code == "checksum"


@pytest.mark.parametrize("breaks", [[], [3_000], [3_000, 100]])
def test_packed_source_is_measured_by_its_own_bytes(breaks: list[int]) -> None:
    packed = gzip.compress(BODY)
    reached: list[int] = []
    reader = Reader(Memory(packed, breaks=breaks), TRIPS, Ledger(), reach=reached.append)

    chunks = list(reader.chunks())

    check_whole(chunks)
    assert reader.form == "gzip"
    assert max(chunk.source_bytes for chunk in chunks) <= len(packed)
    assert reached[-1] == len(packed)


def test_parquet_is_half_done_when_it_is_fetched(tmp_path: Path) -> None:
    source, target = tmp_path / "trips.csv", tmp_path / "trips.parquet"
    source.write_bytes(BODY)
    with duckdb.connect() as connection:
        connection.read_csv(str(source)).write_parquet(str(target))
    packed = target.read_bytes()
    reached: list[int] = []
    reader = Reader(Memory(packed), TRIPS, Ledger(), reach=reached.append)

    chunks = list(reader.chunks())

    sizes = [chunk.source_bytes for chunk in chunks]
    assert sum(chunk.row_count for chunk in chunks) == ROWS
    assert len(packed) // 2 <= sizes[0] < sizes[-1] <= len(packed)
    assert sizes == sorted(sizes)
    assert max(reached[:-1]) <= len(packed) // 2
    assert reached[-1] == len(packed)


# The ledger


def test_ledger_has_no_gap_before_anything_is_committed() -> None:
    assert make_ledger([]).find_gap() is None
    assert make_ledger(read_whole()[1:3]).find_gap() is None


@pytest.mark.parametrize(
    ("kept", "behind", "others"), [([0], 0, 0), ([0, 1, 2], 2, 0), ([0, 2, 3], 0, 2)]
)
def test_first_gap_is_found(kept: list[int], behind: int, others: int) -> None:
    chunks = read_whole()

    gap = make_ledger([chunks[seq] for seq in kept]).find_gap()

    assert gap is not None
    position, known = gap
    assert (position.byte_offset, position.line) == (
        chunks[behind].byte_end,
        chunks[behind].line_end,
    )
    assert position.seq == kept[-1] + 1
    assert len(known) == others
