"""The exact path: which records of a chunk PostgreSQL refuses, and why.

A pattern made of the columns' types passes over the rows that are surely fine and names the rest as
suspects. PostgreSQL stays the one judge: it reads the fine rows by COPY, and each suspect by itself
in a function that catches its own errors, so that one round trip judges them all.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import sql

from imports.engine.csvrows import (
    RecordError,
    find_end,
    name_place,
    split_fields,
    split_records,
    survey_records,
)
from imports.engine.records import Chunk, Column, Loaded, Record, Reject, Staging

# Forms that are surely read, and in range; all else goes to the judge. Of bytes above 0x7f only
# those that are UTF-8 whatever comes next to them.
PLAIN = rb"[\x20\x21\x23-\x2b\x2d-\x7e]"
BEYOND_ASCII = rb"[\xc2-\xdf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
MONTH_AND_DAY = (
    rb"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    rb"|(?:0[13578]|1[02])-31)"
)
CLOCK = rb"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6}+)?+"
FORMS = {
    "text": PLAIN + rb"*+(?:(?:" + BEYOND_ASCII + rb")++" + PLAIN + rb"*+)*+",
    "integer": rb"-?[0-9]{1,9}+",
    "bigint": rb"-?[0-9]{1,18}+",
    "numeric": rb"-?[0-9]{1,30}+(?:\.[0-9]{1,30}+)?+",
    "boolean": rb"(?i:true|false)",
    "timestamptz": rb"(?:19[0-9]|20[0-9]|21[0-8])[0-9]-" + MONTH_AND_DAY + rb"[ T]" + CLOCK,
}
QUOTED_TEXT = rb'"(?:[\x20\x21\x23-\x7e\r\n]++|""|' + BEYOND_ASCII + rb')*+"'
# So few are judged one by one where COPY refuses what the pattern let pass.
FEW_RECORDS = 64

CHECK_VIOLATION = "23514"
CODES = {
    "22P02": "invalid_value",
    "22007": "invalid_value",
    "22008": "out_of_range",
    "22003": "out_of_range",
    "23502": "missing_value",
    CHECK_VIOLATION: "out_of_range",
}


class Refused(Exception):
    """PostgreSQL did not take the bytes as they are."""


def copy_bytes(
    cursor: psycopg.Cursor[Any], staging: Staging, columns: Sequence[Column], data: bytes
) -> int:
    """COPYs CSV records and returns how many. Raises Refused, which aborts the transaction."""
    if not data:
        return 0
    targets = sql.SQL(", ").join(sql.Identifier(column.target) for column in columns)
    # An empty field is NULL, also where a program put quotes around it.
    query = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, FORCE_NULL ({}))")
    try:
        with cursor.copy(query.format(staging.table, targets, targets)) as copy:
            copy.write(data)
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise Refused from error
    # A line of `\.` ends the data, and what comes after it would be lost without a word.
    if cursor.rowcount != survey_records(data).row_count:
        raise Refused
    return cursor.rowcount


@dataclass(frozen=True)
class Suspects:
    """A chunk's bytes in two: records that are surely fine, and records that may not be."""

    fine: bytes
    suspects: Sequence[Record]


@dataclass(frozen=True)
class Reading:
    """Records with as many fields as there are columns, and those that cannot be read so."""

    rows: Sequence[tuple[Record, list[str | None]]]
    rejects: Sequence[Reject]


def find_suspects(chunk: Chunk, columns: Sequence[Column]) -> Suspects:
    """Blank lines are no records, and in neither part."""
    skip_fine = compile_pattern(tuple(columns)).match
    data = chunk.data
    fine: list[bytes] = []
    suspects: list[Record] = []
    start, line = 0, chunk.line_start
    while start < len(data):
        fault = skip_fine(data, start).end()  # type: ignore[union-attr]  # it matches nothing, too
        fine.append(data[start:fault])
        line += data.count(b"\n", start, fault)
        if fault == len(data):
            break
        start = find_end(data, fault) or len(data)
        raw = data[fault:start].removesuffix(b"\n").removesuffix(b"\r")
        if raw:
            suspects.append(Record(line, chunk.byte_start + fault, raw, len(raw)))
        line += data.count(b"\n", fault, start)
    return Suspects(b"".join(fine), suspects)


@lru_cache(maxsize=16)
def compile_pattern(columns: tuple[Column, ...]) -> re.Pattern[bytes]:
    """As many whole records as are surely fine, one after the other."""
    fields = b",".join(_write_field_pattern(column) for column in columns)
    return re.compile(rb"(?:(?!\\\.)" + fields + rb"(?:\r?\n|\Z))*+")


def _write_field_pattern(column: Column) -> bytes:
    forms = [FORMS[column.type]]
    if column.type == "text":
        forms = [QUOTED_TEXT, *forms]
        if column.is_required:
            return rb"(?![,\r\n])(?!\"\")(?:" + b"|".join(forms) + rb")"
    elif not column.is_required:
        forms.append(b"")
    return rb"(?:" + b"|".join(forms) + rb")"


def read_records(records: Sequence[Record], columns: Sequence[Column]) -> Reading:
    header = [column.label for column in columns]
    rows: list[tuple[Record, list[str | None]]] = []
    rejects: list[Reject] = []
    for record in records:
        try:
            rows.append((record, _read_fields(record, len(columns))))
        except RecordError as error:
            place = name_place(header, error.place)
            rejects.append(record.reject(error.code, error.reason, place))
    return Reading(rows, rejects)


def _read_fields(record: Record, count: int) -> list[str | None]:
    fields = split_fields(record.raw)
    if len(fields) != count:
        is_short = len(fields) < count
        reason = f"{len(fields)} columns where the header has {count}"
        code = "missing_columns" if is_short else "extra_columns"
        raise RecordError(code, reason, len(fields) if is_short else None)
    return [field or None for field in fields]


@dataclass(frozen=True)
class Judge:
    """Loads chunks into one staging table, over one connection, inside its caller's transaction."""

    cursor: psycopg.Cursor[Any]
    staging: Staging
    columns: tuple[Column, ...]

    def load(self, chunk: Chunk, found: Suspects, reading: Reading) -> Loaded:
        """Loads every record that can be read, and says why the others cannot.

        `reading` is of the suspects. Both are made before the transaction, which must not stand
        idle for as long as that may take.
        """
        self._create_function()
        rejects = list(self._judge(reading))
        row_count = len(found.suspects) - len(rejects)
        try:
            with self.cursor.connection.transaction():
                row_count += copy_bytes(self.cursor, self.staging, self.columns, found.fine)
        except Refused:
            seen = {record.byte_offset for record in found.suspects}
            fine = [record for record in list_records(chunk) if record.byte_offset not in seen]
            refused = list(self._halve(fine))
            row_count += len(fine) - len(refused)
            rejects += refused
        return Loaded(row_count, (*chunk.rejects, *rejects))

    def load_in_order(self, chunk: Chunk, records: Sequence[Record]) -> Loaded:
        """The same, each row after those before it in the file, which costs more."""
        self._create_function()
        refused = list(self._halve(records))
        return Loaded(len(records) - len(refused), (*chunk.rejects, *refused))

    def _halve(self, records: Sequence[Record]) -> Iterator[Reject]:
        """Copies the records, in ever smaller parts where PostgreSQL refuses them."""
        if len(records) <= FEW_RECORDS:
            yield from self._judge(read_records(records, self.columns))
            return
        try:
            with self.cursor.connection.transaction():
                data = b"".join(record.raw + b"\n" for record in records)
                copy_bytes(self.cursor, self.staging, self.columns, data)
        except Refused:
            middle = len(records) // 2
            yield from self._halve(records[:middle])
            yield from self._halve(records[middle:])

    def _judge(self, reading: Reading) -> Iterator[Reject]:
        """Loads what PostgreSQL takes of these, each by itself."""
        yield from reading.rejects
        if reading.rows:
            # In binary: as text each quote would be escaped, while the transaction stands idle.
            query = "SELECT number, state, message, field, place FROM pg_temp.judge(%b::text[][])"
            fields = [fields for _, fields in reading.rows]
            for number, *refusal in self.cursor.execute(query, [fields]).fetchall():
                record, _ = reading.rows[number - 1]
                yield self._explain(record, *refusal)

    def _explain(self, record: Record, state: str, message: str, field: str, place: int) -> Reject:
        found = (column for column in self.columns if column.target == field)
        column = next(found, self.columns[place - 1])
        code = CODES.get(state, "invalid_value")
        if code == "missing_value":
            message = f"{column.label} is empty"
        elif state == CHECK_VIOLATION and column.bounds:
            message = f"{column.label} must be {column.bounds}"
        return record.reject(code, message, column.label)

    def _create_function(self) -> None:
        """Each session has its own, made anew for each chunk: a rollback takes it away."""
        values = [sql.Identifier(f"v{place}") for place, _ in enumerate(self.columns, 1)]
        steps = [
            sql.SQL("place := {0}; {1} := fields[{0}];").format(sql.Literal(place), value)
            for place, value in enumerate(values, 1)
        ]
        variables = [
            sql.SQL("{} {};").format(value, sql.SQL(column.type))
            for value, column in zip(values, self.columns, strict=True)
        ]
        body = JUDGE.format(
            variables=sql.SQL(" ").join(variables),
            steps=sql.SQL(" ").join(steps),
            table=self.staging.table,
            table_name=sql.Literal(self.staging.path),
            targets=sql.SQL(", ").join(sql.Identifier(column.target) for column in self.columns),
            values=sql.SQL(", ").join(values),
        )
        self.cursor.execute(
            sql.SQL(
                """
                CREATE OR REPLACE FUNCTION pg_temp.judge(records text[][])
                RETURNS TABLE (number int, state text, message text, field text, place int)
                LANGUAGE plpgsql AS {}
                """
            ).format(sql.Literal(body.as_string(self.cursor)))
        )


# Each assignment reads a text as its column's type, by the function that COPY calls too.
JUDGE = sql.SQL(
    """
    DECLARE
        fields text[];
        rule text;
        {variables}
    BEGIN
        number := 0;
        FOREACH fields SLICE 1 IN ARRAY records LOOP
            number := number + 1;
            BEGIN
                {steps}
                INSERT INTO {table} ({targets}) VALUES ({values});
            EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
                GET STACKED DIAGNOSTICS
                    message = MESSAGE_TEXT, field = COLUMN_NAME, rule = CONSTRAINT_NAME;
                state := SQLSTATE;
                IF rule <> '' THEN
                    field := (SELECT attname FROM pg_constraint
                                JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
                               WHERE conrelid = {table_name}::regclass AND conname = rule);
                END IF;
                RETURN NEXT;
            END;
        END LOOP;
    END
    """
)


def list_records(chunk: Chunk) -> list[Record]:
    """Blank lines are no records."""
    return [record for record in split_records(chunk) if record.raw]
