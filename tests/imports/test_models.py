"""The database itself refuses what must not be."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from imports.choices import ACTIVE, ENDED, Status
from imports.models import Import
from tests.factories.imports import ChunkFactory, ImportFactory, RejectFactory

pytestmark = pytest.mark.django_db


def test_every_status_is_either_active_or_ended() -> None:
    assert set(Status) == ACTIVE | ENDED
    assert not ACTIVE & ENDED


@pytest.mark.parametrize(
    "values",
    [
        {"status": "asleep"},
        {"status": Status.FINISHED, "ended_at": None},
        {"status": Status.RUNNING},
        {"status": Status.FAILED},
        {"status": Status.FINISHED, "error_code": "http_404"},
    ],
)
def test_contradicting_import_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ImportFactory(**values)


def test_chunk_is_committed_once() -> None:
    chunk = ChunkFactory()

    with pytest.raises(IntegrityError), transaction.atomic():
        ChunkFactory(import_record=chunk.import_record, byte_start=chunk.byte_start)


def test_empty_chunk_is_refused() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ChunkFactory(byte_start=5, byte_end=5)


def test_record_is_rejected_once() -> None:
    reject = RejectFactory()

    with pytest.raises(IntegrityError), transaction.atomic():
        RejectFactory(import_record=reject.import_record, byte_offset=reject.byte_offset)


@pytest.mark.parametrize(
    ("values", "percent", "eta_seconds"),
    [
        ({"bytes_done": 25, "bytes_total": 100, "bytes_per_second": 5}, 25.0, 15.0),
        ({"bytes_done": 25, "bytes_total": None, "bytes_per_second": 5}, None, None),
        ({"bytes_done": 0, "bytes_total": 100, "bytes_per_second": 0}, 0.0, None),
    ],
)
def test_percent_and_eta_of_a_running_import(
    values: dict[str, Any], percent: float | None, eta_seconds: float | None
) -> None:
    record = Import(status=Status.RUNNING, **values)

    assert (record.percent, record.eta_seconds) == (percent, eta_seconds)


def test_finished_import_of_unknown_length_is_done() -> None:
    record = ImportFactory(bytes_total=None)

    assert (record.percent, record.eta_seconds) == (100.0, 0.0)


def test_waiting_are_the_queued_and_those_whose_lease_ran_out() -> None:
    now = timezone.now()
    queued = ImportFactory(queued=True)
    silent = ImportFactory(
        queued=True, status=Status.RUNNING, lease_expires_at=now - timedelta(seconds=1)
    )
    ImportFactory(queued=True, status=Status.RUNNING, lease_expires_at=now + timedelta(minutes=1))
    ImportFactory()

    assert set(Import.objects.waiting()) == {queued, silent}


def test_kick_is_noted_once_within_its_patience() -> None:
    record = ImportFactory(queued=True)

    first = Import.objects.mark_kicked(record.pk)
    second = Import.objects.mark_kicked(record.pk)

    assert (first, second) == (True, False)


def test_staging_is_kept_while_an_import_can_go_on() -> None:
    week_ago = timezone.now() - timedelta(days=8)
    active = ImportFactory(queued=True)
    failed = ImportFactory(status=Status.FAILED, error_code="x")
    ImportFactory(status=Status.FAILED, error_code="x", ended_at=week_ago)
    ImportFactory()

    assert set(Import.objects.holding_staging()) == {active, failed}
