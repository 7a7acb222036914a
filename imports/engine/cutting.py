"""Bytes into chunks: cut only at a newline at even quote parity, counted from a record's start."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

from imports.engine.csvrows import Survey, find_end, has_line_over, is_misquoted, survey_records
from imports.engine.records import KEPT_BYTES, MIB, Chunk, ImportFailure, Record, Reject

CHUNK_BYTES = 4 * MIB
# Each may become a reject, which is held until the chunk is committed.
RECORDS_PER_CHUNK = 2**16
# A line as long as this is no CSV, whatever it is: reading on would never end.
LINE_CAP_BYTES = 1024 * MIB
# After a fault a chunk is small, since all of it is looked through again for the next one.
CAREFUL_BYTES = 2**16


@dataclass(frozen=True)
class Position:
    """Where the next record starts: the chunk's number, the byte and the physical line."""

    seq: int
    byte_offset: int
    line: int


@dataclass(frozen=True)
class Known:
    """A chunk that was committed before: its bytes, where its lines end, and its checksum."""

    byte_start: int
    byte_end: int
    line_end: int
    crc32: int


def cut_source(
    blocks: Iterator[bytes], start: Position, known: Sequence[Known], *, record_cap_bytes: int = MIB
) -> Iterator[Chunk]:
    """The chunks from `start` on, but for those that are known, of which only the bytes are
    checked. Raises ImportFailure `source_changed` where these are not what they were."""
    stream = _Stream(blocks)
    position = start
    for chunk in known:
        cutter = Cutter(position, record_cap_bytes=record_cap_bytes)
        yield from cutter.cut(stream.take(chunk.byte_start - position.byte_offset))
        checksum = 0
        for block in stream.take(chunk.byte_end - chunk.byte_start):
            checksum = crc32(block, checksum)
        if checksum != chunk.crc32:
            detail = f"bytes {chunk.byte_start} to {chunk.byte_end} are not what was loaded before"
            raise ImportFailure("source_changed", detail)
        position = Position(cutter.position.seq, chunk.byte_end, chunk.line_end)
    yield from Cutter(position, record_cap_bytes=record_cap_bytes).cut(stream.rest())


class _Stream:
    """Blocks of bytes, to be taken in portions of any size."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._left = b""

    def take(self, count: int) -> Iterator[bytes]:
        while count > 0:
            block = self._left or next(self._blocks, b"")
            if not block:
                return
            self._left = block[count:]
            yield block[:count]
            count -= min(count, len(block))

    def rest(self) -> Iterator[bytes]:
        if self._left:
            yield self._left
        yield from self._blocks


class Cutter:
    """Cuts blocks of bytes, whose first starts at `start`, into chunks of whole records.

    Holds at most `record_cap_bytes` or `chunk_bytes`, whichever is larger, and a block.

    A record that does not end within the cap, or whose quotes join lines that do not belong
    together, is rejected, and reading goes on at its second physical line: an unclosed quote then
    costs the line that it stands in, not the rest of the file.
    """

    def __init__(
        self, start: Position, *, record_cap_bytes: int = MIB, chunk_bytes: int | None = None
    ) -> None:
        self.position = start
        self.record_cap_bytes = record_cap_bytes
        self.chunk_bytes = CHUNK_BYTES if chunk_bytes is None else chunk_bytes
        self._limit_bytes = self.chunk_bytes
        self._buffer = bytearray()
        self._searched_bytes = 0  # of the buffer, in which no record ends
        self._skipped = _Skipped()

    def cut(self, blocks: Iterator[bytes]) -> Iterator[Chunk]:
        """The chunks, in order and without a gap: each starts where the one before it ends."""
        for block in blocks:
            self._buffer += block
            while len(self._buffer) >= self.chunk_bytes and (chunk := self._take(is_last=False)):
                yield chunk
        while (self._buffer or self._skipped.length) and (chunk := self._take(is_last=True)):
            yield chunk

    def _take(self, *, is_last: bool) -> Chunk | None:
        """The next chunk, or None where more bytes are needed."""
        if self._skipped.length:
            return self._skip_line(is_last=is_last)
        end = self._find_end()
        if not end:
            return self._take_unended(is_last=is_last)
        if end > max(self.chunk_bytes, self.record_cap_bytes):
            return self._skip_line(is_last=is_last)
        data = bytes(self._buffer[:end])
        survey = survey_records(data)
        if survey.row_count > RECORDS_PER_CHUNK:
            self._limit_bytes = max(1, end * RECORDS_PER_CHUNK // survey.row_count)
            return self._take(is_last=is_last)
        if self._is_suspect(data, survey):
            return self._emit_before_fault(data)
        return self._emit(data, survey)

    def _take_unended(self, *, is_last: bool) -> Chunk | None:
        """No record ends in the buffer: it may be the last one, or one without an end."""
        if is_last and self._buffer.count(b'"') % 2 == 0:
            data = bytes(self._buffer)
            if len(data) <= self.record_cap_bytes:
                return self._emit(data, survey_records(data))
        if is_last or len(self._buffer) > self.record_cap_bytes:
            return self._skip_line(is_last=is_last)
        return None

    def _is_suspect(self, data: bytes, survey: Survey) -> bool:
        return (
            not survey.is_well_quoted
            or survey.longest_quoted > self.record_cap_bytes
            or has_line_over(data, self.record_cap_bytes)
        )

    def _find_end(self) -> int:
        """Where to cut. What was searched in vain is not searched again for every block."""
        if self._searched_bytes:
            end = find_end(self._buffer, 0, self._searched_bytes)
        else:
            end = find_cut(self._buffer, self._limit_bytes)
        self._searched_bytes = 0 if end else self._buffer.rfind(b"\n") + 1
        return end

    def _emit_before_fault(self, data: bytes) -> Chunk | None:
        """Cuts before the first record that is too long or whose quotes are at fault, or skips
        its first line."""
        start = 0
        while start < len(data):
            end = find_end(data, start) or len(data)
            if end - start > self.record_cap_bytes or _joins_lines(data[start:end]):
                break
            start = end
        if start == 0:
            return self._skip_line(is_last=False)
        return self._emit(data[:start], survey_records(data[:start]))

    def _emit(self, data: bytes, survey: Survey) -> Chunk:
        self._limit_bytes = min(4 * self._limit_bytes, self.chunk_bytes)
        chunk = self._advance(len(data), data.count(b"\n"))
        return Chunk(*chunk, data, crc32(data), row_count=survey.row_count)

    def _skip_line(self, *, is_last: bool) -> Chunk | None:
        """Drops the line at hand, which may go on in later blocks, and refuses its record."""
        newline = self._buffer.find(b"\n")
        end = newline + 1 if newline >= 0 else len(self._buffer)
        self._skipped.add(bytes(self._buffer[:end]))
        is_whole = newline >= 0 or is_last
        if not is_whole:
            self._buffer.clear()
            return None
        skipped, self._skipped = self._skipped, _Skipped()
        reject = self._refuse(skipped)
        self._limit_bytes = min(CAREFUL_BYTES, self.chunk_bytes)
        chunk = self._advance(end, int(newline >= 0), skipped_bytes=skipped.length - end)
        return Chunk(*chunk, b"", skipped.checksum, rejects=(reject,))

    def _refuse(self, skipped: "_Skipped") -> Reject:
        start = self.position
        record = Record(start.line, start.byte_offset, skipped.head.rstrip(b"\r\n"), skipped.length)
        if skipped.length > self.record_cap_bytes:
            reason = f"the line is longer than {self.record_cap_bytes} bytes"
            return record.reject("record_too_large", reason)
        reason = (
            "a quote opens here, or closes, that has no match: the record would go on in lines"
            f" that are not its own, or be longer than {self.record_cap_bytes} bytes"
        )
        return record.reject("unclosed_quote", reason)

    def _advance(
        self, taken_bytes: int, line_count: int, *, skipped_bytes: int = 0
    ) -> tuple[int, int, int, int, int]:
        """Moves on; returns the chunk's number, its bytes and its lines."""
        del self._buffer[:taken_bytes]
        self._searched_bytes = 0
        seq, start, line = self.position.seq, self.position.byte_offset, self.position.line
        end = start + skipped_bytes + taken_bytes
        self.position = Position(seq + 1, end, line + line_count)
        return seq, start, end, line, line + line_count


class _Skipped:
    """A line that is not held, but for its beginning."""

    def __init__(self) -> None:
        self.length = 0
        self.checksum = 0
        self.head = b""

    def add(self, data: bytes) -> None:
        self.head += data[: KEPT_BYTES - len(self.head)]
        self.length += len(data)
        self.checksum = crc32(data, self.checksum)
        if self.length > LINE_CAP_BYTES:
            detail = f"a line is longer than {LINE_CAP_BYTES} bytes: this is no CSV"
            raise ImportFailure("too_large", detail)


def _joins_lines(record: bytes) -> bool:
    return b"\n" in record[:-1] and is_misquoted(record)


def find_cut(data: bytes | bytearray, limit: int) -> int:
    """The end of the last record that ends within `limit` bytes, else of the first one, else 0.

    `data` must start where a record starts.
    """
    end = data.rfind(b"\n", 0, limit) + 1
    quotes = data.count(b'"', 0, end)
    while end and quotes % 2:
        previous = data.rfind(b"\n", 0, end - 1) + 1
        quotes -= data.count(b'"', previous, end)
        end = previous
    return end or find_end(data, 0, min(limit, data.rfind(b"\n", 0, limit) + 1))
