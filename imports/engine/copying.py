"""A chunk into its staging table: rows, rejects and the ledger's line in one transaction."""

from dataclasses import dataclass
from typing import Any
from zlib import crc32

import psycopg
from psycopg import sql

from imports.engine.cutting import Position
from imports.engine.leasing import Connection, Lease, LeaseLost
from imports.engine.records import Chunk, Dataset, ImportFailure, Prepared
from imports.engine.rejecting import insert_rejects


@dataclass(frozen=True)
class Ledger:
    """What the committed chunks of an import amount to, and where reading goes on."""

    position: Position
    rows_loaded: int
    rows_rejected: int


def read_ledger(connection: Connection, import_id: int) -> Ledger | None:
    """Sums up the committed chunks; None where there are none yet."""
    row = connection.execute(
        """
        SELECT max(seq) + 1, max(byte_end), max(line_end), sum(row_count), sum(reject_count)
          FROM imports_chunk WHERE import_id = %s
        """,
        [import_id],
    ).fetchone()
    if row is None or row[0] is None:
        return None
    return Ledger(Position(row[0], row[1], row[2]), int(row[3]), int(row[4]))


def copy_chunk(
    connection: Connection, lease: Lease, dataset: Dataset, chunk: Chunk, prepared: Prepared
) -> None:
    """Commits one chunk. Raises LeaseLost, with nothing committed, where the lease is gone."""
    with connection.transaction(), connection.cursor() as cursor:
        _copy_rows(cursor, lease, dataset, prepared)
        insert_rejects(cursor, lease.import_id, prepared.rejects)
        _insert_chunk(cursor, lease, chunk, prepared)


def _copy_rows(
    cursor: psycopg.Cursor[Any], lease: Lease, dataset: Dataset, prepared: Prepared
) -> None:
    query = sql.SQL("COPY {} ({}) FROM STDIN").format(
        dataset.staging_table(lease.import_id),
        sql.SQL(", ").join(map(sql.Identifier, dataset.staging_columns)),
    )
    with cursor.copy(query) as copy:
        for row in prepared.rows:
            copy.write_row(row)


def _insert_chunk(
    cursor: psycopg.Cursor[Any], lease: Lease, chunk: Chunk, prepared: Prepared
) -> None:
    # Last, and only while the token is still mine: FOR KEY SHARE holds off a successor until the
    # commit, yet lets other loaders of the same import commit beside this one.
    cursor.execute(
        """
        INSERT INTO imports_chunk (import_id, seq, byte_start, byte_end, line_start, line_end,
                                   row_count, reject_count, crc32, committed_at)
        SELECT id, %s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp() FROM imports_import
         WHERE id = %s AND lease_token = %s AND status = 'running' FOR KEY SHARE
        """,
        [
            chunk.seq,
            chunk.byte_start,
            chunk.byte_end,
            chunk.line_start,
            chunk.line_end,
            len(prepared.rows),
            len(prepared.rejects),
            crc32(chunk.data),
            lease.import_id,
            lease.token,
        ],
    )
    if cursor.rowcount != 1:
        raise LeaseLost


def check_completeness(
    connection: Connection, import_id: int, dataset: Dataset, ledger: Ledger
) -> None:
    """Raises ImportFailure `incomplete` unless ledger, staging table and rejects agree."""
    found = connection.execute(
        sql.SQL(
            """
            SELECT (SELECT count(*) FROM {}),
                   (SELECT count(*) FROM imports_reject WHERE import_id = %(id)s),
                   (SELECT count(*) FROM (
                       SELECT byte_start <> lag(byte_end, 1, byte_start) OVER (ORDER BY seq) AS gap
                         FROM imports_chunk WHERE import_id = %(id)s) AS chunks WHERE gap)
            """
        ).format(dataset.staging_table(import_id)),
        {"id": import_id},
    ).fetchone()
    if found != (ledger.rows_loaded, ledger.rows_rejected, 0):
        detail = f"rows staged, rejects, gaps: {found}; the ledger says {ledger}"
        raise ImportFailure("incomplete", detail)
