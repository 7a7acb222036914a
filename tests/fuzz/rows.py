"""A few rows of every kind, and what each is called in addresses."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User

from config.api.timestamps import write_timestamp
from dropzone.jobs import drain
from dropzone.models import Measurement
from dropzone.receiving import Envelope, receive_payload
from tests.explorer.loaded import store_games, store_trips
from tests.factories.footprints import FootprintFactory
from tests.factories.imports import ImportFactory, RejectFactory
from tests.factories.locations import MinuteAverageFactory

PAYLOADS = (
    b'{"time_stamp": "2024-07-01T12:00:00+02:00", "data": [1, 2, 4.5]}',
    b'{"time_stamp": "2024-07-01T12:00:00+02:00", "data": [1, 2]}',
    b'{"time_stamp": "2024-07-01T12:01:00+02:00", "data": [7]}',
    b'{"data": []}',
    b"no JSON",
)


@dataclass(frozen=True)
class Stored:
    superuser: User
    ids: dict[str, Any]

    def find(self, name: str) -> dict[str, Any]:
        """By the name of an operation: what its address can hold."""
        kind = name.partition("/api/v1/")[2].partition("/")[0]
        return {"z": 0, "x": 0, "y": 0, **self.ids, "id": self.ids.get(kind, 1)}


def store_rows() -> Stored:
    games, trips = store_games(40), store_trips(40)
    reject = RejectFactory(import_record=ImportFactory(), raw="a,b")
    ImportFactory(queued=True)
    payloads = [
        receive_payload(body, Envelope("application/json", "", "", "")) for body in PAYLOADS
    ]
    drain()
    footprints = FootprintFactory.create_batch(3, repairs=[{"code": "closed", "count": 1}])
    minutes = MinuteAverageFactory.create_batch(3)
    ids = {
        "footprints": footprints[0].pk,
        "imports": reject.import_record_id,
        "import_id": reject.import_record_id,
        "locations": minutes[0].pk,
        "payloads": payloads[-1].payload_id,
        "timestamp": write_timestamp(Measurement.objects.all()[0].timestamp),
        "trips": trips[0]["id"],
        "app_id": games[0]["app_id"],
    }
    return Stored(User.objects.create_superuser("fuzz"), ids)
