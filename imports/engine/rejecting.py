"""Refused records: kept as rows, and counted against the budget of an import."""

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from imports.engine.records import KEPT_BYTES, ImportFailure, Reject

FIRST_LINES = 1_000
MAX_REJECTS_IN_FIRST_LINES = 100
KEPT_REASON = 1_000  # PostgreSQL's may quote the whole field
MAX_REJECTS = 10_000
MAX_REJECTS_SHARE = 0.05


def insert_rejects(cursor: psycopg.Cursor[Any], import_id: int, rejects: Sequence[Reject]) -> None:
    """Writes rejects as rows of `imports_reject`, inside the caller's transaction."""
    if not rejects:
        return
    with cursor.copy(
        """
        COPY imports_reject
             (import_id, line, byte_offset, "column", code, reason, raw, raw_bytes) FROM STDIN
        """
    ) as copy:
        for reject in rejects:
            record = reject.record
            copy.write_row(
                (
                    import_id,
                    record.line,
                    record.byte_offset,
                    reject.column,
                    reject.code,
                    reject.reason[:KEPT_REASON],
                    show_raw(record.raw),
                    record.raw_bytes,
                )
            )


def show_raw(raw: bytes) -> str:
    """A record's bytes as text that PostgreSQL can hold: what is not UTF-8, and NUL, escaped."""
    return raw[:KEPT_BYTES].decode(errors="backslashreplace").replace("\0", "\\x00")


def count_early(rejects: Iterable[Reject]) -> int:
    """How many of the refused records stand in the file's first lines."""
    return sum(reject.record.line <= FIRST_LINES + 1 for reject in rejects)


def check_first_lines(early: int) -> None:
    """Raises ImportFailure where so much of the beginning is refused: this is the wrong file."""
    if early >= MAX_REJECTS_IN_FIRST_LINES:
        detail = f"{early} of the first {FIRST_LINES} lines were refused: is this the right file?"
        raise ImportFailure("too_many_rejects", detail)


def check_budget(*, rows_loaded: int, rows_rejected: int, max_rejects: int | None) -> None:
    """Raises ImportFailure where more is refused than `max_rejects`, or than the usual budget."""
    if max_rejects is not None:
        is_over = rows_rejected > max_rejects
    else:
        share = rows_rejected / max(1, rows_rejected + rows_loaded)
        is_over = rows_rejected > MAX_REJECTS and share > MAX_REJECTS_SHARE
    if is_over:
        detail = f"{rows_rejected} rows refused, {rows_loaded} loaded; see the rejects for why"
        raise ImportFailure("too_many_rejects", detail)
