"""Python's own hook at its start: gives processes that tests start other constants than a service
has, and faults that it never has. Without `CATCHMENT_TRIAL` in the environment it changes nothing.
"""

import json
import os
from typing import Any

import psycopg

from imports.engine import copying, cutting, leasing, loading
from imports.engine.copying import Committed
from imports.engine.leasing import Connection, Lease
from imports.engine.records import Chunk, Loaded

insert_chunk = copying._insert_chunk
copy_chunk = copying.copy_chunk


def note_before_rows(
    cursor: psycopg.Cursor[Any], lease: Lease, chunk: Chunk, loaded: Loaded
) -> Committed:
    """A checkpoint that is committed before the rows are, over a connection of its own."""
    known = cursor.connection.info
    with psycopg.connect(known.dsn, password=known.password, autocommit=True) as other:
        return insert_chunk(other.cursor(), lease, chunk, loaded)


def note_nothing(
    cursor: psycopg.Cursor[Any], lease: Lease, chunk: Chunk, loaded: Loaded
) -> Committed:
    return Committed(loaded.row_count, 0)


def note_after_rows(connection: Connection, lease: Lease, *others: Any) -> Committed:
    """A checkpoint that is committed after the rows were."""
    done = copy_chunk(connection, lease, *others)
    return insert_chunk(connection.cursor(), lease, others[-1], Loaded(done.row_count, ()))


trial = json.loads(os.environ.get("CATCHMENT_TRIAL", "{}"))
leasing.LEASE_SECONDS = trial.get("lease_seconds", leasing.LEASE_SECONDS)
cutting.CHUNK_BYTES = trial.get("chunk_bytes", cutting.CHUNK_BYTES)
if trial.get("checkpoint") == "before_rows":
    copying._insert_chunk = note_before_rows
elif trial.get("checkpoint") == "after_rows":
    copying._insert_chunk = note_nothing
    vars(loading)["copy_chunk"] = note_after_rows
