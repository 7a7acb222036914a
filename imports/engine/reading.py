"""A source's chunks that are not committed yet, whatever form it has and however often it breaks
off."""

import bisect
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter

from imports.engine.copying import Ledger
from imports.engine.cutting import Known, Position, cut_source
from imports.engine.headers import read_header
from imports.engine.records import Chunk, Dataset, ImportFailure
from imports.engine.sources import Rewound, Source
from imports.engine.unpacking import CSV, PARQUET, detect_format, unpack

FIRST_ROW_LINE = 2


class Reader:
    """Reads an open source, from a gap in the ledger or from its beginning.

    `header` and `form` are what they were before, or empty; after the first chunk was asked for
    they are known. `reach(bytes)` is told how much of the source is read.
    """

    def __init__(
        self, source: Source, dataset: Dataset, ledger: Ledger, *, reach: Callable[[int], None]
    ) -> None:
        self.header: tuple[str, ...] = ()
        self.form = ""
        self.rows_start = 0
        self.expected_sha256 = ""
        self.max_bytes = 2**62
        self._source = source
        self._dataset = dataset
        self._ledger = ledger
        self._known = list(ledger.known)
        self._seq = ledger.next_seq
        self._reach = reach
        self._digest = hashlib.sha256()
        self._row_count = 0  # of a Parquet file
        self._pass: tuple[Position, Sequence[Known], Iterator[bytes]] | None = None

    def open(self) -> None:
        """Reads up to the first row. Raises ImportFailure where this is not the dataset's file, or
        not the one it was."""
        while self._pass is None:
            try:
                self._pass = self._begin()
            except Rewound:
                continue

    def chunks(self) -> Iterator[Chunk]:
        """The chunks that are missing. Raises ImportFailure, SourceAborted."""
        while True:
            try:
                self.open()
                yield from self._cut()
                break
            except Rewound:
                self._pass = None
        self._reach(self._source.position)
        self._check_length()
        self._check_digest()

    def _begin(self) -> tuple[Position, Sequence[Known], Iterator[bytes]]:
        gap = self._ledger.find_gap()
        if self._source.position and gap:
            return *gap, self._source.blocks()
        form, blocks = detect_format(self._hash(self._source.blocks()))
        if form == PARQUET:
            blocks = self._watch(blocks)
        blocks = unpack(form, blocks, max_bytes=self.max_bytes, on_size=self._note_rows)
        header, blocks = read_header(blocks, self._dataset)
        if self.header and (self.form, self.header) != (form, header.columns):
            raise ImportFailure("source_changed", "its form or its header is not what it was")
        self.form, self.header = form, header.columns
        self.rows_start = header.first_row.byte_offset
        return replace(header.first_row, seq=self._seq), self._known, blocks

    def _cut(self) -> Iterator[Chunk]:
        assert self._pass is not None  # noqa: S101 (`open` was called)
        position, known, blocks = self._pass
        cap = self._dataset.record_cap_bytes
        for chunk in cut_source(blocks, position, tuple(known), record_cap_bytes=cap):
            self._seq = chunk.seq + 1
            found = Known(chunk.byte_start, chunk.byte_end, chunk.line_end, chunk.crc32)
            bisect.insort(self._known, found, key=attrgetter("byte_start"))
            yield replace(chunk, source_bytes=self._measure(chunk))

    def _hash(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        if not self.expected_sha256:
            return blocks
        self._digest = hashlib.sha256()
        return self._hash_blocks(blocks)

    def _hash_blocks(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._digest.update(block)
            yield block

    def _check_length(self) -> None:
        """Every byte that was announced came, and no more: what is cut off may look whole."""
        total, found = self._source.validators.total_bytes, self._source.position
        if total not in {None, found}:
            raise ImportFailure("source_changed", f"{found} bytes came where {total} were told")

    def _check_digest(self) -> None:
        found = self._digest.hexdigest()
        if self.expected_sha256 and found != self.expected_sha256.lower():
            detail = f"the sha256 is {found}, expected was {self.expected_sha256}"
            raise ImportFailure("checksum", detail)

    # A Parquet file is half done when it is fetched, and done when its rows are loaded.

    def _watch(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._reach(self._source.position // 2)
            yield block

    def _note_rows(self, row_count: int) -> None:
        self._row_count = row_count

    def _measure(self, chunk: Chunk) -> int:
        if self.form == CSV:
            return chunk.byte_end
        if self.form == PARQUET and self._row_count:
            rows = min(chunk.line_end - FIRST_ROW_LINE, self._row_count)
            return (self._source.position + self._source.position * rows // self._row_count) // 2
        return self._source.position
