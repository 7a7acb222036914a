"""The values that travel through the engine, and how a chunk is read record by record."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Cursor, sql

MIB = 2**20
KEPT_BYTES = 2**16  # of a rejected record's text; `raw_bytes` tells its full length
# What a record of several lines is refused for when a quote was not closed or not opened.
MISSED_QUOTES = frozenset({"bad_csv", "line_break"})


class ImportFailure(Exception):
    """Ends an import as `failed`: `code` for programs, `detail` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class Column:
    """One column of a dataset's file; `type` is PostgreSQL's name for it."""

    name: str
    type: str
    is_optional: bool = False


@dataclass(frozen=True)
class Record:
    """One CSV record as it stands in the file, without its line ending.

    `line` is the physical line where it starts (the header is line 1), `byte_offset` counts from
    the start of the file. `raw_bytes` is larger than `raw` where only its beginning is kept.
    """

    line: int
    byte_offset: int
    raw: bytes
    raw_bytes: int

    def reject(self, code: str, reason: str, column: str = "") -> "Reject":
        return Reject(self, code, reason, column)


@dataclass(frozen=True)
class Reject:
    """A record that is not loaded, and why."""

    record: Record
    code: str
    reason: str
    column: str = ""


@dataclass(frozen=True)
class Chunk:
    """Whole records: bytes [byte_start, byte_end) and lines [line_start, line_end) of the file.

    `rejects` are records too long to be held, which `data` leaves out.
    """

    seq: int
    byte_start: int
    byte_end: int
    line_start: int
    line_end: int
    data: bytes
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """What a dataset made of one chunk: rows for its staging table, and rejects."""

    rows: Sequence[tuple[Any, ...]]
    rejects: Sequence[Reject]


@dataclass(frozen=True)
class Dataset:
    """All that the engine needs to know of a dataset.

    `prepare(chunk, header)` turns a chunk's bytes into rows of the staging table, in the order of
    `staging_columns`; it touches no database, so that loaders may run it side by side.
    `create_staging(cursor, table)` makes the import's own table. `publish(cursor, table,
    import_id)` moves its rows to where they are seen and returns how many of them are new.
    `write_sample(rows, seed=…, bad=…)` yields a generated file of the dataset's form, as bytes.
    """

    name: str
    columns: tuple[Column, ...]
    staging_columns: tuple[str, ...]
    prepare: Callable[[Chunk, Sequence[str]], Prepared]
    create_staging: Callable[[Cursor[Any], sql.Identifier], None]
    publish: Callable[[Cursor[Any], sql.Identifier, int], int]
    write_sample: Callable[..., Iterator[bytes]]
    record_cap_bytes: int = MIB

    def staging_table(self, import_id: int) -> sql.Identifier:
        return sql.Identifier("staging", f"{self.name}_{import_id}")


class RecordError(ValueError):
    """A record that is not CSV of the header's form: `code`, and a reason for the sender."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def read_rows(
    chunk: Chunk, header: Sequence[str]
) -> Iterator[tuple[Record, dict[str, str]] | Reject]:
    """The chunk's records, each with its fields by column name, or refused. Blank lines are none.

    An unclosed quote swallows the lines after it: of such a record only its first line is refused,
    and reading goes on at the second.
    """
    lines = chunk.data.split(b"\n")
    index, offset = 0, chunk.byte_start
    while index < len(lines):
        count = _count_lines(lines, index)
        record = _join_lines(lines[index : index + count], chunk.line_start + index, offset)
        row = _read_row(record, header) if record.raw else None
        if isinstance(row, Reject) and row.code in MISSED_QUOTES and count > 1:
            count = 1
            record = _join_lines(lines[index : index + 1], record.line, offset)
            row = record.reject("unclosed_quote", "a quote opens here that does not close")
        if row is not None:
            yield row
        offset += sum(len(line) + 1 for line in lines[index : index + count])
        index += count


def parse_record(raw: bytes) -> list[str]:
    """The fields of one CSV record in UTF-8. Raises RecordError with a code and a reason."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        reason = f"byte {error.start + 1} of the record is not UTF-8"
        raise RecordError("invalid_utf8", reason) from error
    if "\0" in text:
        raise RecordError("null_byte", "the record holds a NUL byte, which PostgreSQL cannot store")
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise RecordError("bad_csv", "the quotes of this record do not match") from error
    if len(records) != 1:
        raise RecordError("line_break", "a line break stands outside quotes")
    return records[0]


def _count_lines(lines: Sequence[bytes], start: int) -> int:
    """How many physical lines the record has that starts at line `start`: quotes must close."""
    is_open = False
    for index in range(start, len(lines)):
        is_open ^= lines[index].count(b'"') % 2 == 1
        if not is_open:
            return index + 1 - start
    return len(lines) - start


def _join_lines(lines: Sequence[bytes], line: int, byte_offset: int) -> Record:
    raw = b"\n".join(lines).removesuffix(b"\r")
    return Record(line, byte_offset, raw, len(raw))


def _read_row(record: Record, header: Sequence[str]) -> tuple[Record, dict[str, str]] | Reject:
    try:
        fields = parse_record(record.raw)
    except RecordError as error:
        return record.reject(error.code, error.reason)
    if len(fields) != len(header):
        code = "missing_columns" if len(fields) < len(header) else "extra_columns"
        return record.reject(code, f"{len(fields)} columns where the header has {len(header)}")
    return record, dict(zip(header, fields, strict=True))
