"""Chunks as the cutter makes them, from bytes that a test writes down."""

from collections.abc import Sequence
from zlib import crc32

from imports.engine.csvrows import survey_records
from imports.engine.cutting import Known
from imports.engine.records import Chunk


def make_chunk(data: bytes, *, seq: int = 0, byte_start: int = 0, line_start: int = 2) -> Chunk:
    """Whole records, of which the first starts at that byte and that line of the file."""
    return Chunk(
        seq,
        byte_start,
        byte_start + len(data),
        line_start,
        line_start + data.count(b"\n"),
        data,
        crc32(data),
        row_count=survey_records(data).row_count,
    )


def know(chunks: Sequence[Chunk]) -> list[Known]:
    """What the ledger keeps of chunks, in the order of the file."""
    known = [Known(c.byte_start, c.byte_end, c.line_end, c.crc32) for c in chunks]
    return sorted(known, key=lambda chunk: chunk.byte_start)
