"""The values that travel through the engine, and how a chunk is read record by record."""

import csv
import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Cursor, sql

MIB = 2**20
BLANK = frozenset({b""})


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
    the start of the file. `byte_length` is larger than `raw` where only its beginning is kept.
    """

    line: int
    byte_offset: int
    raw: bytes
    byte_length: int

    def refuse(self, code: str, reason: str, column: str = "") -> "Refusal":
        return Refusal(self, code, reason, column)


@dataclass(frozen=True)
class Refusal:
    """A record that is not loaded, and why."""

    record: Record
    code: str
    reason: str
    column: str = ""


@dataclass(frozen=True)
class Chunk:
    """Whole records: bytes [byte_start, byte_end) and lines [line_start, line_end) of the file.

    `refusals` are records too long to be held, which `data` leaves out.
    """

    seq: int
    byte_start: int
    byte_end: int
    line_start: int
    line_end: int
    data: bytes
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """What a dataset made of one chunk: rows for its staging table, and refusals."""

    rows: Sequence[tuple[Any, ...]]
    refusals: Sequence[Refusal]


@dataclass(frozen=True)
class Dataset:
    """All that the engine needs to know of a dataset.

    `prepare(chunk, header)` turns a chunk's bytes into rows of the staging table, in the order of
    `staging_columns`; it touches no database, so that loaders may run it side by side.
    `create_staging(cursor, table)` makes the import's own table. `publish(cursor, table,
    import_id)` moves its rows to where they are seen and returns how many of them are new.
    `write_sample(rows, seed, bad)` yields a generated file of the dataset's form, as bytes.
    """

    name: str
    columns: tuple[Column, ...]
    staging_columns: tuple[str, ...]
    prepare: Callable[[Chunk, Sequence[str]], Prepared]
    create_staging: Callable[[Cursor[Any], sql.Identifier], None]
    publish: Callable[[Cursor[Any], sql.Identifier, int], int]
    write_sample: Callable[[int, int, float], Iterator[bytes]]
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
) -> Iterator[tuple[Record, dict[str, str]] | Refusal]:
    """The chunk's records, each with its fields by column name, or refused. Blank lines are none.

    An unclosed quote swallows the lines after it: of such a record only its first line is refused,
    and reading goes on at the second.
    """
    lines = chunk.data.split(b"\n")
    index, offset = 0, chunk.byte_start
    while index < len(lines):
        count = _count_lines(lines, index)
        record = _join_lines(lines[index : index + count], chunk.line_start + index, offset)
        row = None if record.raw in BLANK else _read_row(record, header)
        if isinstance(row, Refusal) and row.code == "bad_csv" and count > 1:
            count = 1
            record = _join_lines(lines[index : index + 1], record.line, offset)
            row = record.refuse("unclosed_quote", "a quote opens here that does not close")
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
        [fields] = csv.reader(io.StringIO(text, newline=""), strict=True)
    except (csv.Error, ValueError) as error:
        raise RecordError("bad_csv", "the quotes of this record do not match") from error
    return fields


def _count_lines(lines: Sequence[bytes], start: int) -> int:
    """How many physical lines the record has that starts at line `start`: quotes must close."""
    is_open = False
    for count, line in enumerate(itertools.islice(lines, start, None), start=1):
        is_open ^= line.count(b'"') % 2 == 1
        if not is_open:
            return count
    return len(lines) - start


def _join_lines(lines: Sequence[bytes], line: int, byte_offset: int) -> Record:
    raw = b"\n".join(lines).removesuffix(b"\r")
    return Record(line, byte_offset, raw, len(raw))


def _read_row(record: Record, header: Sequence[str]) -> tuple[Record, dict[str, str]] | Refusal:
    try:
        fields = parse_record(record.raw)
    except RecordError as error:
        return record.refuse(error.code, error.reason)
    if len(fields) != len(header):
        code = "missing_columns" if len(fields) < len(header) else "extra_columns"
        return record.refuse(code, f"{len(fields)} columns where the header has {len(header)}")
    return record, dict(zip(header, fields, strict=True))
