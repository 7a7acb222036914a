"""An import, the ledger of its chunks, and the records that it refused."""

from datetime import timedelta
from hashlib import sha256
from typing import Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q, Sum
from django.db.models.functions import Now

from imports.choices import ACTIVE, ENDED, RESUMABLE, Status

KICK_PATIENCE = timedelta(seconds=10)
LEDGER_KEPT = timedelta(days=7)


class ImportQuerySet(models.QuerySet["Import"]):
    def waiting(self) -> Self:
        """Imports that nobody works on: queued, or their owner's lease ran out."""
        return self.filter(
            Q(status=Status.QUEUED)
            | Q(status__in=[Status.RUNNING, Status.PUBLISHING], lease_expires_at__lt=Now())
        )

    def fence_owners(self) -> int:
        """Lets all that run be taken over at once, and keeps their owners from committing: in a
        database that was restored, these may have the same tokens again. Tells how many."""
        running = self.filter(status__in=[Status.RUNNING, Status.PUBLISHING])
        return running.update(
            lease_token=F("lease_token") + 1,
            lease_expires_at=Now() - timedelta(milliseconds=1),
            kicked_at=None,
            claimed_chunks=-1,
        )

    def holding_staging(self) -> Self:
        """Imports whose staging table is still needed: active, or failed and resumable."""
        resumable = Q(status=Status.FAILED, ended_at__gt=Now() - LEDGER_KEPT)
        return self.filter(Q(status__in=ACTIVE) | resumable)

    def mark_kicked(self, import_id: int) -> bool:
        """Notes that a worker was asked to run the import; False where that was done just now."""
        return bool(
            self.filter(
                Q(kicked_at=None) | Q(kicked_at__lt=Now() - KICK_PATIENCE), pk=import_id
            ).update(kicked_at=Now())
        )

    def holding_upload(self) -> Self:
        """Imports whose uploaded file may be read again: active, or ended and resumable."""
        resumable = Q(status__in=RESUMABLE, ended_at__gt=Now() - LEDGER_KEPT)
        return self.filter(Q(status__in=ACTIVE) | resumable)

    def count_rows(self) -> dict[str, int]:
        """How many rows each dataset has: what its imports added, less what was replaced."""
        seen = self.filter(status=Status.FINISHED, replaced_at=None)
        totals = seen.values("dataset").annotate(total=Sum("rows_added")).order_by()
        return {row["dataset"]: int(row["total"]) for row in totals}

    def tell_version(self, dataset: str) -> str:
        """Another text whenever the dataset's rows are others: rows come and go by imports only,
        and no id is given twice."""
        seen = self.filter(dataset=dataset, status=Status.FINISHED, replaced_at=None)
        ids = seen.order_by("pk").values_list("pk", flat=True)
        return sha256(",".join(map(str, ids)).encode()).hexdigest()

    def doubt_others(self, record: "Import") -> None:
        """Notes that rows which other imports of the dataset had too may have gone with this one's.
        Those that are still at work had perhaps merged their rows before."""
        others = self.filter(dataset=record.dataset, is_whole=True).exclude(pk=record.pk)
        others.update(is_whole=False)

    def requeue(self, import_id: int, status: str) -> bool:
        """Lets an import that ended with `status` run again; False where it did not."""
        return bool(
            self.filter(pk=import_id, status=status).update(
                status=Status.QUEUED,
                ended_at=None,
                kicked_at=None,
                claimed_chunks=-1,
                error_code="",
                error_detail="",
            )
        )

    def forget_work(self, import_id: int) -> None:
        """Lets an import begin anew: what it read, counted and refused is no more."""
        Chunk.objects.filter(import_record=import_id).delete()
        Reject.objects.filter(import_record=import_id).delete()
        self.filter(pk=import_id).update(
            etag="",
            last_modified="",
            form="",
            header=[],
            rows_start=0,
            bytes_done=0,
            bytes_total=None,
            rows_loaded=0,
            rows_rejected=0,
            bytes_per_second=0,
            rows_per_second=0,
            started_at=None,
        )


class Import(models.Model):
    """One source that is, or was, loaded into a dataset."""

    dataset = models.CharField(max_length=50)
    url = models.TextField(help_text="http, https, file for a file of the server, or upload")
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    force = models.BooleanField(default=False, help_text="import although nothing has changed")
    expected_sha256 = models.CharField(max_length=64, blank=True, default="")
    max_rejects = models.BigIntegerField(null=True, blank=True)

    kicked_at = models.DateTimeField(null=True, blank=True)
    lease_token = models.BigIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    claimed_chunks = models.BigIntegerField(
        default=-1, help_text="how many chunks were committed when the present owner began"
    )
    barren_claims = models.BigIntegerField(
        default=0, help_text="owners in a row that fell silent without having committed a chunk"
    )

    etag = models.TextField(blank=True, default="")
    last_modified = models.TextField(blank=True, default="")
    form = models.CharField(max_length=10, blank=True, default="", help_text="csv, gzip or parquet")
    rows_start = models.BigIntegerField(default=0, help_text="byte where the first row starts")
    header = ArrayField(models.TextField(), default=list, blank=True)
    same_as = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="repeats",
        help_text="the import that had loaded this version of the source already",
    )
    replaced_by = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="replaces",
        help_text="the forced import whose rows took the place of this one's",
    )
    replaced_at = models.DateTimeField(
        null=True, blank=True, help_text="stays when the import that took its place is deleted"
    )
    is_whole = models.BooleanField(
        default=True,
        help_text="false once another import may have changed its rows, or taken them along",
    )

    bytes_done = models.BigIntegerField(default=0)
    bytes_total = models.BigIntegerField(null=True, blank=True)
    rows_loaded = models.BigIntegerField(default=0)
    rows_rejected = models.BigIntegerField(default=0)
    rows_added = models.BigIntegerField(default=0, help_text="rows that were new to the dataset")
    bytes_per_second = models.FloatField(default=0)
    rows_per_second = models.FloatField(default=0)
    error_code = models.CharField(max_length=50, blank=True, default="")
    error_detail = models.TextField(blank=True, default="")

    objects = ImportQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="import_status_known", condition=Q(status__in=Status.values)
            ),
            models.CheckConstraint(
                name="import_ended_has_ended_at",
                condition=Q(status__in=ENDED, ended_at__isnull=False)
                | Q(status__in=ACTIVE, ended_at__isnull=True),
            ),
            models.CheckConstraint(
                name="import_failed_has_error",
                condition=Q(status=Status.FAILED) ^ Q(error_code=""),
            ),
        )
        indexes = (
            models.Index(name="import_active", fields=["status"], condition=Q(status__in=ACTIVE)),
        )

    def __str__(self) -> str:
        return f"{self.dataset} {self.pk}"

    @property
    def percent(self) -> float | None:
        """How much of the source is done, 0 to 100; None where its length is not known."""
        if self.status == Status.FINISHED:
            return 100.0
        if not self.bytes_total:
            return None
        return min(100.0, round(100 * self.bytes_done / self.bytes_total, 2))

    @property
    def eta_seconds(self) -> float | None:
        """Seconds to go at the present rate; None where that cannot be told."""
        if self.status in ENDED:
            return 0.0
        if not self.bytes_total or not self.bytes_per_second:
            return None
        return round((self.bytes_total - self.bytes_done) / self.bytes_per_second, 1)


class Chunk(models.Model):
    """The ledger's line for one committed chunk: bytes and physical lines, ends excluded."""

    import_record = models.ForeignKey(
        Import,
        on_delete=models.CASCADE,
        related_name="chunks",
        db_column="import_id",
        db_index=False,
    )
    seq = models.BigIntegerField(help_text="the order in which chunks were cut, not of the file")
    byte_start = models.BigIntegerField()
    byte_end = models.BigIntegerField()
    line_start = models.BigIntegerField()
    line_end = models.BigIntegerField()
    row_count = models.BigIntegerField()
    reject_count = models.BigIntegerField()
    crc32 = models.BigIntegerField()
    committed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.UniqueConstraint(name="chunk_once", fields=["import_record", "byte_start"]),
            models.CheckConstraint(
                name="chunk_not_empty", condition=Q(byte_end__gt=F("byte_start"))
            ),
        )

    def __str__(self) -> str:
        return f"chunk {self.seq} of import {self.import_record_id}"


class Reject(models.Model):
    """A record that was refused: where it stands, which column is at fault, why, and its text."""

    import_record = models.ForeignKey(
        Import,
        on_delete=models.CASCADE,
        related_name="rejects",
        db_column="import_id",
        db_index=False,
    )
    line = models.BigIntegerField(help_text="physical line where the record starts, header = 1")
    byte_offset = models.BigIntegerField()
    column = models.TextField(blank=True, default="")
    code = models.CharField(max_length=50)
    reason = models.TextField()
    raw = models.TextField(blank=True, default="", help_text="at most its first 64 KiB")
    raw_bytes = models.BigIntegerField(help_text="the record's full length")

    class Meta:
        constraints = (
            models.UniqueConstraint(name="reject_once", fields=["import_record", "byte_offset"]),
        )

    def __str__(self) -> str:
        return f"line {self.line} of import {self.import_record_id}: {self.code}"


class UploadBlock(models.Model):
    """A part of a file that was sent here to be imported: any worker on any machine can read it."""

    import_record = models.ForeignKey(
        Import,
        on_delete=models.CASCADE,
        related_name="upload_blocks",
        db_column="import_id",
        db_index=False,
    )
    byte_start = models.BigIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                name="upload_block_once", fields=["import_record", "byte_start"]
            ),
        )

    def __str__(self) -> str:
        return f"upload of import {self.import_record_id} from byte {self.byte_start}"
