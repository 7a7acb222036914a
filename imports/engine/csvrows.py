"""CSV as PostgreSQL reads it: records, their quotes and their fields.

A quote opens and closes wherever it stands (COPY reads it so too), and a newline ends a record
where as many quotes closed as opened.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imports.engine.records import Chunk, Record, Reject

# A quote that opens inside a field, or closes before its end: somebody forgot another one.
# Looked for where the text between quotes was taken out.
MISPLACED_QUOTE = re.compile(rb'[^,\n"]"|"[^,\r\n"]')


class RecordError(ValueError):
    """A record that is not CSV of the header's form: `code`, a reason for the sender, and the
    number of the column that is at fault, from 0, where it is one."""

    def __init__(self, code: str, reason: str, place: int | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.place = place


@dataclass(frozen=True)
class Survey:
    """What can be told of whole records without reading them: how many there are, whether all
    quotes stand at the ends of fields, and how long the longest quoted text may be."""

    row_count: int
    is_well_quoted: bool
    longest_quoted: int


def survey_records(data: bytes) -> Survey:
    if b'"' not in data:
        return Survey(_count_newlines(data), is_well_quoted=True, longest_quoted=0)
    parts = data.split(b'"')
    outside = b'"'.join(parts[::2])
    return Survey(
        _count_newlines(outside),
        is_well_quoted=MISPLACED_QUOTE.search(outside) is None,
        longest_quoted=max(map(len, parts[1::2]), default=0),
    )


def _count_newlines(data: bytes) -> int:
    """The last record may go without."""
    return data.count(b"\n") + (not data.endswith(b"\n") and bool(data))


def find_end(data: bytes | bytearray, start: int, searched: int | None = None) -> int:
    """The end of the record that starts at `start`, behind its newline, else 0.

    Up to `searched` no record ends.
    """
    position = start if searched is None else searched
    quotes = data.count(b'"', start, position)
    while end := data.find(b"\n", position) + 1:
        quotes += data.count(b'"', position, end)
        if quotes % 2 == 0:
            return end
        position = end
    return 0


def has_line_over(data: bytes, cap_bytes: int) -> bool:
    """Whether a line may be longer than the cap: surely not where this says no."""
    window = max(1, cap_bytes // 2)
    return any(
        data.find(b"\n", start, start + window) < 0
        for start in range(0, len(data) - window, window)
    )


def is_misquoted(record: bytes) -> bool:
    """Whether the quotes of a record of several lines are not those of one record: a quote that
    was never closed, or never opened, joined lines that do not belong together."""
    parts = record.split(b'"')
    return len(parts) % 2 == 0 or MISPLACED_QUOTE.search(b'"'.join(parts[::2])) is not None


def split_fields(raw: bytes) -> list[str]:
    """The fields of one record as COPY tells them apart: a quote in the middle of a field opens
    and closes too. Raises RecordError."""
    parts = _decode_record(raw).split('"')
    fields: list[list[str]] = [
        []
    ]  # each in pieces: adding texts up would copy them again and again
    for index, part in enumerate(parts):
        if index % 2:
            fields[-1].append(part)
        elif not part and 0 < index < len(parts) - 1:
            fields[-1].append('"')  # two quotes within a quoted text are one
        elif "\r" in part:
            raise RecordError("line_break", "a line break stands outside quotes")
        else:
            first, *others = part.split(",")
            fields[-1].append(first)
            fields += [[other] for other in others]
    return ["".join(pieces) for pieces in fields]


def _decode_record(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        reason = f"byte {error.start + 1} of the record is not UTF-8"
        raise RecordError("invalid_utf8", reason, _find_place(raw, error.start)) from error
    if "\0" in text:
        reason = "the record holds a NUL byte, which PostgreSQL cannot store"
        raise RecordError("null_byte", reason, _find_place(raw, raw.index(b"\0")))
    return text


def _find_place(raw: bytes, offset: int) -> int:
    """Which column that byte stands in."""
    return sum(part.count(b",") for part in raw[:offset].split(b'"')[::2])


def parse_record(raw: bytes) -> list[str]:
    """The fields of one CSV record in UTF-8, by the strict form of CSV. Raises RecordError."""
    text = _decode_record(raw)
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise RecordError("bad_csv", "the quotes of this record do not match") from error
    if len(records) != 1:
        raise RecordError("line_break", "a line break stands outside quotes")
    return records[0]


def read_rows(
    chunk: Chunk, header: Sequence[str]
) -> Iterator[tuple[Record, dict[str, str]] | Reject]:
    """The chunk's records, each with its fields by column name, or refused.

    Blank lines are no records.
    """
    for record in split_records(chunk):
        if record.raw:
            yield _read_row(record, header)


def split_records(chunk: Chunk) -> Iterator[Record]:
    """The chunk's records, without their line endings."""
    start, line = 0, chunk.line_start
    while start < len(chunk.data):
        record = cut_record(chunk, start, line)
        yield record
        end = find_end(chunk.data, start) or len(chunk.data)
        line += chunk.data.count(b"\n", start, end)
        start = end


def cut_record(chunk: Chunk, start: int, line: int) -> Record:
    """The record that starts at byte `start` of the chunk's data."""
    end = find_end(chunk.data, start) or len(chunk.data)
    raw = chunk.data[start:end].removesuffix(b"\n").removesuffix(b"\r")
    return Record(line, chunk.byte_start + start, raw, len(raw))


def name_place(header: Sequence[str], place: int | None) -> str:
    """The column with that number, or nothing where there is none."""
    return "" if place is None or place >= len(header) else header[place]


def _read_row(record: Record, header: Sequence[str]) -> tuple[Record, dict[str, str]] | Reject:
    try:
        fields = parse_record(record.raw)
    except RecordError as error:
        return record.reject(error.code, error.reason, name_place(header, error.place))
    if len(fields) != len(header):
        code = "missing_columns" if len(fields) < len(header) else "extra_columns"
        return record.reject(code, f"{len(fields)} columns where the header has {len(header)}")
    return record, dict(zip(header, fields, strict=True))
