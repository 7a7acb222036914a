"""Payloads whose bytes are in a bucket, for tests."""

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

from django.utils.timezone import now
from pytest_django import Settings

from dropzone.choices import State
from dropzone.models import Payload, RawBody
from dropzone.partitions import make_partition

NAME = "payloads"


def configure(settings: Settings, url: str, name: str = NAME) -> None:
    options = {"bucket_name": name, "endpoint_url": url, "region_name": "eu-central-1"}
    raw_storage = {"BACKEND": "dropzone.bucket.Bucket", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "raw": raw_storage}


def list_keys(bucket: Any) -> set[str]:
    return {found.key for found in bucket.objects.all()}


def digest(body: bytes) -> str:
    return sha256(body).hexdigest()


def reject(*payloads: Payload) -> None:
    rows = Payload.objects.filter(pk__in=[payload.pk for payload in payloads])
    rows.update(state=State.REJECTED, ended_at=now(), reasons=[{"code": "x", "reason": "x"}])


def make_old(payload: Payload, days: int) -> None:
    """As if it had been received so many days ago."""
    received_at = now() - timedelta(days=days)
    day = received_at.astimezone(UTC).date()
    if not payload.is_in_bucket:
        make_partition(day)
    RawBody.objects.filter(payload_id=payload.pk).update(received_on=day)
    Payload.objects.filter(pk=payload.pk).update(received_at=received_at)
    payload.refresh_from_db()


def days_ago(days: int) -> date:
    return datetime.now(UTC).date() - timedelta(days=days)
