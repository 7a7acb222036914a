"""Payloads for tests."""

import json
from datetime import UTC, datetime
from typing import Any

from dropzone.draining import drain_payloads
from dropzone.models import Measurement, Payload
from dropzone.receiving import Envelope, receive_payload

WHEN = "2024-07-01T10:00:00Z"
INSTANT = datetime(2024, 7, 1, 10, tzinfo=UTC)
BAD = b'{"time_stamp": "2024-07-01T10:00:00", "data": []}'


def write(*numbers: float, when: str = WHEN, **others: Any) -> bytes:
    return json.dumps({"time_stamp": when, "data": numbers, **others}).encode()


def receive(body: bytes, key: str = "", encoding: str = "") -> Payload:
    receipt = receive_payload(body, Envelope("application/json", encoding, "tests", key))
    return Payload.objects.get(pk=receipt.payload_id)


def process(body: bytes, **options: str) -> Payload:
    payload = receive(body, **options)
    drain_payloads()
    payload.refresh_from_db()
    return payload


def read_standing() -> dict[datetime, tuple[float, int]]:
    """The mean that stands for each instant, and of which payload it is."""
    rows = Measurement.objects.values_list("timestamp", "mean", "payload_id")
    return {timestamp: (mean, payload_id) for timestamp, mean, payload_id in rows}
