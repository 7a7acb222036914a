"""Payloads into measurements: in batches, each in one transaction with the state of its payloads.

Any number of workers may drain at once; whatever is killed, a batch is done or waits as before.
"""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import accumulate
from typing import Any

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from config.api.errors import show_text
from dropzone.choices import State
from dropzone.models import Payload
from dropzone.raw import RawUnreachable, get_store
from dropzone.summarising import PayloadRefused, Reason, Summary, summarise_payload, unpack

logger = logging.getLogger(__name__)

COLUMNS = ("id", "received_at", "sha256", "is_in_bucket", "content_encoding", "size_bytes")
BATCH = 200
BATCH_BYTES = 16 * 2**20  # a small payload waits for those that it was taken with
PACKED = 20  # times as large, at a guess
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)
MAX_DOUBLINGS = 10

# The order of the rows is that of their keys, so that no two batches wait for each other. The
# later payload stands, whichever is processed first.
PUBLISH = """
    WITH done AS MATERIALIZED (
        SELECT * FROM unnest(
            %(timestamp)s::timestamptz[], %(payload_id)s::bigint[],
            %(mean)s::float8[], %(std)s::float8[], %(count)s::bigint[]
        ) AS done (timestamp, payload_id, mean, std, count)
    ), told AS (
        INSERT INTO dropzone_lineage (timestamp, payload_id, mean, std, count)
        SELECT * FROM done ORDER BY timestamp, payload_id
        ON CONFLICT (timestamp, payload_id) DO NOTHING
    ), standing AS (
        INSERT INTO dropzone_measurement AS known (timestamp, payload_id, mean, std, count)
        SELECT DISTINCT ON (timestamp) * FROM done ORDER BY timestamp, payload_id DESC
        ON CONFLICT (timestamp) DO UPDATE SET
            payload_id = excluded.payload_id, mean = excluded.mean, std = excluded.std,
            count = excluded.count
        WHERE known.payload_id < excluded.payload_id
    )
    UPDATE dropzone_payload AS payload
       SET state = 'processed', ended_at = statement_timestamp(), timestamp = done.timestamp,
           fault = ''
      FROM done WHERE payload.id = done.payload_id
"""
REJECT = """
    UPDATE dropzone_payload AS payload
       SET state = 'rejected', ended_at = statement_timestamp(), reasons = refused.reasons,
           fault = ''
      FROM unnest(%s::bigint[], %s::jsonb[]) AS refused (payload_id, reasons)
     WHERE payload.id = refused.payload_id
"""


@dataclass(frozen=True)
class Results:
    """What became of the payloads of a batch, by their ids."""

    summaries: dict[int, Summary] = field(default_factory=dict)
    refusals: dict[int, tuple[Reason, ...]] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)
    unread: list[RawUnreachable] = field(default_factory=list)  # among the faults


def drain_payloads() -> int:
    """Processes all that wait, but for those whose next attempt is later; tells how many."""
    total = 0
    while count := drain_batch():
        total += count
    return total


def drain_batch() -> int:
    """How many of those that wait were processed, or put off; 0 where none is left."""
    try:
        with transaction.atomic():
            limit_idleness()
            taken = take_batch(Payload.objects.all())
            write(process(taken))
            return len(taken)
    except Exception:
        # One of many may be at fault: by itself each is judged alone.
        logger.exception("A batch of payloads failed.")
        return drain_singly()


def limit_idleness() -> None:
    """Whoever is stopped, or lost, within a batch lets go of its payloads."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '60s'")


def drain_singly() -> int:
    """The same one by one, where those that fail are put off."""
    waiting = list(list_waiting(Payload.objects.all()).values_list("id", flat=True)[:BATCH])
    for payload_id in waiting:
        try:
            with transaction.atomic():
                write(process(take_batch(Payload.objects.filter(pk=payload_id))))
        except Exception as error:
            logger.exception("Payload %d could not be processed.", payload_id)
            postpone(payload_id, f"{type(error).__name__}: {error}")
    return len(waiting)


def list_waiting(payloads: QuerySet[Payload]) -> QuerySet[Payload]:
    """Those that wait longest first; none whose next attempt is later."""
    waiting = payloads.filter(state=State.RECEIVED, next_attempt_at__lte=Now())
    return waiting.order_by("next_attempt_at", "id")


def take_batch(payloads: QuerySet[Payload]) -> list[Payload]:
    """Some of those that wait, held until the transaction ends: others take others."""
    waiting = list_waiting(payloads).only(*COLUMNS)
    # No more than there is room for, or others would pass over what is held and not processed.
    rows = waiting.select_for_update(skip_locked=True)[: count_fitting(waiting[:BATCH])]
    return list(rows)


def count_fitting(payloads: Iterable[Payload]) -> int:
    """How many from the first on are read together; one at least."""
    sizes = accumulate(map(weigh, payloads))
    return max(1, sum(size <= BATCH_BYTES for size in sizes))


def weigh(payload: Payload) -> int:
    """About how many bytes it is to read: what is packed may be much more."""
    return payload.size_bytes * (PACKED if payload.content_encoding else 1)


def process(payloads: Sequence[Payload]) -> Results:
    bodies = get_store().read(payloads) if payloads else {}
    results = Results()
    for payload in payloads:
        try:
            results.summaries[payload.pk] = summarise(payload, bodies.get(payload.pk))
        except PayloadRefused as refusal:
            results.refusals[payload.pk] = refusal.reasons
        except RawUnreachable as error:
            logger.warning("The bytes of payload %d cannot be had: %s", payload.pk, error)
            results.unread.append(error)
            results.faults[payload.pk] = f"{type(error).__name__}: {error}"
        except Exception as error:
            logger.exception("Payload %d could not be processed.", payload.pk)
            results.faults[payload.pk] = f"{type(error).__name__}: {error}"
    return results


def summarise(payload: Payload, body: bytes | RawUnreachable | None) -> Summary:
    """Of its bytes as they were received. Raises PayloadRefused, RawUnreachable."""
    if isinstance(body, RawUnreachable):
        raise body
    if body is None:
        raise PayloadRefused(Reason("raw_gone", "its bytes are not kept any more"))
    return summarise_payload(unpack(body, payload.content_encoding))


def write(results: Results) -> None:
    with connection.cursor() as cursor:
        if results.summaries:
            cursor.execute(PUBLISH, make_columns(results.summaries))
        if results.refusals:
            reasons = [
                json.dumps([{"code": r.code, "reason": show_text(r.reason)} for r in found])
                for found in results.refusals.values()
            ]
            cursor.execute(REJECT, [list(results.refusals), reasons])
    for payload_id, text in results.faults.items():
        postpone(payload_id, text)


def make_columns(summaries: dict[int, Summary]) -> dict[str, list[Any]]:
    names = ("timestamp", "mean", "std", "count")
    columns = {name: [getattr(s, name) for s in summaries.values()] for name in names}
    return columns | {"payload_id": list(summaries)}


def postpone(payload_id: int, text: str) -> None:
    """Another attempt, each after twice the pause of the one before: the payload is not lost, and
    keeps no other waiting."""
    payload = Payload.objects.filter(pk=payload_id, state=State.RECEIVED)
    for attempts in payload.values_list("attempts", flat=True):
        pause = min(FIRST_PAUSE * 2 ** min(attempts, MAX_DOUBLINGS), LONGEST_PAUSE)
        payload.update(attempts=F("attempts") + 1, next_attempt_at=Now() + pause, fault=text[:1000])
