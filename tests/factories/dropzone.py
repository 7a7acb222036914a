"""Payloads that wait, without their bytes, and measurements, a minute after each other."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import factory

from dropzone.models import Measurement, Payload

FIRST = datetime(2024, 7, 1, 10, tzinfo=UTC)


class PayloadFactory(factory.django.DjangoModelFactory[Payload]):
    class Meta:
        model = Payload

    received_at = FIRST
    sha256 = sha256(b"").digest()
    size_bytes = 0
    content_type = "application/json"
    content_encoding = ""
    sender = "127.0.0.1"
    idempotency_key = factory.Sequence(lambda n: f"key {n}")


class MeasurementFactory(factory.django.DjangoModelFactory[Measurement]):
    class Meta:
        model = Measurement

    timestamp = factory.Sequence(lambda n: FIRST + timedelta(minutes=n))
    mean = 1.5
    std = 0.5
    count = 2
    payload_id = factory.Sequence(lambda n: n + 1)
