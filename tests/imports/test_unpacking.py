"""What is packed is unpacked to the bytes that were packed, within bounds."""

import gzip
import io
import os
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.samples import HEADER, write_trips
from imports.engine import unpacking
from imports.engine.records import ImportFailure
from imports.engine.unpacking import CSV, GZIP, PARQUET, detect_format, unpack

BODY = b"".join(write_trips(3_000, seed=1))


def split(data: bytes, block: int) -> Iterator[bytes]:
    return (data[i : i + block] for i in range(0, len(data), block))


def unpack_all(form: str, data: bytes, *, block: int = 1000, max_bytes: int = 2**40) -> bytes:
    sizes: list[int] = []
    blocks = unpack(form, split(data, block), max_bytes=max_bytes, on_size=sizes.append)
    return b"".join(blocks)


def write_parquet(folder: Path, query: str) -> bytes:
    target = folder / "file.parquet"
    with duckdb.connect() as connection:
        connection.sql(query).write_parquet(str(target))
    return target.read_bytes()


@pytest.mark.parametrize("block", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("data", "form"),
    [
        (b"a,b\n1,2\n", CSV),
        (gzip.compress(b"a,b\n", mtime=0), GZIP),
        (b"PAR1....", PARQUET),
        (b"PAR", CSV),
        (b"\x1f", CSV),
        (b"\x1f\x8b", GZIP),
        (b"", CSV),
    ],
)
def test_format_is_told_by_the_first_bytes(data: bytes, form: str, block: int) -> None:
    found, blocks = detect_format(split(data, block))

    assert (found, b"".join(blocks)) == (form, data)


def test_csv_is_passed_on_as_it_is() -> None:
    assert unpack_all(CSV, BODY) == BODY


# gzip


@settings(max_examples=200, deadline=None)
@given(
    parts=st.lists(st.binary(max_size=300), min_size=1, max_size=5),
    zeros=st.integers(0, 20),
    block=st.integers(1, 200),
)
def test_members_are_unpacked_one_after_the_other(
    parts: list[bytes], zeros: int, block: int
) -> None:
    data = b"".join(map(gzip.compress, parts)) + bytes(zeros)

    assert unpack_all(GZIP, data, block=block) == b"".join(parts)


@pytest.mark.parametrize("size", [2**18 - 1, 2**18, 2**18 + 1, 2**19])
def test_member_of_whole_blocks_is_unpacked(size: int) -> None:
    body = (BODY * 2)[:size]

    assert unpack_all(GZIP, gzip.compress(body) * 2, block=2**20) == body * 2


def test_member_with_a_name_is_unpacked() -> None:
    file = io.BytesIO()
    with gzip.GzipFile("trips.csv", "wb", fileobj=file) as packed:
        packed.write(BODY)

    assert unpack_all(GZIP, file.getvalue()) == BODY


@pytest.mark.parametrize("left", [2, 9, 11, 1_000, -1, -8, -9])
def test_truncated_data_end_as_an_unreliable_source(left: int) -> None:
    with pytest.raises(ImportFailure) as caught:
        unpack_all(GZIP, gzip.compress(BODY)[:left])

    assert caught.value.code == "source_unreliable"


def spoil(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(spoil(gzip.compress(BODY), 2), id="unknown method"),
        pytest.param(spoil(gzip.compress(BODY), -6), id="wrong checksum"),
        pytest.param(spoil(gzip.compress(BODY), -2), id="wrong length"),
        pytest.param(gzip.compress(BODY) + b"and more", id="something else behind it"),
        pytest.param(gzip.compress(BODY) + b"\0\0\0no zeros", id="zeros and something else"),
    ],
)
def test_damaged_data_end_as_unreadable(data: bytes) -> None:
    with pytest.raises(ImportFailure) as caught:
        unpack_all(GZIP, data)

    assert caught.value.code == "source_unreadable"


@pytest.mark.parametrize("members", [1, 40])
def test_bomb_is_stopped_before_it_bursts(members: int) -> None:
    packed = gzip.compress(bytes(10**8 // members)) * members
    sizes: list[int] = []
    blocks = unpack(GZIP, split(packed, 1000), max_bytes=2**40, on_size=print)

    with pytest.raises(ImportFailure) as caught:
        sizes.extend(map(len, blocks))

    assert caught.value.code == "compression_bomb"
    assert sum(sizes) < 10**8 // 2


def test_more_than_the_size_cap_is_never_unpacked() -> None:
    with pytest.raises(ImportFailure) as caught:
        unpack_all(GZIP, gzip.compress(BODY), max_bytes=len(BODY) - 1)

    assert caught.value.code == "compression_bomb"


def test_file_that_is_well_packed_is_no_bomb() -> None:
    body = HEADER + BODY.splitlines(keepends=True)[1] * 20_000
    assert len(body) < 4 * 2**20

    assert unpack_all(GZIP, zlib.compress(body, 9, wbits=31)) == body


# Parquet


def test_parquet_becomes_the_csv_that_duckdb_writes(tmp_path: Path) -> None:
    source, expected = tmp_path / "trips.csv", tmp_path / "expected.csv"
    source.write_bytes(BODY)
    with duckdb.connect() as connection:
        rows = connection.read_csv(str(source))
        rows.write_parquet(str(tmp_path / "trips.parquet"))
        connection.read_parquet(str(tmp_path / "trips.parquet")).write_csv(str(expected))
    sizes: list[int] = []

    packed = (tmp_path / "trips.parquet").read_bytes()
    blocks = unpack(PARQUET, split(packed, 1000), max_bytes=2**40, on_size=sizes.append)

    assert b"".join(blocks) == expected.read_bytes()
    assert sizes == [3_000]


def test_parquet_keeps_nulls_texts_and_every_digit(tmp_path: Path) -> None:
    query = """
        SELECT * FROM (VALUES
            (1, 'a "quoted", text', 0.1::double, TIMESTAMP '2024-01-01 00:00:01', NULL),
            (2, 'zwei\nZeilen', 1e21::double, NULL, ' '),
            (NULL, '', 5.5::double, TIMESTAMP '2024-07-01 12:00:00.5', 'é')
        ) AS sample(n, t, d, moment, f)
    """

    lines = unpack_all(PARQUET, write_parquet(tmp_path, query))

    assert lines.decode() == (
        "n,t,d,moment,f\n"
        '1,"a ""quoted"", text",0.1,2024-01-01 00:00:01,\n'
        '2,"zwei\nZeilen",1e+21,, \n'
        ',"",5.5,2024-07-01 12:00:00.5,é\n'
    )


def test_parquet_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    packed = write_parquet(tmp_path, "SELECT range AS n, 'x' || range AS t FROM range(300_000)")

    assert unpack_all(PARQUET, packed) == unpack_all(PARQUET, packed)


def test_empty_parquet_is_a_header(tmp_path: Path) -> None:
    sizes: list[int] = []
    packed = write_parquet(tmp_path, "SELECT 1 AS a, 'x' AS b LIMIT 0")

    blocks = unpack(PARQUET, split(packed, 1000), max_bytes=2**40, on_size=sizes.append)

    assert b"".join(blocks) == b"a,b\n"
    assert sizes == [0]


@pytest.mark.parametrize("left", [4, 100, -1, -4, -8, -500], ids=lambda left: f"cut at {left}")
def test_truncated_parquet_is_unreadable(tmp_path: Path, left: int) -> None:
    packed = write_parquet(tmp_path, "SELECT range AS n, 'x' || range AS t FROM range(10_000)")

    with pytest.raises(ImportFailure) as caught:
        unpack_all(PARQUET, packed[:left])

    assert caught.value.code == "source_unreadable"


def test_parquet_of_damaged_pages_is_unreadable(tmp_path: Path) -> None:
    packed = write_parquet(tmp_path, "SELECT range AS n, 'x' || range AS t FROM range(100_000)")
    damaged = packed[:5_000] + b"\xff" * 20_000 + packed[25_000:]

    with pytest.raises(ImportFailure) as caught:
        unpack_all(PARQUET, damaged)

    assert caught.value.code == "source_unreadable"


@pytest.mark.parametrize("taken", [0, 1])
def test_parquet_whose_reader_leaves_ends_its_writer(tmp_path: Path, taken: int) -> None:
    packed = write_parquet(tmp_path, "SELECT range AS n, 'x' || range AS t FROM range(500_000)")
    blocks = unpack(PARQUET, split(packed, 1000), max_bytes=2**40, on_size=print)
    for _ in range(taken):
        next(blocks)

    blocks.close()  # type: ignore[attr-defined]

    assert not [thread for thread in threading.enumerate() if "_copy" in thread.name]


def test_parquet_that_bursts_is_stopped(tmp_path: Path) -> None:
    packed = write_parquet(tmp_path, "SELECT repeat('x', 1000) AS t FROM range(200_000)")
    assert 100 * len(packed) < 2 * 10**8
    sizes: list[int] = []
    blocks = unpack(PARQUET, split(packed, 1000), max_bytes=10**7, on_size=print)

    with pytest.raises(ImportFailure) as caught:
        sizes.extend(map(len, blocks))

    assert caught.value.code == "compression_bomb"
    assert sum(sizes) < 10**8


def test_parquet_that_is_packed_too_well_is_a_bomb(tmp_path: Path) -> None:
    packed = write_parquet(tmp_path, "SELECT repeat('x', 1000) AS t FROM range(20_000)")
    assert 100 * len(packed) + 4 * 2**20 < 2 * 10**7

    with pytest.raises(ImportFailure) as caught:
        unpack_all(PARQUET, packed)

    assert caught.value.code == "compression_bomb"


def test_writer_that_fails_is_never_taken_for_one_that_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = write_parquet(tmp_path, "SELECT range AS n FROM range(10)")

    def write(connection: object, path: str, sender: int, errors: list[Exception]) -> None:
        os.write(sender, b"n\n0\n1\n")
        errors.append(MemoryError("no memory"))
        os.close(sender)

    monkeypatch.setattr(unpacking, "_copy", write)

    with pytest.raises(ImportFailure) as caught:
        unpack_all(PARQUET, packed)

    assert caught.value.code == "source_unreadable"
