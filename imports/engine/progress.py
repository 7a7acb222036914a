"""How far an import is, how fast it goes, and when it will be done."""

import math
import threading
import time

from imports.engine.copying import Committed, Ledger

# The rate is that of about the last quarter of a minute: one slow chunk must not make the time to
# go jump.
SMOOTHING_SECONDS = 15.0


class Rate:
    """A figure's growth per second, as an exponentially weighted average."""

    def __init__(self, value: int) -> None:
        self._began = self._noted = time.monotonic()
        self._value = value
        self._average = 0.0

    def note(self, value: int) -> float:
        """The average, of all the time since the beginning while that is short."""
        now = time.monotonic()
        seconds = now - self._noted
        if seconds <= 0:
            return self._average
        age = now - self._began
        share = max(1 - math.exp(-seconds / SMOOTHING_SECONDS), seconds / age)
        self._average += share * ((value - self._value) / seconds - self._average)
        self._noted, self._value = now, value
        return self._average


class Tally:
    """The figures of an import in work. `bytes_done` counts the source's bytes, packed as they
    are."""

    def __init__(self, ledger: Ledger, *, bytes_done: int, bytes_total: int | None) -> None:
        self.bytes_total = bytes_total
        self.bytes_done = bytes_done
        self.rows_loaded = ledger.rows_loaded
        self.rows_rejected = ledger.rows_rejected
        self.early_rejects = ledger.early_rejects
        self._lock = threading.Lock()
        self._bytes_rate = Rate(bytes_done)
        self._rows_rate = Rate(self.rows_loaded + self.rows_rejected)

    def add(self, committed: Committed) -> None:
        self.rows_loaded += committed.row_count
        self.rows_rejected += committed.reject_count
        self.early_rejects += committed.early_rejects

    def reach(self, source_bytes: int) -> None:
        """Never backward: a source that is read again from its beginning is as far as it was."""
        self.bytes_done = max(self.bytes_done, source_bytes)

    def read(self) -> dict[str, object]:
        """The figures by their columns in `imports_import`."""
        with self._lock:
            return {
                "bytes_done": self.bytes_done,
                "bytes_total": self.bytes_total,
                "rows_loaded": self.rows_loaded,
                "rows_rejected": self.rows_rejected,
                "bytes_per_second": self._bytes_rate.note(self.bytes_done),
                "rows_per_second": self._rows_rate.note(self.rows_loaded + self.rows_rejected),
            }
