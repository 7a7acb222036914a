"""Ending an import from outside, whatever its owner is doing."""

from psycopg import errors, sql

from imports.engine.leasing import Connection, end_backends
from imports.engine.records import Staging

LOCK_ATTEMPTS = 20  # of a tenth of a second


def mark_cancelling(connection: Connection, import_id: int) -> bool:
    """Takes an active import from its owner, who commits nothing from here on; False where it has
    ended, or is being cancelled already.

    Raises psycopg's LockNotAvailable where somebody who is not its owner holds its row.
    """
    for _ in range(LOCK_ATTEMPTS - 1):
        try:
            return _mark(connection, import_id)
        except errors.LockNotAvailable:
            end_backends(connection, import_id)
    return _mark(connection, import_id)


def _mark(connection: Connection, import_id: int) -> bool:
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '100ms'")
        # A plain UPDATE would not wait for the FOR KEY SHARE of a chunk that is being committed,
        # and count without it.
        cursor.execute("SELECT 1 FROM imports_import WHERE id = %s FOR UPDATE", [import_id])
        cursor.execute(
            """
            UPDATE imports_import SET status = 'cancelling', lease_token = lease_token + 1
             WHERE id = %s AND status IN ('queued', 'running', 'publishing')
            """,
            [import_id],
        )
        return cursor.rowcount == 1


def finish_cancelling(connection: Connection, staging: Staging) -> None:
    """Drops what was loaded, and ends the import with the figures of its ledger, unless somebody
    else did so already.

    Raises psycopg's LockNotAvailable where somebody looks at the table; it can be tried again.
    """
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '1s'")
        # Who comes late must not drop the table of an owner that began anew meanwhile.
        cursor.execute(
            "SELECT 1 FROM imports_import WHERE id = %s AND status = 'cancelling' FOR UPDATE",
            [staging.import_id],
        )
        if cursor.fetchone() is None:
            return
        end_backends(connection, staging.import_id)
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(staging.table))
        cursor.execute(
            """
            UPDATE imports_import AS import
               SET status = 'cancelled', ended_at = clock_timestamp(),
                   rows_loaded = coalesce(ledger.rows, 0),
                   rows_rejected = coalesce(ledger.rejects, 0),
                   bytes_done = CASE form WHEN 'csv' THEN greatest(bytes_done, ledger.bytes)
                                ELSE bytes_done END
              FROM (SELECT sum(row_count) AS rows, sum(reject_count) AS rejects,
                           max(byte_end) AS bytes
                      FROM imports_chunk WHERE import_id = %(id)s) AS ledger
             WHERE import.id = %(id)s
            """,
            {"id": staging.import_id},
        )
        cursor.execute("DELETE FROM imports_chunk WHERE import_id = %s", [staging.import_id])
