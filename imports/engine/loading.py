"""Loaders: threads that commit chunks side by side, each over a connection of its own.

The parsing is done by PostgreSQL's backends: two loaders keep two of its cores busy.
"""

import logging
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any, Self

import psycopg
from psycopg import errors

from imports.engine.copying import Committed, copy_chunk, find_committed
from imports.engine.leasing import (
    DATABASE_PAUSES,
    Connection,
    Lease,
    LeaseLost,
    connect,
    is_transient,
)
from imports.engine.preparing import Preparer
from imports.engine.records import Chunk, Dataset

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Target:
    """Where chunks go: the import, its dataset, and the columns of its file."""

    database: Mapping[str, Any]
    lease: Lease
    dataset: Dataset
    header: Sequence[str]

    def connect(self) -> Connection:
        lease = self.lease
        return connect(
            self.database, lease.import_id, lease.token, time_zone=self.dataset.time_zone
        )


class Loaders:
    """`count` threads that load what `put` is given; a context that ends them.

    Where one fails, the others stop, and `put` and `finish` raise what it raised. Leaving the
    context by an exception throws away what was not committed.
    """

    def __init__(
        self,
        target: Target,
        count: int,
        *,
        on_loaded: Callable[[Chunk, Committed], None],
        stop: threading.Event,
    ) -> None:
        self._target = target
        self._on_loaded = on_loaded
        self._stop = stop
        self._lock = threading.Lock()
        self._chunks: queue.Queue[Chunk | None] = queue.Queue(maxsize=1)
        self._failure: BaseException | None = None
        self._loaders: list[_Loader] = []
        # In a context of its own each: what the log tells of an import is bound to its thread.
        self._threads = [
            threading.Thread(
                target=copy_context().run, args=[self._run], name=f"loader {number}", daemon=True
            )
            for number in range(count)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._stop.set()
            for loader in self._loaders:
                loader.stop_preparing()
        for thread in self._threads:
            # Without the lease a loader that is slow to stop commits nothing.
            thread.join(None if kind is None else STOP_SECONDS)

    def put(self, chunk: Chunk | None) -> None:
        """Hands over a chunk; waits while all loaders are busy."""
        while True:
            self.check()
            try:
                self._chunks.put(chunk, timeout=POLL_SECONDS)
                return
            except queue.Full:
                continue

    def finish(self) -> None:
        """Waits until all chunks are committed."""
        for _ in self._threads:
            self.put(None)
        for thread in self._threads:
            thread.join()
        self.check()

    def check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._stop.is_set():
            raise LeaseLost

    def _run(self) -> None:
        loader = _Loader(self._target, self._stop)
        self._loaders.append(loader)
        try:
            while (chunk := self._next()) is not None:
                committed = loader.load(chunk)
                with self._lock:
                    self._on_loaded(chunk, committed)
        except BaseException as failure:
            if self._failure is None:
                self._failure = failure
            self._stop.set()
        finally:
            loader.close()

    def _next(self) -> Chunk | None:
        while not self._stop.is_set():
            try:
                return self._chunks.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
        return None


class _Loader:
    """Loads one chunk after the other over its connection, which is opened anew where it broke."""

    def __init__(self, target: Target, stop: threading.Event) -> None:
        self._target = target
        self._dataset = target.dataset
        self._preparer: Preparer | None = None
        if self._dataset.prepare:
            self._preparer = Preparer(self._dataset.prepare)
            self._dataset = replace(self._dataset, prepare=self._preparer.run)
        self._stop = stop
        self._connection: Connection | None = None

    def load(self, chunk: Chunk) -> Committed:
        """Commits a chunk, again where the server failed. Raises what the last attempt raised."""
        for pause in DATABASE_PAUSES:
            try:
                return self._try(chunk)
            except psycopg.Error as error:
                if not is_transient(error) or self._stop.is_set():
                    raise
                logger.warning("chunk %d is tried again: %s", chunk.seq, error)
            self._disconnect()
            self._stop.wait(pause)
        return self._try(chunk)

    def _try(self, chunk: Chunk) -> Committed:
        target = self._target
        if self._connection is None:
            self._connection = target.connect()
            # The commit may have been done, though nobody was told.
            if done := find_committed(self._connection, target.lease.import_id, chunk):
                return done
        try:
            return copy_chunk(self._connection, target.lease, self._dataset, target.header, chunk)
        except errors.UniqueViolation:
            # Or it was done only after that look, by a backend that outlived its connection.
            if done := find_committed(self._connection, target.lease.import_id, chunk):
                return done
            raise

    def stop_preparing(self) -> None:
        """A polygon may keep GEOS busy for long, and cannot be asked to stop."""
        if self._preparer is not None:
            self._preparer.stop()

    def close(self) -> None:
        self._disconnect()
        if self._preparer is not None:
            self._preparer.close()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
