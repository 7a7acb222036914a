"""A few rows of every kind, what each is called in addresses, and who may ask for them."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from rest_framework_simplejwt.tokens import AccessToken

from config.access import IDENTITIES, KEY
from config.api.timestamps import write_timestamp
from config.groups import GROUPS
from dropzone.jobs import drain
from dropzone.models import Measurement
from dropzone.receiving import Envelope, receive_payload
from tests.explorer.loaded import store_games, store_trips
from tests.factories.footprints import FootprintFactory
from tests.factories.imports import ImportFactory, RejectFactory
from tests.factories.locations import MinuteAverageFactory
from tests.people import make_key, make_user

# A user, a key, or nobody.
Identity = User | str | None

PAYLOADS = (
    b'{"time_stamp": "2024-07-01T12:00:00+02:00", "data": [1, 2, 4.5]}',
    b'{"time_stamp": "2024-07-01T12:00:00+02:00", "data": [1, 2]}',
    b'{"time_stamp": "2024-07-01T12:01:00+02:00", "data": [7]}',
    b'{"data": []}',
    b"no JSON",
)
# Whom anybody is where everything is open, and who may do everything where nothing is.
ANYBODY, SUPERUSER = "anybody", "superuser"
ROLES = tuple(IDENTITIES)


@dataclass(frozen=True)
class Stored:
    identities: dict[str, Identity]
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
    return Stored(make_identities(), ids)


def make_identities() -> dict[str, Identity]:
    maker = make_user("maker", group="admin")
    people = {group: make_user(group, group=group) for group in GROUPS}
    keys = {
        name: make_key(name.removeprefix(KEY), by=maker)[1]
        for name in ROLES
        if name.startswith(KEY)
    }
    return {
        **dict.fromkeys((ANYBODY, "anonymous")),
        SUPERUSER: User.objects.create_superuser(SUPERUSER),
        "user in no group": make_user("nobody", group=""),
        **people,
        **keys,
    }


def sign_in(identity: Identity) -> dict[str, str]:
    """The header that says who asks."""
    if identity is None:
        return {}
    if isinstance(identity, str):
        return {"Authorization": f"Api-Key {identity}"}
    return {"Authorization": f"Bearer {AccessToken.for_user(identity)}"}
