"""A chunk into its staging table: rows, rejects and the ledger's line in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from imports.engine.cutting import Known, Position
from imports.engine.faults import fault
from imports.engine.judging import (
    Judge,
    Refused,
    copy_bytes,
    find_suspects,
    list_records,
    read_records,
)
from imports.engine.leasing import Connection, Lease, LeaseLost
from imports.engine.records import Chunk, Dataset, ImportFailure, Loaded
from imports.engine.rejecting import FIRST_LINES, count_early, insert_rejects


@dataclass(frozen=True)
class Ledger:
    """The committed chunks of an import in the order of the file, and what they amount to.

    Loaders commit side by side, so there may be gaps.
    """

    known: Sequence[Known] = ()
    next_seq: int = 0
    has_first: bool = False
    rows_loaded: int = 0
    rows_rejected: int = 0
    early_rejects: int = 0

    def find_gap(self) -> tuple[Position, Sequence[Known]] | None:
        """Where the first gap begins, or the end, and what is known behind it; None where that is
        before the first chunk."""
        if not self.has_first:
            return None
        count = 1
        while count < len(self.known) and self.known[count].byte_start == self.byte_end(count):
            count += 1
        last = self.known[count - 1]
        return Position(self.next_seq, last.byte_end, last.line_end), self.known[count:]

    def byte_end(self, count: int) -> int:
        """Where the first `count` chunks end."""
        return self.known[count - 1].byte_end


@dataclass(frozen=True)
class Committed:
    """What a committed chunk adds to the figures."""

    row_count: int
    reject_count: int
    early_rejects: int = 0


def read_ledger(connection: Connection, import_id: int) -> Ledger:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT byte_start, byte_end, line_end, crc32, seq, row_count, reject_count
              FROM imports_chunk WHERE import_id = %s ORDER BY byte_start
            """,
            [import_id],
        )
        chunks = cursor.fetchall()
        cursor.execute(
            "SELECT count(*) FROM imports_reject WHERE import_id = %s AND line <= %s",
            [import_id, FIRST_LINES + 1],
        )
        [(early_rejects,)] = cursor.fetchall()
        cursor.execute("SELECT rows_start FROM imports_import WHERE id = %s", [import_id])
        [(rows_start,)] = cursor.fetchall()
    return Ledger(
        known=[Known(*chunk[:4]) for chunk in chunks],
        next_seq=1 + max((chunk[4] for chunk in chunks), default=-1),
        has_first=bool(chunks) and chunks[0][0] == rows_start,
        rows_loaded=sum(chunk[5] for chunk in chunks),
        rows_rejected=sum(chunk[6] for chunk in chunks),
        early_rejects=early_rejects,
    )


def copy_chunk(
    connection: Connection, lease: Lease, dataset: Dataset, header: Sequence[str], chunk: Chunk
) -> Committed:
    """Commits one chunk. Raises LeaseLost, with nothing committed, where the lease is gone."""
    fault("before_copy")
    if dataset.prepare:
        prepared = dataset.prepare(chunk, header)
        with connection.transaction(), connection.cursor() as cursor:
            _copy_rows(cursor, lease, dataset, prepared.rows)
            loaded = Loaded(len(prepared.rows), (*chunk.rejects, *prepared.rejects))
            return _insert_chunk(cursor, lease, chunk, loaded)
    staging = dataset.staging(lease.import_id)
    columns = tuple(dataset.columns_by_name[name] for name in header)
    try:
        with connection.transaction(), connection.cursor() as cursor:
            row_count = copy_bytes(cursor, staging, columns, chunk.data)
            return _insert_chunk(cursor, lease, chunk, Loaded(row_count, chunk.rejects))
    except Refused:
        if dataset.is_ordered:
            records = list_records(chunk)
            with connection.transaction(), connection.cursor() as cursor:
                loaded = Judge(cursor, staging, columns).load_in_order(chunk, records)
                return _insert_chunk(cursor, lease, chunk, loaded)
        # Before the transaction begins, which must not stand idle for long.
        found = find_suspects(chunk, columns)
        reading = read_records(found.suspects, columns)
        with connection.transaction(), connection.cursor() as cursor:
            loaded = Judge(cursor, staging, columns).load(chunk, found, reading)
            return _insert_chunk(cursor, lease, chunk, loaded)


def _copy_rows(
    cursor: psycopg.Cursor[Any], lease: Lease, dataset: Dataset, rows: Sequence[tuple[Any, ...]]
) -> None:
    query = sql.SQL("COPY {} ({}) FROM STDIN").format(
        dataset.staging(lease.import_id).table,
        sql.SQL(", ").join(map(sql.Identifier, dataset.staging_columns)),
    )
    with cursor.copy(query) as copy:
        for row in rows:
            copy.write_row(row)


def _insert_chunk(
    cursor: psycopg.Cursor[Any], lease: Lease, chunk: Chunk, loaded: Loaded
) -> Committed:
    """Writes the rejects and the ledger's line."""
    fault("after_copy")
    insert_rejects(cursor, lease.import_id, loaded.rejects)
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
            loaded.row_count,
            len(loaded.rejects),
            chunk.crc32,
            lease.import_id,
            lease.token,
        ],
    )
    if cursor.rowcount != 1:
        raise LeaseLost
    fault("before_commit")
    return Committed(loaded.row_count, len(loaded.rejects), count_early(loaded.rejects))


def find_committed(connection: Connection, import_id: int, chunk: Chunk) -> Committed | None:
    """What became of a chunk whose commit was not answered; None where it was not committed."""
    row = connection.execute(
        """
        SELECT row_count, reject_count,
               (SELECT count(*) FROM imports_reject AS reject
                 WHERE reject.import_id = chunk.import_id AND byte_offset >= byte_start
                   AND byte_offset < byte_end AND line <= %s)
          FROM imports_chunk AS chunk WHERE import_id = %s AND byte_start = %s
        """,
        [FIRST_LINES + 1, import_id, chunk.byte_start],
    ).fetchone()
    return None if row is None else Committed(*row)


def count_staged(connection: Connection, dataset: Dataset, import_id: int) -> int:
    table = dataset.staging(import_id).table
    [(count,)] = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchall()
    return int(count)


def check_completeness(connection: Connection, import_id: int, dataset: Dataset) -> Ledger:
    """Raises ImportFailure `incomplete` unless ledger, staging table and rejects agree."""
    ledger = read_ledger(connection, import_id)
    [(rejected,)] = connection.execute(
        "SELECT count(*) FROM imports_reject WHERE import_id = %s", [import_id]
    ).fetchall()
    staged = count_staged(connection, dataset, import_id)
    gap = ledger.find_gap()
    has_gap = bool(ledger.known) and (gap is None or bool(gap[1]))
    if (staged, rejected) != (ledger.rows_loaded, ledger.rows_rejected) or has_gap:
        detail = (
            f"{staged} rows staged and {rejected} rejects, the ledger says {ledger.rows_loaded}"
            f" and {ledger.rows_rejected}; gaps: {has_gap}"
        )
        raise ImportFailure("incomplete", detail)
    return ledger
