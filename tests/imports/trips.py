"""Rows of trips, and how PostgreSQL judges each of them by itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from explorer.samples import HEADER, write_trips
from imports.datasets import datasets
from imports.engine.csvrows import split_records
from imports.engine.leasing import Connection
from imports.engine.records import Chunk, Column, Staging

NAMES = HEADER.decode().strip().split(",")
COLUMNS: tuple[Column, ...] = tuple(datasets["trips"].columns_by_name[name] for name in NAMES)
GOOD = b"".join(write_trips(1, seed=1)).splitlines()[1]


def write_trip(changes: Mapping[str, bytes] | None = None, end: bytes = b"\n") -> bytes:
    """A row of which only the named columns are not as usual."""
    fields = dict(zip(NAMES, GOOD.split(b","), strict=True)) | dict(changes or {})
    return b",".join(fields[name] for name in NAMES) + end


def copy_alone(session: Connection, staging: Staging, raw: bytes) -> bool:
    """Whether COPY takes one record that is all there is to read, as one row."""
    targets = sql.SQL(", ").join(sql.Identifier(column.target) for column in COLUMNS)
    query = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, FORCE_NULL ({}))")
    try:
        with session.transaction(), session.cursor() as cursor:
            with cursor.copy(query.format(staging.table, targets, targets)) as copy:
                copy.write(raw)
            return cursor.rowcount == 1
    except (psycopg.DataError, psycopg.IntegrityError):
        return False


def read_rows(session: Connection, staging: Staging) -> list[tuple[Any, ...]]:
    """What the staging table holds, sorted, but for the ids."""
    targets = sql.SQL(", ").join(
        sql.SQL("{}::text").format(sql.Identifier(column.target)) for column in COLUMNS
    )
    query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(targets, staging.table, targets)
    return session.execute(query).fetchall()


def copy_one_by_one(
    session: Connection, staging: Staging, chunk: Chunk
) -> tuple[list[tuple[Any, ...]], Sequence[int]]:
    """What is stored, and the lines of what is refused, where each record is copied alone.

    Empties the table.
    """
    session.execute(sql.SQL("TRUNCATE {}").format(staging.table))
    refused = [
        record.line
        for record in split_records(chunk)
        if record.raw and not copy_alone(session, staging, record.raw + b"\n")
    ]
    rows = read_rows(session, staging)
    session.execute(sql.SQL("TRUNCATE {}").format(staging.table))
    return rows, refused
