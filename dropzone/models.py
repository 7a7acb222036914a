"""Payloads as they were received, and the measurements that came of them."""

from datetime import UTC, date

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import CompositePrimaryKey, Q, QuerySet
from django.db.models.functions import Now
from django.urls import reverse

from config.api.timestamps import write_timestamp
from dropzone.choices import ENDED, State

SHA256_BYTES = 32
MAX_KEY_CHARACTERS = 255
MAX_TYPE_CHARACTERS = 255
MAX_ENCODING_CHARACTERS = 32


class Payload(models.Model):
    """A body as it was received, which waits until it is processed: the outbox. Of two payloads the
    one with the larger id was received later. Its bytes are in `RawBody`, or in the bucket."""

    received_at = models.DateTimeField(db_default=Now())
    sha256 = models.BinaryField(max_length=SHA256_BYTES, help_text="of the bytes as received")
    size_bytes = models.BigIntegerField()
    content_type = models.CharField(max_length=MAX_TYPE_CHARACTERS)
    content_encoding = models.CharField(max_length=MAX_ENCODING_CHARACTERS)
    sender = models.CharField(max_length=255, help_text="who signed in, else the address")
    idempotency_key = models.CharField(
        max_length=MAX_KEY_CHARACTERS, help_text="the sender's, else one of ours"
    )
    state = models.CharField(max_length=9, choices=State, db_default=State.RECEIVED)
    attempts = models.IntegerField(db_default=0, help_text="that failed by a fault of ours")
    next_attempt_at = models.DateTimeField(db_default=Now())
    fault = models.TextField(db_default="", help_text="of ours, at the last attempt")
    ended_at = models.DateTimeField(null=True, blank=True)
    reasons = models.JSONField(db_default=[], help_text="why it was rejected: code and reason")
    timestamp = models.DateTimeField(
        null=True, blank=True, help_text="of the measurement that it produced"
    )
    is_in_bucket = models.BooleanField(
        db_default=False, help_text="else its bytes are in PostgreSQL"
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(name="payload_key_once", fields=["idempotency_key"]),
            models.CheckConstraint(
                name="payload_ended_or_not",
                condition=Q(state__in=ENDED, ended_at__isnull=False)
                | Q(state=State.RECEIVED, ended_at=None),
            ),
            models.CheckConstraint(
                name="payload_rejected_with_reasons",
                condition=Q(state=State.REJECTED) ^ Q(reasons=[]),
            ),
            models.CheckConstraint(
                name="payload_processed_with_timestamp",
                condition=~Q(state=State.PROCESSED) | Q(timestamp__isnull=False),
            ),
        )
        indexes = (
            models.Index(
                name="payload_waiting",
                fields=["next_attempt_at", "id"],
                condition=Q(state=State.RECEIVED),
            ),
            models.Index(name="payload_rejected", fields=["id"], condition=Q(state=State.REJECTED)),
            # Who deletes objects asks which payloads have them. Digests come in no order, so each
            # entry is on another page: without a bucket none is written.
            models.Index(
                name="payload_in_bucket", fields=["sha256"], condition=Q(is_in_bucket=True)
            ),
            BrinIndex(name="payload_received", fields=["received_at"], autosummarize=True),
        )

    def __str__(self) -> str:
        return f"payload {self.pk}, {self.state}"

    def get_absolute_url(self) -> str:
        return reverse("payload-page", args=[self.pk])

    @property
    def received_on(self) -> date:
        """The day of UTC."""
        return self.received_at.astimezone(UTC).date()


def requeue(payloads: QuerySet[Payload]) -> int:
    """Lets those that were rejected, or wait for another attempt, be processed now; tells how many.
    Those that are being processed are not waited for."""
    later = Q(state=State.RECEIVED, next_attempt_at__gt=Now())
    return payloads.filter(Q(state=State.REJECTED) | later).update(
        state=State.RECEIVED, ended_at=None, reasons=[], attempts=0, next_attempt_at=Now()
    )


class RawBody(models.Model):
    """The bytes of a payload, in a partition for each day of UTC, which is dropped as a whole."""

    pk = CompositePrimaryKey("payload_id", "received_on")
    payload_id = models.BigIntegerField()
    received_on = models.DateField(help_text="UTC")
    body = models.BinaryField()

    def __str__(self) -> str:
        return f"bytes of payload {self.payload_id}"


class SummaryColumns(models.Model):
    """What the numbers of a payload or of a measurement come to."""

    mean = models.FloatField()
    std = models.FloatField(
        null=True, blank=True, help_text="of the sample (n - 1); empty for one point"
    )
    count = models.BigIntegerField()

    class Meta:
        abstract = True


class Measurement(SummaryColumns):
    """What stands for an instant: of the payload for it that was received last."""

    timestamp = models.DateTimeField(primary_key=True, help_text="UTC")
    payload_id = models.BigIntegerField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="measurement_std",
                condition=Q(count=1, std=None) | Q(count__gt=1, std__gte=0),
            ),
        )

    def __str__(self) -> str:
        return f"{self.timestamp}: {self.mean}"

    def get_absolute_url(self) -> str:
        return reverse("measurement-page", args=[write_timestamp(self.timestamp)])


class Lineage(SummaryColumns):
    """What a payload says of an instant. Of all for one instant the last that was received stands;
    the others are its history."""

    pk = CompositePrimaryKey("timestamp", "payload_id")
    timestamp = models.DateTimeField(help_text="UTC")
    payload_id = models.BigIntegerField()
    processed_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.timestamp}: {self.mean}, by payload {self.payload_id}"
