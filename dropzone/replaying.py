"""Payloads once more: judged without a trace, or put in line again; measurements verified."""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from config.api.auditing import note, note_many
from dropzone.choices import State
from dropzone.draining import process, summarise, weigh
from dropzone.models import Lineage, Measurement, Payload, requeue
from dropzone.raw import read_one, select_kept
from dropzone.summarising import PayloadRefused, Reason, Summary

MOST_EXAMINED = 10_000
MOST_EXAMINED_BYTES = 64 * 2**20
MOST_LINEAGE = 1_000


def count_passing(payloads: QuerySet[Payload]) -> tuple[int, int]:
    """How many of the rejected ones were examined, and how many would pass now; nothing changes.

    The oldest are examined, as many as it takes some seconds to read. Raises RawUnreachable.
    """
    examined = passing = size = 0
    for payload in payloads.filter(state=State.REJECTED).order_by("id")[:MOST_EXAMINED].iterator():
        if examined and size + weigh(payload) > MOST_EXAMINED_BYTES:
            break
        size += weigh(payload)
        examined += 1
        results = process([payload])
        if results.unread:
            raise results.unread[0]
        passing += len(results.summaries)
    return examined, passing


def replay(payloads: QuerySet[Payload], chosen_by: dict[str, Any]) -> int:
    """Lets the rejected ones whose bytes are kept be processed anew; tells how many. The audit
    trail tells by what they were chosen."""
    with transaction.atomic():
        count = requeue(select_kept(payloads.filter(state=State.REJECTED)))
        if count:
            note_many("replay", Payload, f"{count} payloads", chosen_by=json.dumps(chosen_by))
        return count


class RawGone(Exception):
    """The bytes are not kept any more."""


def retry(payload: Payload) -> bool:
    """Lets a payload that was rejected, or waits for another attempt, be processed now; tells
    whether it was one. Raises RawGone and RawUnreachable."""
    if read_one(payload) is None:
        raise RawGone
    with transaction.atomic():
        is_queued = requeue(select_kept(Payload.objects.filter(pk=payload.pk))) == 1
        if is_queued:
            note("retry", payload)
        return is_queued


@dataclass(frozen=True)
class Verification:
    """What stands for an instant, and what its payload comes to when it is read once more."""

    payload: Payload
    is_same_raw: bool
    stored: Summary
    recomputed: Summary | None
    reasons: tuple[Reason, ...]

    @property
    def matches(self) -> bool:
        return self.is_same_raw and self.stored == self.recomputed


def verify(measurement: Measurement) -> Verification:
    """Recomputes the measurement from the bytes that were received. Raises RawGone and
    RawUnreachable."""
    payload = Payload.objects.filter(pk=measurement.payload_id).first()
    body = None if payload is None else read_one(payload)
    if payload is None or body is None:
        raise RawGone
    recomputed: Summary | None = None
    reasons: tuple[Reason, ...] = ()
    try:
        recomputed = summarise(payload, body)
    except PayloadRefused as refusal:
        reasons = refusal.reasons
    names = ("timestamp", "mean", "std", "count")
    return Verification(
        payload=payload,
        is_same_raw=sha256(body).digest() == bytes(payload.sha256),
        stored=Summary(**{name: getattr(measurement, name) for name in names}),
        recomputed=recomputed,
        reasons=reasons,
    )


def list_lineage(measurement: Measurement) -> list[dict[str, Any]]:
    """The payloads that say something of this instant, in the order of their receipt; of very many
    the last ones."""
    found = Lineage.objects.filter(timestamp=measurement.timestamp)
    rows = list(found.order_by("-payload_id")[:MOST_LINEAGE])[::-1]
    payloads = Payload.objects.in_bulk([row.payload_id for row in rows])
    return [
        {
            "payload": row.payload_id,
            "sha256": bytes(payloads[row.payload_id].sha256).hex(),
            "received_at": payloads[row.payload_id].received_at,
            "processed_at": row.processed_at,
            "mean": row.mean,
            "std": row.std,
            "count": row.count,
            "is_standing": row.payload_id == measurement.payload_id,
        }
        for row in rows
    ]
