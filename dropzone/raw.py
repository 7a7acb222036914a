"""Where the bytes of payloads are kept: in PostgreSQL, or in a bucket where one is configured."""

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Protocol, cast

import psycopg
from django.conf import settings
from django.core.files.storage import storages
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from config.api.statements import run_statement
from dropzone.choices import State
from dropzone.models import Payload, RawBody
from dropzone.partitions import drop_partition, list_days

if TYPE_CHECKING:
    from dropzone.bucket import Bucket

STORAGE = "raw"  # among settings.STORAGES, where a bucket is configured
KEY = re.compile("[0-9a-f]{64}", re.ASCII)
FETCHERS = 16  # objects at once: each is mostly waited for
STEP = 500  # objects that are deleted at once, each of which holds a lock
ORPHAN_AGE = timedelta(days=1)

# Who stores an object shares its lock until the row is there, who deletes has it alone. The lock
# is the connection's: it ends with a process that dies.
SHARE = "SELECT pg_advisory_lock_shared(%s::bigint)"
UNSHARE = "SELECT pg_advisory_unlock_shared(%s::bigint)"
HOLD = """
    SELECT sha256 FROM unnest(%s::bytea[], %s::bigint[]) AS wanted (sha256, lock)
     WHERE pg_try_advisory_xact_lock(lock)
"""


class RawUnreachable(OSError):
    """The bytes cannot be had now, which says nothing of whether they are kept."""


class BucketSilent(RawUnreachable):
    """It did not answer: nor will it answer whoever asks next."""


Bodies = dict[int, bytes | RawUnreachable]


@dataclass(frozen=True)
class Dropped:
    """How much was: days of bytes in PostgreSQL, and objects in the bucket."""

    days: int = 0
    objects: int = 0


class RawStore(Protocol):
    """What keeps bytes, apart from the rows that tell of them."""

    is_bucket: bool  # else bytes are inserted together with their row, in one statement

    def keep(self, sha256: bytes, body: bytes) -> AbstractContextManager[None]:
        """Within it the bytes are kept, and their row may be inserted. Raises RawUnreachable."""

    def read(self, payloads: Sequence[Payload]) -> Bodies:
        """The bytes by the payload's id, or why they cannot be had now; of those that were dropped
        there is nothing."""

    def drop(self, before: date) -> Dropped:
        """Drops the bytes that were received before this day of UTC, but for those that were not
        processed yet. Raises RawUnreachable."""


class DatabaseStore:
    is_bucket = False

    def keep(self, sha256: bytes, body: bytes) -> AbstractContextManager[None]:
        return nullcontext()

    def read(self, payloads: Sequence[Payload]) -> Bodies:
        unset = RawUnreachable("they are in a bucket, and DROPZONE_BUCKET is not set")
        return read_table(payloads) | {p.pk: unset for p in payloads if p.is_in_bucket}

    def drop(self, before: date) -> Dropped:
        return Dropped(days=drop_days(before))


class BucketStore:
    """Each body is one object, whose key is its SHA-256, however many payloads have it. What was
    received before there was a bucket is still in PostgreSQL."""

    is_bucket = True

    @property
    def bucket(self) -> "Bucket":
        return cast("Bucket", storages[STORAGE])

    @contextmanager
    def keep(self, sha256: bytes, body: bytes) -> Iterator[None]:
        lock = find_lock(sha256)
        run_statement(SHARE, [lock])
        try:
            # Also where it is there already: that makes it new again, and no orphan.
            self.bucket.put(sha256.hex(), body)
            yield
        finally:
            # Where the connection is lost, so is the lock.
            with suppress(psycopg.Error):
                run_statement(UNSHARE, [lock])

    def read(self, payloads: Sequence[Payload]) -> Bodies:
        bodies = read_table(payloads)
        inside = {p.pk: bytes(p.sha256) for p in payloads if p.is_in_bucket}
        found = self._fetch(set(inside.values()))
        return bodies | {key: found[sha256] for key, sha256 in inside.items() if sha256 in found}

    def _fetch(self, digests: set[bytes]) -> dict[bytes, bytes | RawUnreachable]:
        """Side by side; where the bucket falls silent, no more are asked for."""
        silent: list[BucketSilent] = []
        bucket = self.bucket

        def fetch(sha256: bytes) -> bytes | RawUnreachable | None:
            if silent:
                return silent[0]
            try:
                return bucket.get(sha256.hex())
            except BucketSilent as error:
                silent.append(error)
                return error
            except RawUnreachable as error:
                return error

        if len(digests) <= 1:
            found = [(sha256, fetch(sha256)) for sha256 in digests]
        else:
            with ThreadPoolExecutor(min(FETCHERS, len(digests))) as pool:
                found = list(zip(digests, pool.map(fetch, digests), strict=True))
        return {sha256: body for sha256, body in found if body is not None}

    def drop(self, before: date) -> Dropped:
        days = drop_days(before)
        midnight = datetime.combine(before, time.min, UTC)
        rows = Payload.objects.filter(is_in_bucket=True, received_at__lt=midnight).order_by("id")
        count = last = 0
        while step := list(rows.filter(id__gt=last).values_list("id", "sha256")[:STEP]):
            last = step[-1][0]
            count += self._drop({bytes(sha256) for _, sha256 in step}, midnight)
        return Dropped(days, count)

    def _drop(self, digests: set[bytes], midnight: datetime) -> int:
        """Those that no payload waits for, and none that is younger has."""
        with hold(digests) as held:
            needed = Q(received_at__gte=midnight) | Q(state=State.RECEIVED)
            gone = held - find_known(held, needed)
            if gone:
                # The row last: where this ends between the two, the next time mends it.
                self.bucket.remove([sha256.hex() for sha256 in gone])
                select_in_bucket(gone).update(is_in_bucket=False)
        return len(gone)

    def drop_orphans(self) -> int:
        """Deletes the objects that no payload has, and which nobody stored for a day; tells how
        many. Whoever stores the same bytes while this looks is not harmed: either he has the lock,
        or he waits for it and stores them anew."""
        count = 0
        for page in self.bucket.walk(STEP):
            eve = datetime.now(UTC) - ORPHAN_AGE
            # Whatever else is in the bucket is none of ours.
            old = {bytes.fromhex(key) for key, at in page if at < eve and KEY.fullmatch(key)}
            if orphans := old - find_known(old):
                count += self._drop_orphans(orphans)
        return count

    def _drop_orphans(self, digests: set[bytes]) -> int:
        with hold(digests) as held:
            # Once more: a row may have come before the lock was ours.
            gone = held - find_known(held)
            if gone:
                self.bucket.remove([sha256.hex() for sha256 in gone])
        return len(gone)


def find_lock(sha256: bytes) -> int:
    return int.from_bytes(sha256[:8], signed=True)


@contextmanager
def hold(digests: Iterable[bytes]) -> Iterator[set[bytes]]:
    """Those of them that nobody is storing, nor will before this ends."""
    wanted = sorted(digests)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(HOLD, [wanted, [find_lock(sha256) for sha256 in wanted]])
        yield {bytes(sha256) for (sha256,) in cursor.fetchall()}


def select_in_bucket(digests: Iterable[bytes]) -> QuerySet[Payload]:
    return Payload.objects.filter(is_in_bucket=True, sha256__in=list(digests))


def find_known(digests: Iterable[bytes], needed: Q | None = None) -> set[bytes]:
    """Those of them that payloads have."""
    rows = select_in_bucket(digests).filter(needed or Q())
    return {bytes(sha256) for sha256 in rows.values_list("sha256", flat=True)}


def read_table(payloads: Sequence[Payload]) -> Bodies:
    inside = [payload for payload in payloads if not payload.is_in_bucket]
    # By day too, so that no other partitions are looked at.
    rows = RawBody.objects.filter(
        payload_id__in=[payload.pk for payload in inside],
        received_on__in={payload.received_on for payload in inside},
    )
    return {key: bytes(body) for key, body in rows.values_list("payload_id", "body")}


def drop_days(before: date) -> int:
    """The tables of all days before, but for those with bytes that were not processed yet."""
    old = (day for day in list_days() if day < before)
    return sum(drop_partition(day, is_waited_for) for day in old)


def is_waited_for(day: date) -> bool:
    """Whether bytes of this day were not processed yet."""
    waiting = Payload.objects.filter(state=State.RECEIVED, pk=OuterRef("payload_id"))
    return RawBody.objects.filter(Exists(waiting), received_on=day).exists()


def select_kept(payloads: QuerySet[Payload]) -> QuerySet[Payload]:
    """Those of the payloads whose bytes are kept, as far as can be told at once."""
    in_table = Exists(RawBody.objects.filter(payload_id=OuterRef("pk")))
    return payloads.filter(Q(is_in_bucket=True) | in_table)


def read_one(payload: Payload) -> bytes | None:
    """Raises RawUnreachable."""
    body = get_store().read([payload]).get(payload.pk)
    if isinstance(body, RawUnreachable):
        raise body
    return body


def has_bucket() -> bool:
    return STORAGE in settings.STORAGES


def get_store() -> RawStore:
    return BucketStore() if has_bucket() else DatabaseStore()
