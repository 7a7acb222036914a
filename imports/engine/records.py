"""The values that travel through the engine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, LiteralString

from psycopg import Cursor, sql

MIB = 2**20
KEPT_BYTES = 2**16  # of a rejected record's text; `raw_bytes` tells its full length


class ImportFailure(Exception):
    """Ends an import as `failed`: `code` for programs, `detail` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class Column:
    """One column of a dataset's file; `type` is PostgreSQL's name for it.

    `is_optional` columns may be missing from the file, `is_required` ones need a value in each
    row. `field` is the table's column, where that has another name. `bounds` tells people what
    the table's checks let in.
    """

    name: str
    type: LiteralString
    is_optional: bool = False
    is_required: bool = False
    field: str = ""
    bounds: str = ""

    @property
    def target(self) -> str:
        return self.field or self.name

    @property
    def label(self) -> str:
        """Its name for people: the file may have none for it."""
        return self.name or self.target


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

    `row_count` is how many records `data` holds, blank lines included. `rejects` are records that
    cannot be held or told apart, which `data` leaves out, but not `crc32`: that is of all the
    bytes. `source_bytes` is how much of the source was read when the chunk was cut: of a
    compressed one less than `byte_end`.
    """

    seq: int
    byte_start: int
    byte_end: int
    line_start: int
    line_end: int
    data: bytes
    crc32: int
    row_count: int = 0
    rejects: tuple[Reject, ...] = ()
    source_bytes: int = 0


@dataclass(frozen=True)
class Prepared:
    """What a dataset made of one chunk: rows for its staging table, and rejects."""

    rows: Sequence[tuple[Any, ...]]
    rejects: Sequence[Reject]


@dataclass(frozen=True)
class Loaded:
    """What became of one chunk: how many of its records are rows now, and those that are not."""

    row_count: int
    rejects: Sequence[Reject]


@dataclass(frozen=True)
class Staging:
    """The table of its own that an import loads into, in a schema where nobody looks."""

    import_id: int
    name: str

    @property
    def table(self) -> sql.Identifier:
        return sql.Identifier("staging", self.name)

    @property
    def path(self) -> str:
        """For a cast to regclass."""
        return f"staging.{self.name}"


@dataclass(frozen=True)
class Dataset:
    """All that the engine needs to know of a dataset.

    Without `prepare`, the bytes of the file go to PostgreSQL as they are, which reads them by the
    columns' types and, where a time names no offset, in `time_zone`. With `prepare(chunk, header)`
    they are turned into rows in the order of `staging_columns`; it touches no database, so that
    loaders may run it side by side.

    `create_staging(cursor, staging)` makes the import's own table. `finish(cursor, staging)` is
    what it still needs when all rows are in, done before the transaction that publishes, perhaps
    twice. `publish(cursor, staging, replaced)` moves its rows to `table`, takes the place of the
    rows of `replaced` imports, and returns how many rows are new, or None for all; afterwards
    nothing is left in the schema of staging tables. Where `is_merged`, rows are told by a natural
    key and may belong to several imports: a forced import replaces none of them. Where
    `is_upserted`, they also have the values of whichever import came last.
    `discard(cursor, staging)` removes the rows of an import that was published.
    Where `is_ordered`, rows come into the staging table in the order of the file.
    `write_sample(rows, seed=…, bad=…)` yields a generated file of the dataset's form, as bytes.
    """

    name: str
    table: str
    columns: tuple[Column, ...]
    create_staging: Callable[[Cursor[Any], Staging], None]
    publish: Callable[[Cursor[Any], Staging, Sequence[Staging]], int | None]
    discard: Callable[[Cursor[Any], Staging], None]
    write_sample: Callable[..., Iterator[bytes]]
    finish: Callable[[Cursor[Any], Staging], None] = lambda cursor, staging: None
    prepare: Callable[[Chunk, Sequence[str]], Prepared] | None = None
    staging_columns: tuple[str, ...] = ()
    record_cap_bytes: int = MIB
    time_zone: str = "UTC"
    is_merged: bool = False
    is_upserted: bool = False
    is_ordered: bool = False

    def staging(self, import_id: int) -> Staging:
        return Staging(import_id, f"{self.name}_{import_id}")

    @property
    def columns_by_name(self) -> Mapping[str, Column]:
        return MappingProxyType({column.name: column for column in self.columns})
