"""What a source holds, told by its first bytes, and how its CSV is got out of it."""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Any

from imports.engine.records import MIB, ImportFailure
from imports.engine.sources import BLOCK_BYTES

if TYPE_CHECKING:
    import duckdb

CSV, GZIP, PARQUET = "csv", "gzip", "parquet"
MAGIC = {b"\x1f\x8b": GZIP, b"PAR1": PARQUET}
MAGIC_BYTES = 4
# Real files are packed ten times smaller; what is a hundred times smaller was made to burst.
MAX_RATIO = 100
BURST_BYTES = 4 * MIB
GZIP_WINDOW = 16 + zlib.MAX_WBITS
# One thread is as fast as PostgreSQL reads, in half the memory of two.
DUCKDB_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "autoinstall_known_extensions": False,
}
# What DuckDB may use: something, and some times the largest row group. More would be used, to no
# end. Texts that are all different need the most.
LEAST_MEMORY_BYTES = 64 * MIB
GROUP_SHARE = 3
MOST_MEMORY_BYTES = 1024 * MIB


def detect_format(blocks: Iterator[bytes]) -> tuple[str, Iterator[bytes]]:
    """`csv`, `gzip` or `parquet`, and the same blocks."""
    start = b""
    for block in blocks:
        start += block
        if len(start) >= MAGIC_BYTES:
            break
    found = (form for magic, form in MAGIC.items() if start.startswith(magic))
    return next(found, CSV), chain([start] if start else [], blocks)


def unpack(
    form: str, blocks: Iterator[bytes], *, max_bytes: int, on_size: Callable[[int], None]
) -> Iterator[bytes]:
    """The CSV of a source of that format. `on_size(rows)` is told how many rows there will be,
    where that is known.

    Raises ImportFailure where it cannot be unpacked, or is larger than it should be.
    """
    if form == GZIP:
        return _gunzip(blocks, max_bytes)
    if form == PARQUET:
        return _read_parquet(blocks, max_bytes, on_size)
    return blocks


def _gunzip(blocks: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    """A loop of our own: it never holds more than a block, however small its source is packed."""
    taken = made = 0
    members = _Members()
    for block in blocks:
        taken += len(block)
        for data in members.unpack(block):
            made += len(data)
            _check_growth(taken, made, max_bytes)
            yield data
    if not members.is_ended:
        raise ImportFailure("source_unreliable", "the gzip data end too early")


def _check_growth(taken: int, made: int, max_bytes: int) -> None:
    if made > MAX_RATIO * taken + BURST_BYTES or made > max_bytes:
        detail = f"{taken} bytes were unpacked to more than {made - BLOCK_BYTES}"
        raise ImportFailure("compression_bomb", detail)


class _Members:
    """A gzip file is one or more members, one behind the other (RFC 1952, 2.2)."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(GZIP_WINDOW)

    @property
    def is_ended(self) -> bool:
        return self._decoder.eof

    def unpack(self, block: bytes) -> Iterator[bytes]:
        """What the next block of the file holds, in blocks."""
        data = b""
        while block or len(data) == BLOCK_BYTES:  # there may be more to come of what was taken
            if self._decoder.eof:
                block = block.lstrip(b"\0")  # some programs fill up the file with zeros
                if not block:
                    return
                self._decoder = zlib.decompressobj(GZIP_WINDOW)
            try:
                data = self._decoder.decompress(block, BLOCK_BYTES)
            except zlib.error as error:
                raise ImportFailure("source_unreadable", f"damaged gzip data: {error}") from error
            is_ended = self._decoder.eof
            block = self._decoder.unused_data if is_ended else self._decoder.unconsumed_tail
            if data:
                yield data


def _read_parquet(
    blocks: Iterator[bytes], max_bytes: int, on_size: Callable[[int], None]
) -> Iterator[bytes]:
    """Parquet's index stands at its end: the file is needed whole, for as long as it is read."""
    with tempfile.TemporaryFile() as file:
        taken = sum(map(file.write, blocks))
        file.flush()
        made = 0
        for block in _write_csv(f"/proc/self/fd/{file.fileno()}", on_size):
            made += len(block)
            _check_growth(taken, made, max_bytes)
            yield block


def _write_csv(path: str, on_size: Callable[[int], None]) -> Iterator[bytes]:
    """DuckDB writes the CSV into a pipe, in a thread of its own, and waits while nobody reads."""
    duckdb = load_duckdb()
    with duckdb.connect(config=DUCKDB_SETTINGS) as connection:
        try:
            connection.execute("SET enable_progress_bar = false")  # it would be drawn into the log
            found = connection.execute("SELECT sum(num_rows) FROM parquet_file_metadata(?)", [path])
            on_size(int(found.fetchall()[0][0] or 0))
            _limit_memory(connection, path)
        except duckdb.Error as error:
            raise _unreadable(error) from error
        receiver, sender = os.pipe()
        with suppress(PermissionError):  # where users have used up what pipes may hold
            fcntl.fcntl(sender, fcntl.F_SETPIPE_SZ, MIB)
        errors: list[Exception] = []
        writer = threading.Thread(target=_copy, args=(connection, path, sender, errors))
        writer.start()
        try:
            with os.fdopen(receiver, "rb") as pipe:  # its end ends a writer that still waits
                while block := pipe.read1(BLOCK_BYTES):
                    yield block
        except GeneratorExit:
            connection.interrupt()
            raise
        finally:
            writer.join()
    if errors:
        raise _unreadable(errors[0])


@cache
def load_duckdb() -> Any:
    """12 MB, which only those processes need that read Parquet."""
    return import_module("duckdb")


def _limit_memory(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    found = connection.execute(
        """
        SELECT max(size) FROM (SELECT sum(total_uncompressed_size) AS size
                                 FROM parquet_metadata(?) GROUP BY row_group_id)
        """,
        [path],
    )
    wanted = LEAST_MEMORY_BYTES + GROUP_SHARE * int(found.fetchall()[0][0] or 0)
    if wanted > MOST_MEMORY_BYTES:
        detail = "a row group is too large to be held in memory: write smaller ones"
        raise ImportFailure("too_large", detail)
    connection.execute("SET memory_limit = ?", [f"{wanted}B"])


def _unreadable(error: Exception) -> ImportFailure:
    return ImportFailure("source_unreadable", f"DuckDB cannot read it as Parquet: {error}")


def _copy(
    connection: duckdb.DuckDBPyConnection, path: str, sender: int, errors: list[Exception]
) -> None:
    try:
        connection.read_parquet(path).write_csv(f"/proc/self/fd/{sender}", header=True)
    except Exception as error:  # whatever it is, what was written is not the whole
        errors.append(error)
    finally:
        os.close(sender)
