"""Refused records: kept as rows, and counted against the budget of an import."""

from collections.abc import Iterable
from typing import Any

import psycopg

from imports.engine.records import ImportFailure, Refusal

KEPT_BYTES = 2**16  # of a refused record's text; `raw_bytes` tells its full length
FIRST_LINES = 1_000
MAX_REJECTS_IN_FIRST_LINES = 100
MAX_REJECTS = 10_000
MAX_REJECTS_SHARE = 0.05


def insert_rejects(
    cursor: psycopg.Cursor[Any], import_id: int, refusals: Iterable[Refusal]
) -> None:
    """Writes refusals as rows of `imports_reject`, inside the caller's transaction."""
    columns = 'import_id, line, byte_offset, "column", code, reason, raw, raw_bytes'
    with cursor.copy(f"COPY imports_reject ({columns}) FROM STDIN") as copy:
        for refusal in refusals:
            record = refusal.record
            copy.write_row(
                (
                    import_id,
                    record.line,
                    record.byte_offset,
                    refusal.column,
                    refusal.code,
                    refusal.reason,
                    show_raw(record.raw),
                    record.byte_length,
                )
            )


def show_raw(raw: bytes) -> str:
    """A record's bytes as text that PostgreSQL can hold: what is not UTF-8, and NUL, escaped."""
    return raw[:KEPT_BYTES].decode(errors="backslashreplace").replace("\0", "\\x00")


def count_early(refusals: Iterable[Refusal]) -> int:
    """How many of the refused records stand in the file's first lines."""
    return sum(refusal.record.line <= FIRST_LINES + 1 for refusal in refusals)


def check_first_lines(early: int) -> None:
    """Raises ImportFailure where so much of the beginning is refused: this is the wrong file."""
    if early >= MAX_REJECTS_IN_FIRST_LINES:
        detail = f"{early} of the first {FIRST_LINES} lines were refused: is this the right file?"
        raise ImportFailure("too_many_rejects", detail)


def check_budget(rows_rejected: int, rows_loaded: int, max_rejects: int | None) -> None:
    """Raises ImportFailure where more is refused than `max_rejects`, or than the usual budget."""
    if max_rejects is not None:
        is_over = rows_rejected > max_rejects
    else:
        share = rows_rejected / max(1, rows_rejected + rows_loaded)
        is_over = rows_rejected > MAX_REJECTS and share > MAX_REJECTS_SHARE
    if is_over:
        detail = f"{rows_rejected} rows refused, {rows_loaded} loaded; see the rejects for why"
        raise ImportFailure("too_many_rejects", detail)
