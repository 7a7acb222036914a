"""One import from its claim to its end: open, read, load, publish."""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from imports.engine.copying import Committed, Ledger, read_ledger
from imports.engine.fetching import Policy, find_source
from imports.engine.leasing import (
    Connection,
    Heartbeat,
    Lease,
    LeaseLost,
    connect,
    end_import,
    hold_import,
    is_transient,
    release_import,
    update_import,
    with_database,
)
from imports.engine.loading import Loaders, Target
from imports.engine.progress import Tally
from imports.engine.publishing import end_unchanged, publish_import
from imports.engine.reading import Reader
from imports.engine.records import Chunk, Dataset, ImportFailure
from imports.engine.rejecting import check_budget, check_first_lines, show_raw
from imports.engine.sources import Source, SourceAborted, Validators
from imports.engine.unpacking import CSV
from imports.engine.uploads import SCHEME, UploadSource

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Task:
    """What is to be imported, and what is known of it where that was begun before."""

    url: str
    dataset: Dataset
    expected_sha256: str = ""
    max_rejects: int | None = None
    header: tuple[str, ...] = ()
    form: str = ""
    validators: Validators = field(default_factory=Validators)
    bytes_done: int = 0


@dataclass(frozen=True)
class Limits:
    """What an import may use of this machine and of the network."""

    policy: Policy
    loaders: int


class Run:
    """The work of one owner on one import."""

    def __init__(
        self, database: Mapping[str, Any], lease: Lease, task: Task, limits: Limits
    ) -> None:
        self.database = database
        self.lease = lease
        self.task = task
        self.limits = limits
        self._stop = threading.Event()
        self._source: Source | None = None

    def run(self, on_progress: Callable[[Tally], None]) -> None:
        """Loads and publishes, or ends the import as failed. Leaves no trace once the lease is
        lost: whoever holds it now goes on from the ledger."""
        try:
            ledger = self._with_database(
                lambda connection: read_ledger(connection, self.lease.import_id)
            )
            task = self.task
            self.tally = Tally(
                ledger, bytes_done=task.bytes_done, bytes_total=task.validators.total_bytes
            )
            with Heartbeat(
                self.database, self.lease, read_progress=self.tally.read, on_lost=self._abort
            ):
                self._work(ledger, on_progress)
        except (LeaseLost, SourceAborted):
            logger.warning("import %d: the lease went to somebody else", self.lease.import_id)
        except (KeyboardInterrupt, SystemExit):
            self._abort()
            self._with_database(lambda connection: release_import(connection, self.lease))
            raise

    def _work(self, ledger: Ledger, on_progress: Callable[[Tally], None]) -> None:
        try:
            self._check_budget()  # the owner before may not have come to it
            if self.lease.is_loaded or self._load(ledger, on_progress):
                self._with_database(self._show_publishing)
                publish_import(self.database, self.lease, self.task.dataset, self._stop)
        except (LeaseLost, SourceAborted):
            raise
        except ImportFailure as failure:
            on_progress(self.tally)
            self._fail(failure)
        except Exception as error:
            if is_transient(error):
                raise  # the lease runs out, and whoever takes over goes on from the ledger
            # A fault of ours ends the import where people see it; retrying it would not help.
            logger.exception("import %d", self.lease.import_id)
            self._fail(ImportFailure("internal_error", f"{type(error).__name__}: {error}"))

    def _load(self, ledger: Ledger, on_progress: Callable[[Tally], None]) -> bool:
        """Commits what the ledger has not yet. False where the source is unchanged since another
        import, and nothing was loaded."""
        task = self.task
        start = self._find_start(ledger)
        if start and start == task.validators.total_bytes:
            return True
        with closing(self._find_source(start)) as source:
            self._source = source
            source.open()
            self.tally.bytes_total = source.validators.total_bytes
            if (self.tally.bytes_total or 0) > self.limits.policy.max_bytes:
                raise ImportFailure("too_large", f"{self.tally.bytes_total} bytes are announced")
            # What is to have a certain sum must be read to be known by it.
            is_new = not (task.header or task.expected_sha256)
            if is_new and self._end_unchanged(source.validators):
                return False
            reader = Reader(source, task.dataset, ledger, reach=self.tally.reach)
            reader.header, reader.form = task.header, task.form
            reader.expected_sha256 = task.expected_sha256
            reader.max_bytes = self.limits.policy.max_bytes
            self._copy_chunks(reader, source, on_progress)
        return True

    def _find_source(self, start: int) -> Source:
        task = self.task
        known = task.validators if task.header else None
        if task.url.startswith(SCHEME):
            connection = connect(self.database, self.lease.import_id, self.lease.token)
            return UploadSource(task.url, connection, self.lease.import_id, start=start)
        return find_source(task.url, self.limits.policy, start=start, known=known)

    def _show_publishing(self, connection: Connection) -> None:
        update_import(connection, self.lease, {"status": "publishing"} | self.tally.read())

    def _find_start(self, ledger: Ledger) -> int:
        """The byte to go on from: 0 where the source must be read from its beginning."""
        gap = ledger.find_gap()
        can_skip = self.task.form == CSV and not self.task.expected_sha256
        return gap[0].byte_offset if gap and can_skip and not gap[1] else 0

    def _copy_chunks(
        self, reader: Reader, source: Source, on_progress: Callable[[Tally], None]
    ) -> None:
        reader.open()
        if not self.task.header:
            self._with_database(lambda connection: self._begin(connection, reader, source))
        target = Target(self.database, self.lease, self.task.dataset, reader.header)
        count = 1 if self.task.dataset.is_ordered else self.limits.loaders
        with Loaders(target, count, on_loaded=self._count, stop=self._stop) as loaders:
            for chunk in reader.chunks():
                loaders.put(chunk)
                on_progress(self.tally)
            loaders.finish()
        on_progress(self.tally)

    def _begin(self, connection: Connection, reader: Reader, source: Source) -> None:
        dataset = self.task.dataset
        staging = dataset.staging(self.lease.import_id)
        values = {
            "header": list(reader.header),
            "form": reader.form,
            "rows_start": reader.rows_start,
            "etag": source.validators.etag,
            "last_modified": source.validators.last_modified,
        }
        with connection.transaction(), connection.cursor() as cursor:
            hold_import(cursor, self.lease)  # a successor's table must not even be locked
            cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(staging.table))
            dataset.create_staging(cursor, staging)
            update_import(connection, self.lease, values | self.tally.read())

    def _count(self, chunk: Chunk, committed: Committed) -> None:
        self.tally.add(committed)
        self.tally.reach(chunk.source_bytes)
        self._check_budget()

    def _check_budget(self) -> None:
        check_first_lines(self.tally.early_rejects)
        check_budget(
            rows_loaded=self.tally.rows_loaded,
            rows_rejected=self.tally.rows_rejected,
            max_rejects=self.task.max_rejects,
        )

    def _end_unchanged(self, found: Validators) -> bool:
        """Ends the import where the same version of the source is loaded already."""

        def end(connection: Connection) -> bool:
            update_import(connection, self.lease, {"etag": found.etag})
            with connection.transaction(), connection.cursor() as cursor:
                return end_unchanged(cursor, self.lease)

        return self._with_database(end)

    def _abort(self) -> None:
        self._stop.set()
        if self._source is not None:
            self._source.abort()

    def _fail(self, failure: ImportFailure) -> None:
        try:
            self._with_database(lambda connection: self._end_failed(connection, failure))
        except LeaseLost:
            logger.warning("import %d: lost before it failed", self.lease.import_id)

    def _end_failed(self, connection: Connection, failure: ImportFailure) -> None:
        try:
            fail_import(connection, self.lease, failure, self.tally.read())
        except psycopg.DataError:  # a figure that no column holds must not keep it running
            fail_import(connection, self.lease, failure, {})

    def _with_database(self, action: Callable[[Connection], T]) -> T:
        return with_database(self.database, self.lease, action, self._stop)


def fail_import(
    connection: Connection, lease: Lease, failure: ImportFailure, figures: Mapping[str, object]
) -> None:
    """Ends an import as `failed`. Raises LeaseLost where it is not ours any more."""
    error = {
        "error_code": failure.code,
        "error_detail": show_raw(failure.detail.encode(errors="replace")),
    }
    end_import(connection, lease, {**figures, "status": "failed", **error})
