"""Whether all of a source has become rows or rejects, as the import's ledger tells it."""

from dataclasses import dataclass

from django.db.models import F, Q, Sum, Value, Window
from django.db.models.functions import Coalesce, Lag

from imports.choices import Status
from imports.models import Chunk, Import

# The others have read nothing yet, or their ledger is gone.
WITH_LEDGER = frozenset({Status.RUNNING, Status.PUBLISHING, Status.FINISHED, Status.FAILED})


@dataclass(frozen=True)
class Check:
    """Something that holds of a complete import; `is_good` is None where it is not at its end."""

    name: str
    detail: str
    is_good: bool | None


def check_import(record: Import) -> list[Check]:
    """What can be checked of it by now; nothing where it has no ledger."""
    if record.status not in WITH_LEDGER:
        return []
    checks = [check_bytes(record), check_chunks(record), check_records(record)]
    is_finished = record.status == Status.FINISHED
    if record.expected_sha256:
        checks.append(Check("Checksum", record.expected_sha256, is_finished or None))
    return checks


def check_bytes(record: Import) -> Check:
    if record.bytes_total is None:
        detail = f"{record.bytes_done:,}, of a source that told no length"
        return Check("Bytes", detail, record.status == Status.FINISHED or None)
    detail = f"{record.bytes_done:,} of {record.bytes_total:,} that were announced"
    return Check("Bytes", detail, judge(record, holds=record.bytes_done == record.bytes_total))


def check_chunks(record: Import) -> Check:
    """Loaders commit side by side, so there may be gaps until the end."""
    chunks = Chunk.objects.filter(import_record=record)
    begins = Window(Lag("byte_end"), order_by="byte_start")
    due = chunks.annotate(due=Coalesce(begins, Value(record.rows_start)))
    gaps = due.filter(~Q(byte_start=F("due"))).count()
    detail = f"{chunks.count():,} in the ledger, {f'{gaps:,}' if gaps else 'no'} gap"
    return Check("Chunks", detail + "s" * (gaps > 1), judge(record, holds=gaps == 0))


def check_records(record: Import) -> Check:
    chunks = Chunk.objects.filter(import_record=record)
    ledger = chunks.aggregate(
        rows=Sum("row_count", default=0), rejects=Sum("reject_count", default=0)
    )
    rows, rejects = ledger["rows"], ledger["rejects"]
    detail = f"{rows:,} rows and {rejects:,} rejects make {rows + rejects:,}"
    is_equal = (rows, rejects) == (record.rows_loaded, record.rows_rejected)
    return Check("Records", detail, judge(record, holds=is_equal))


def judge(record: Import, *, holds: bool) -> bool | None:
    """What does not hold, or holds by chance, tells nothing before the end."""
    return holds if record.status == Status.FINISHED else None
