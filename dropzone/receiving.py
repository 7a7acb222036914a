"""Raw first: a payload is in the database before anything is known of it."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from psycopg.errors import CheckViolation

from config.api.statements import run_statement
from dropzone.partitions import make_partition
from dropzone.raw import get_store

# One statement for the row and its bytes. A key that is known inserts nothing; a statement that ran
# twice, since its answer was lost, does so too.
RECEIVE = """
    WITH new AS (
        INSERT INTO dropzone_payload (
            received_at, sha256, size_bytes, content_type, content_encoding, sender,
            idempotency_key, is_in_bucket
        )
        VALUES (
            %(received_at)s, %(sha256)b, %(size_bytes)s, %(content_type)s, %(content_encoding)s,
            %(sender)s, %(key)s, %(is_in_bucket)s
        )
        ON CONFLICT (idempotency_key) DO NOTHING RETURNING id
    ), kept AS (
        INSERT INTO dropzone_rawbody (payload_id, received_on, body)
        SELECT id, %(received_on)s, %(body)b::bytea FROM new WHERE %(body)b::bytea IS NOT NULL
    )
    SELECT id FROM new
"""
FIND = """
    SELECT id, sha256, content_encoding FROM dropzone_payload WHERE idempotency_key = %s
"""


class KeyReused(Exception):
    """The idempotency key came with other bytes, or in another encoding, before."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a request says of its body."""

    content_type: str
    content_encoding: str
    sender: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    payload_id: int
    sha256: str


def receive_payload(body: bytes, envelope: Envelope) -> Receipt:
    """Stores the body; when this returns it is committed. The same key with the same bytes is the
    payload that it was before. Raises KeyReused, RawUnreachable."""
    digest = sha256(body)
    store = get_store()
    now = datetime.now(UTC)
    key = envelope.key or uuid.uuid4().hex
    values = {
        "received_at": now,
        "received_on": now.date(),
        "sha256": digest.digest(),
        "size_bytes": len(body),
        "content_type": envelope.content_type,
        "content_encoding": envelope.content_encoding,
        "sender": envelope.sender,
        "key": key,
        "is_in_bucket": store.is_bucket,
        "body": None if store.is_bucket else body,
    }
    with store.keep(digest.digest(), body):
        rows = _insert(values)
    if rows:
        [(payload_id,)] = rows
        return Receipt(payload_id, digest.hexdigest())
    [(payload_id, known, encoding)] = run_statement(FIND, [key])
    if (bytes(known), encoding) != (digest.digest(), envelope.content_encoding):
        raise KeyReused
    return Receipt(payload_id, digest.hexdigest())


def _insert(values: dict[str, Any]) -> list[tuple[Any, ...]]:
    try:
        return run_statement(RECEIVE, values)
    except CheckViolation:  # there is no partition for this day yet
        make_partition(values["received_on"])
        return run_statement(RECEIVE, values)
