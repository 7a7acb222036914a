"""One import from its claim to its end: open, cut, copy, publish."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from imports.engine.copying import Ledger, check_completeness, copy_chunk, read_ledger
from imports.engine.cutting import Cutter
from imports.engine.fetching import Source, open_source
from imports.engine.headers import read_header
from imports.engine.leasing import (
    Connection,
    Heartbeat,
    Lease,
    LeaseLost,
    connect,
    end_import,
    hold_import,
    update_import,
)
from imports.engine.records import Chunk, Dataset, ImportFailure, Prepared
from imports.engine.rejecting import (
    check_budget,
    check_first_lines,
    count_early,
    show_raw,
)

logger = logging.getLogger(__name__)

RATE_WINDOW_SECONDS = 10.0


@dataclass(frozen=True)
class Task:
    """What is to be imported."""

    url: str
    dataset: Dataset
    # As read before, where the import goes on from its ledger.
    header: tuple[str, ...]
    validators: tuple[str, str, int | None]  # ETag, Last-Modified, length
    max_rejects: int | None


class Tally:
    """The figures of an import in work: totals since it began, rates over the last seconds."""

    def __init__(self) -> None:
        self.bytes_total: int | None = None
        self.bytes_done = 0
        self.rows_loaded = 0
        self.rows_rejected = 0
        self.early_rejects = 0
        self._samples: deque[tuple[float, int, int]] = deque()

    def start(self, ledger: Ledger | None, bytes_total: int | None) -> None:
        self.bytes_total = bytes_total
        if ledger is not None:
            self.bytes_done = ledger.position.byte_offset
            self.rows_loaded, self.rows_rejected = ledger.rows_loaded, ledger.rows_rejected
        self._sample()

    def add(self, chunk: Chunk, prepared: Prepared) -> None:
        self.bytes_done = chunk.byte_end
        self.rows_loaded += len(prepared.rows)
        self.early_rejects += count_early(prepared.rejects)
        self.rows_rejected += len(prepared.rejects)
        self._sample()

    def read(self) -> dict[str, object]:
        """The figures by their columns in `imports_import`."""
        seconds, size, rows = self._measure_window()
        return {
            "bytes_done": self.bytes_done,
            "bytes_total": self.bytes_total,
            "rows_loaded": self.rows_loaded,
            "rows_rejected": self.rows_rejected,
            "bytes_per_second": size / seconds,
            "rows_per_second": rows / seconds,
        }

    def _sample(self) -> None:
        rows = self.rows_loaded + self.rows_rejected
        self._samples.append((time.monotonic(), self.bytes_done, rows))
        while self._samples[-1][0] - self._samples[0][0] > RATE_WINDOW_SECONDS:
            self._samples.popleft()

    def _measure_window(self) -> tuple[float, int, int]:
        if not self._samples:
            return 1.0, 0, 0
        (began, first_bytes, first_rows), (_, last_bytes, last_rows) = (
            self._samples[0],
            self._samples[-1],
        )
        seconds = max(time.monotonic() - began, 0.001)
        return seconds, last_bytes - first_bytes, last_rows - first_rows


class Run:
    """The work of one owner on one import."""

    def __init__(self, database: Mapping[str, Any], lease: Lease, task: Task) -> None:
        self.database = database
        self.lease = lease
        self.task = task
        self.tally = Tally()

    def run(self, on_progress: Callable[[Tally], None]) -> None:
        """Loads and publishes, or ends the import as failed. Leaves no trace once the lease is
        lost: whoever holds it now goes on from the ledger."""
        with connect(self.database, self.lease.import_id) as connection:
            try:
                # Before the heart beats: it must not write zeros over what an owner before did.
                ledger = read_ledger(connection, self.lease.import_id)
                self.tally.start(ledger, self.task.validators[-1])
                with Heartbeat(self.database, self.lease, self.tally.read) as heartbeat:
                    for _ in self._load(connection, ledger):
                        heartbeat.check()
                        on_progress(self.tally)
                    self._publish(connection)
            except LeaseLost:
                logger.warning("import %d: the lease went to somebody else", self.lease.import_id)
            except ImportFailure as failure:
                on_progress(self.tally)
                self._fail(connection, failure)
            except psycopg.OperationalError:
                raise  # the lease runs out, and whoever takes over goes on from the ledger
            except Exception as error:
                # A fault of ours ends the import where people see it; retrying it would not help.
                logger.exception("import %d", self.lease.import_id)
                detail = f"{type(error).__name__}: {error}"
                self._fail(connection, ImportFailure("internal_error", detail))

    def _load(self, connection: Connection, ledger: Ledger | None) -> Iterator[None]:
        """Commits the source chunk by chunk, behind the ledger's end; yields after each."""
        dataset = self.task.dataset
        start = ledger.position.byte_offset if ledger else 0
        with open_source(self.task.url, start=start) as source:
            if ledger:
                self._check_unchanged(source)
                header, position, blocks = self.task.header, ledger.position, source.blocks
            else:
                first, blocks = read_header(source.blocks, dataset)
                header, position = first.columns, first.first_row
                self.tally.bytes_total = source.total_bytes
                self._begin(connection, header, source)
            cutter = Cutter(position, record_cap_bytes=dataset.record_cap_bytes)
            for chunk in cutter.cut(blocks):
                prepared = dataset.prepare(chunk, header)
                rejects = (*chunk.rejects, *prepared.rejects)
                self._copy(connection, chunk, Prepared(prepared.rows, rejects))
                yield
        self._check_length(cutter.position.byte_offset)

    def _check_unchanged(self, source: Source) -> None:
        """What was loaded before must be of the same source: two are never spliced."""
        found = (source.etag, source.last_modified, source.total_bytes)
        if found != self.task.validators:
            detail = f"was {self.task.validators} when it was begun, is {found} now"
            raise ImportFailure("source_changed", detail)

    def _begin(self, connection: Connection, header: tuple[str, ...], source: Source) -> None:
        table = self.task.dataset.staging_table(self.lease.import_id)
        values = {
            "header": list(header),
            "etag": source.etag,
            "last_modified": source.last_modified,
        }
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
            self.task.dataset.create_staging(cursor, table)
            update_import(connection, self.lease, values | self.tally.read())

    def _copy(self, connection: Connection, chunk: Chunk, prepared: Prepared) -> None:
        copy_chunk(connection, self.lease, self.task.dataset, chunk, prepared)
        self.tally.add(chunk, prepared)
        check_first_lines(self.tally.early_rejects)
        check_budget(
            rows_loaded=self.tally.rows_loaded,
            rows_rejected=self.tally.rows_rejected,
            max_rejects=self.task.max_rejects,
        )

    def _check_length(self, bytes_read: int) -> None:
        expected = self.tally.bytes_total
        if expected is not None and bytes_read != expected:
            detail = f"{bytes_read} bytes came where {expected} were announced"
            raise ImportFailure("source_unreliable", detail)

    def _publish(self, connection: Connection) -> None:
        import_id, dataset = self.lease.import_id, self.task.dataset
        table = dataset.staging_table(import_id)
        if ledger := read_ledger(connection, import_id):
            check_completeness(connection, import_id, dataset, ledger)
        update_import(connection, self.lease, {"status": "publishing"} | self.tally.read())
        with connection.transaction(), connection.cursor() as cursor:
            rows_added = dataset.publish(cursor, table, import_id)
            cursor.execute(sql.SQL("DROP TABLE {}").format(table))
            # Held only now, so that the heartbeat goes on beating while the rows are merged.
            hold_import(cursor, self.lease)
            values = {"status": "finished", "rows_added": rows_added}
            end_import(connection, self.lease, self.tally.read() | values)

    def _fail(self, connection: Connection, failure: ImportFailure) -> None:
        try:
            try:
                fail_import(connection, self.lease, failure, self.tally.read())
            except psycopg.DataError:  # a figure that no column holds must not keep it running
                fail_import(connection, self.lease, failure, {})
        except LeaseLost:
            logger.warning("import %d: lost before it failed", self.lease.import_id)


def fail_import(
    connection: Connection, lease: Lease, failure: ImportFailure, figures: Mapping[str, object]
) -> None:
    """Ends an import as `failed`. Raises LeaseLost where it is not ours any more."""
    error = {
        "error_code": failure.code,
        "error_detail": show_raw(failure.detail.encode(errors="replace")),
    }
    end_import(connection, lease, {**figures, "status": "failed", **error})
