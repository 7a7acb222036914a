"""The last step: check that nothing is missing, and make the rows be seen in one transaction."""

import threading
from collections.abc import Mapping, Sequence
from itertools import chain, repeat
from typing import Any

import psycopg
from psycopg import errors, sql

from imports.engine.copying import Ledger, check_completeness
from imports.engine.faults import fault
from imports.engine.leasing import (
    Connection,
    Lease,
    LeaseLost,
    check_lease,
    end_import,
    hold_import,
    with_database,
)
from imports.engine.records import Dataset

# Between attempts at a lock that readers hold: readers wait behind each of them, so they grow rare.
LOCK_PAUSES = (1.0, 2.0, 4.0, 8.0)


def publish_import(
    database: Mapping[str, Any], lease: Lease, dataset: Dataset, stop: threading.Event
) -> None:
    """Publishes what an import with the status `publishing` has loaded.

    Raises LeaseLost, and ImportFailure `incomplete` where ledger and tables disagree.
    """
    with_database(
        database, lease, lambda connection: _publish(connection, lease, dataset, stop), stop
    )
    with_database(database, lease, lambda connection: _tidy_up(connection, dataset), stop)


def _publish(connection: Connection, lease: Lease, dataset: Dataset, stop: threading.Event) -> None:
    fault("publishing")
    # Whose connection a successor ended comes here again, and must not build indexes beside it.
    check_lease(connection, lease)
    # Counted before the transaction that publishes: it takes long, and nobody writes any more.
    ledger = check_completeness(connection, lease.import_id, dataset)
    with connection.cursor() as cursor:
        dataset.finish(cursor, dataset.staging(lease.import_id))
    fault("before_publish")
    for pause in chain(LOCK_PAUSES, repeat(LOCK_PAUSES[-1])):
        try:
            _move(connection, lease, dataset, ledger)
            return
        except errors.LockNotAvailable:
            if stop.wait(pause):
                raise LeaseLost from None


def _move(connection: Connection, lease: Lease, dataset: Dataset, ledger: Ledger) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        # Of two imports of one URL that end at once, the second sees what the first did.
        cursor.execute(
            """
            SELECT pg_advisory_xact_lock(hashtextextended(dataset || ' ' || url, 0))
              FROM imports_import WHERE id = %s
            """,
            [lease.import_id],
        )
        staging = dataset.staging(lease.import_id)
        if end_unchanged(cursor, lease):
            cursor.execute(sql.SQL("DROP TABLE {}").format(staging.table))
            return
        replaced = () if dataset.is_merged else _find_replaced(cursor, lease)
        rows_added = dataset.publish(cursor, staging, [dataset.staging(old) for old in replaced])
        if dataset.is_upserted:
            _doubt_others(cursor, lease)
        # Held only now, so that the heartbeat goes on beating while rows are merged.
        hold_import(cursor, lease)
        cursor.execute(
            """
            UPDATE imports_import SET replaced_by_id = %s, replaced_at = clock_timestamp()
             WHERE id = ANY(%s)
            """,
            [lease.import_id, list(replaced)],
        )
        figures = {
            "status": "finished",
            "rows_loaded": ledger.rows_loaded,
            "rows_rejected": ledger.rows_rejected,
            "rows_added": ledger.rows_loaded if rows_added is None else rows_added,
        }
        end_import(connection, lease, figures)
        fault("before_publish_commit")


def end_unchanged(cursor: psycopg.Cursor[Any], lease: Lease) -> bool:
    """Ends an import as `unchanged` where its version of the URL is seen already, by a strong ETag,
    with all its rows as they came, and it is not forced. Raises LeaseLost."""
    cursor.execute(
        """
        SELECT old.id FROM imports_import AS old
          JOIN imports_import AS new USING (dataset, url, etag)
         WHERE new.id = %s AND NOT new.force AND etag <> '' AND etag NOT LIKE 'W/%%'
           AND old.id <> new.id AND old.status = 'finished' AND old.replaced_at IS NULL
           AND old.is_whole
         ORDER BY old.id LIMIT 1
        """,
        [lease.import_id],
    )
    same = cursor.fetchone()
    if same is None:
        return False
    values = {"status": "unchanged", "same_as_id": same[0], "rows_loaded": 0}
    end_import(cursor.connection, lease, values)
    return True


def _doubt_others(cursor: psycopg.Cursor[Any], lease: Lease) -> None:
    """Notes that rows of the dataset's other imports may have got other values."""
    cursor.execute(
        """
        UPDATE imports_import AS old SET is_whole = false FROM imports_import AS new
         WHERE new.id = %s AND old.dataset = new.dataset AND old.id <> new.id
           AND old.status = 'finished' AND old.is_whole
        """,
        [lease.import_id],
    )


def _find_replaced(cursor: psycopg.Cursor[Any], lease: Lease) -> Sequence[int]:
    """The imports whose place a forced one takes: those of the same URL that are seen now."""
    cursor.execute(
        """
        SELECT old.id FROM imports_import AS old
          JOIN imports_import AS new USING (dataset, url)
         WHERE new.id = %s AND new.force AND old.id <> new.id
           AND old.status = 'finished' AND old.replaced_at IS NULL
        """,
        [lease.import_id],
    )
    return [import_id for (import_id,) in cursor.fetchall()]


def _tidy_up(connection: Connection, dataset: Dataset) -> None:
    """Statistics for the planner; of rows that were merged also what lets it read indexes alone."""
    what = sql.SQL("VACUUM (ANALYZE)" if dataset.is_merged else "ANALYZE")
    connection.execute(sql.SQL("{} {}").format(what, sql.Identifier(dataset.table)))
