"""Where the bytes of payloads are kept: in PostgreSQL, by default."""

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from django.db.models import Exists, OuterRef, QuerySet

from dropzone.choices import State
from dropzone.models import Payload, RawBody
from dropzone.partitions import drop_partition, list_days


class RawStore(Protocol):
    """What keeps bytes, apart from the rows that tell of them."""

    is_in_database: bool  # they are inserted together with their row, in one statement

    def keep(self, sha256: bytes, body: bytes) -> None:
        """Before there is a row: what has one is there."""

    def read(self, payloads: Sequence[Payload]) -> dict[int, bytes]:
        """The bytes by the payload's id; of those that were dropped there are none."""

    def select_kept(self, payloads: QuerySet[Payload]) -> QuerySet[Payload]:
        """Those of the payloads whose bytes are kept, as far as can be told at once."""

    def drop(self, before: date) -> int:
        """Drops the bytes that were received before this day of UTC, but for those that were not
        processed yet; tells of how many days."""


class DatabaseStore:
    is_in_database = True

    def keep(self, sha256: bytes, body: bytes) -> None:
        return

    def read(self, payloads: Sequence[Payload]) -> dict[int, bytes]:
        # By day too, so that no other partitions are looked at.
        rows = RawBody.objects.filter(
            payload_id__in=[payload.pk for payload in payloads],
            received_on__in={payload.received_on for payload in payloads},
        )
        return {key: bytes(body) for key, body in rows.values_list("payload_id", "body")}

    def select_kept(self, payloads: QuerySet[Payload]) -> QuerySet[Payload]:
        return payloads.filter(Exists(RawBody.objects.filter(payload_id=OuterRef("pk"))))

    def drop(self, before: date) -> int:
        days = [day for day in list_days() if day < before and not is_waited_for(day)]
        for day in days:
            drop_partition(day)
        return len(days)


def is_waited_for(day: date) -> bool:
    """Whether bytes of this day were not processed yet."""
    waiting = Payload.objects.filter(state=State.RECEIVED, pk=OuterRef("payload_id"))
    return RawBody.objects.filter(Exists(waiting), received_on=day).exists()


def get_store() -> RawStore:
    return DatabaseStore()
