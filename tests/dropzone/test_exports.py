"""The other forms of an export hold the same measurements."""

from datetime import UTC, datetime

import pytest
from rest_framework.test import APIClient

from dropzone.models import Measurement
from dropzone.partitions import make_next_partitions
from tests.dropzone.payloads import process, write
from tests.exported import read_export

pytestmark = pytest.mark.django_db(transaction=True)

INSTANT = datetime(2024, 7, 2, 10, 0, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("suffix", "timestamp"), [("jsonl", "2024-07-02T10:00:00.000001Z"), ("parquet", INSTANT)]
)
def test_every_form_has_the_same_measurements(
    api: APIClient, suffix: str, timestamp: object
) -> None:
    make_next_partitions()
    for n in range(3):
        process(write(*range(n + 1), when=f"2024-07-0{n + 1}T10:00:00.00000{n}Z"))
    payload_ids = Measurement.objects.order_by("timestamp").values_list("payload_id", flat=True)

    first, second = read_export(api.get(f"/api/v1/measurements/export.{suffix}?count__lt=3"))

    assert first["std"] is None
    assert list(second.items()) == [
        ("timestamp", timestamp),
        ("mean", 0.5),
        ("std", 0.7071067811865476),
        ("count", 2),
        ("payload", payload_ids[1]),
    ]
