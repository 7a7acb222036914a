"""Made-up payloads, the same for the same seed: a sensor's values of each minute, and what is wrong
with some of them."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

START = datetime(2024, 7, 1, 8, tzinfo=UTC)
VALUES = 60
PERIOD_MINUTES = 90
# Sent once more, with other values: of the payloads for one instant the last received stands.
CORRECTED = range(10, 15)
REJECTED = (
    b'{"time_stamp": "2024-07-01T08:00:00", "data": [20.5]}',  # of no zone
    b'{"time_stamp": "2024-07-01T10:30:00Z", "data": []}',
    b'{"time_stamp": "2024-07-01T10:31:00Z", "data": [20.5, "high", null]}',
)


def write_payloads(minutes: int, *, seed: int) -> Iterator[bytes]:
    """The bodies in the order in which they are sent."""
    random = Random(seed)  # noqa: S311 (nothing is secret here)
    for minute in [*range(minutes), *(minute for minute in CORRECTED if minute < minutes)]:
        yield write_payload(minute, random)
    yield from REJECTED


def write_payload(minute: int, random: Random) -> bytes:
    level = 20 + 4 * math.sin(2 * math.pi * minute / PERIOD_MINUTES)
    spread = 0.3 + 0.2 * math.cos(2 * math.pi * minute / PERIOD_MINUTES)
    data = [round(random.gauss(level, spread), 2) for _ in range(VALUES)]
    moment = START + timedelta(minutes=minute)
    return json.dumps({"time_stamp": moment.isoformat(), "data": data}).encode()
