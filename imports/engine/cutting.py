"""Bytes into chunks: cut only at a newline at even quote parity, counted from a record's start."""

from collections.abc import Iterator
from dataclasses import dataclass

from imports.engine.records import KEPT_BYTES, MIB, Chunk, Record, Reject

CHUNK_BYTES = 4 * MIB


@dataclass(frozen=True)
class Position:
    """Where the next record starts: the chunk's number, the byte and the physical line."""

    seq: int
    byte_offset: int
    line: int


class Cutter:
    """Cuts blocks of bytes, whose first starts at `start`, into chunks of whole records.

    Holds at most `record_cap_bytes` + `chunk_bytes` and a block. A record that does not end within
    the cap is rejected, and reading goes on at its second physical line: an unclosed quote then
    costs the line that it stands in, not the rest of the file. A chunk's worth of bytes is looked
    at as one, so a cap below `chunk_bytes` bites only beyond that.
    """

    def __init__(
        self, start: Position, *, record_cap_bytes: int = MIB, chunk_bytes: int = CHUNK_BYTES
    ) -> None:
        self.position = start
        self.record_cap_bytes = record_cap_bytes
        self.chunk_bytes = chunk_bytes
        self._buffer = bytearray()
        self._searched_bytes = 0  # of the buffer, in which no record ends
        self._skipped_bytes = 0  # of the record that is being skipped, whose head is kept
        self._head = b""

    def cut(self, blocks: Iterator[bytes]) -> Iterator[Chunk]:
        """The chunks, in order and without a gap: each starts where the one before it ends."""
        for block in blocks:
            self._buffer += block
            while len(self._buffer) >= self.chunk_bytes and (chunk := self._take(is_last=False)):
                yield chunk
        while (self._buffer or self._skipped_bytes) and (chunk := self._take(is_last=True)):
            yield chunk

    def _take(self, *, is_last: bool) -> Chunk | None:
        """The next chunk, or None where more bytes are needed."""
        if self._skipped_bytes:
            return self._skip(is_last=is_last)
        if is_last and len(self._buffer) <= min(self.chunk_bytes, self.record_cap_bytes):
            return self._emit(len(self._buffer))
        if end := self._find_end():
            is_too_long = end > max(self.chunk_bytes, self.record_cap_bytes)
            return self._skip(is_last=is_last) if is_too_long else self._emit(end)
        if len(self._buffer) > self.record_cap_bytes:
            return self._skip(is_last=is_last)
        return self._emit(len(self._buffer)) if is_last else None

    def _find_end(self) -> int:
        """Where to cut. What was searched in vain is not searched again for every block."""
        if self._searched_bytes:
            end = find_first_cut(self._buffer, self._searched_bytes)
        else:
            end = find_cut(self._buffer, self.chunk_bytes)
        self._searched_bytes = 0 if end else self._buffer.rfind(b"\n") + 1
        return end

    def _emit(self, end: int) -> Chunk:
        data = bytes(self._buffer[:end])
        return self._advance(end, data.count(b"\n"), data=data)

    def _skip(self, *, is_last: bool) -> Chunk | None:
        """Drops the line at hand, which may go on in later blocks, and refuses its record."""
        newline = self._buffer.find(b"\n")
        end = newline + 1 if newline >= 0 else len(self._buffer)
        self._head = self._head or bytes(self._buffer[: min(end, KEPT_BYTES)])
        if newline < 0 and not is_last:
            self._skipped_bytes += end
            self._buffer.clear()
            return None
        length = self._skipped_bytes + end
        record = Record(
            self.position.line, self.position.byte_offset, self._head.rstrip(b"\r\n"), length
        )
        reason = f"the record is longer than {self.record_cap_bytes} bytes (an unclosed quote?)"
        self._skipped_bytes, self._head = 0, b""
        return self._advance(
            end,
            int(newline >= 0),
            skipped_bytes=length - end,
            rejects=(record.reject("record_too_large", reason),),
        )

    def _advance(
        self,
        taken_bytes: int,
        line_count: int,
        *,
        data: bytes = b"",
        skipped_bytes: int = 0,
        rejects: tuple[Reject, ...] = (),
    ) -> Chunk:
        del self._buffer[:taken_bytes]
        self._searched_bytes = 0
        seq, start, line = self.position.seq, self.position.byte_offset, self.position.line
        end = start + skipped_bytes + taken_bytes
        self.position = Position(seq + 1, end, line + line_count)
        return Chunk(seq, start, end, line, line + line_count, data, rejects)


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
    return end or find_first_cut(data, limit)


def find_first_cut(data: bytes | bytearray, start: int) -> int:
    """The end of the first record that ends after `start`, else 0."""
    quotes = data.count(b'"', 0, start)
    while end := data.find(b"\n", start) + 1:
        quotes += data.count(b'"', start, end)
        if quotes % 2 == 0:
            return end
        start = end
    return 0
