"""What the page of examples shows, in its order: one call of everything the API has, and more where
that tells more."""

import gzip
import json
from functools import partial
from pathlib import Path

from django.core.files import File

from dropzone.draining import drain_payloads
from explorer.game_samples import write_games
from explorer.samples import write_trips
from imports.jobs import cancel_import, create_upload, run_import
from tests.examples.calling import ADDRESS, Example, Section
from tests.factories.explorer import TaxiZoneFactory
from tests.files import draw_ring, write_file, write_row, write_square
from tests.people import make_user

PASSWORD = "correct horse battery staple"  # noqa: S105 (of a user that lives for one test)
API = f"{ADDRESS}/api/v1"
AS_JSON = "-H 'Content-Type: application/json'"
AS_ADA = '-H "Authorization: Bearer $ACCESS"'
FIX = {
    "timestamp": "2024-07-01 12:00:28.008",
    **{"lat": 52.5, "long": 13.4, "accuracy": 12.5, "speed": 1.25, "user_id": "ada"},
}
# The same day a minute later, and in a place that there is not.
BATCH = [FIX | {"timestamp": "2024-07-01 12:01:00", "long": 13.41}, FIX | {"lat": 91}]
NEW_KEY = {
    "name": "Weather station",
    **{"scopes": ["ingest"], "expiry_date": "2099-01-01T00:00:00Z"},
}
MEASUREMENT = {"time_stamp": "2024-07-01T12:00:00+02:00", "data": [1, 2, 4.5]}
HERE = "/2024-07-01T10:00:00Z/"


def prepare(folder: Path) -> None:
    """Somebody to sign in, the files that examples send, and games, trips and zones."""
    make_user("ada", group="admin", password=PASSWORD)
    write_files(folder)
    for dataset in ("games", "trips"):
        with (folder / f"{dataset}.csv").open("rb") as file:
            record = create_upload(dataset, File(file, name=file.name))
        run_import(record.pk)
    TaxiZoneFactory(location_id=161, zone="Midtown Center", borough="Manhattan")
    TaxiZoneFactory(location_id=132, zone="JFK Airport", service_zone="Airports")


def write_files(folder: Path) -> None:
    """Of the third footprint the ring crosses itself, and the fourth is refused."""
    south_west, south_east, north_east, north_west, _ = draw_ring(13.02)
    bow_tie = {"coordinates": [[south_west, north_east, south_east, north_west, south_west]]}
    events = [
        write_square(6, lon=13.0),
        write_square(6, lon=13.04, happened_at="2024-07-02T08:30:00Z"),
        write_row(77, json.dumps(bow_tie)),
        write_square("six", lon=13.06),
    ]
    trips = b"".join(write_trips(30, seed=1))
    (folder / "events.csv").write_bytes(write_file(events))
    (folder / "games.csv").write_bytes(b"".join(write_games(30, seed=1)))
    (folder / "trips.csv").write_bytes(trips)
    (folder / "trips.csv.gz").write_bytes(gzip.compress(trips, mtime=0))
    (folder / "measurement.json").write_text(json.dumps(MEASUREMENT))


def get(path: str, text: str = "") -> Example:
    quoted = f"'{API}{path}'" if "?" in path else f"{API}{path}"
    return Example(f"curl {quoted}", text)


def download(path: str, name: str, text: str = "") -> Example:
    """What is not for a terminal."""
    return Example(f"curl {API}{path} -o {name}", text)


def post(path: str, body: object, *options: str) -> Example:
    head = " ".join(["curl", *options, AS_JSON, f"{API}{path}"])
    return Example(f"{head} \\\n    -d '{json.dumps(body)}'")


def export(name: str) -> tuple[Example, ...]:
    return (
        get(f"/{name}/export.csv"),
        get(f"/{name}/export.jsonl"),
        download(f"/{name}/export.parquet", f"{name}.parquet"),
    )


SIGNING_IN = Section(
    "Signing in",
    (
        post("/auth/token/", {"username": "ada", "password": PASSWORD}),
        Example(f'curl {AS_JSON} {API}/auth/token/refresh/ -d "{{\\"refresh\\": \\"$REFRESH\\"}}"'),
        post("/keys/", NEW_KEY, AS_ADA),
        Example(f"curl {AS_ADA} {API}/keys/"),
        Example(f"curl {AS_ADA} {API}/keys/1/"),
        Example(f"curl -X DELETE {AS_ADA} {API}/keys/1/"),
        Example(f"curl {API}/keys/", "Without a token:"),
    ),
)

IMPORTS = Section(
    "Imports",
    (
        get("/datasets/"),
        Example(
            f"curl -F dataset=footprints -F file=@events.csv {API}/imports/",
            then=partial(run_import, 3),
        ),
        post("/imports/", {"dataset": "trips", "url": "https://data.example/trips.csv.gz"}),
        get("/imports/?status=queued"),
        get("/imports/3/"),
        get("/imports/3/rejects/"),
        get("/imports/3/rejects.csv"),
        Example(f"curl -X POST {API}/imports/4/cancel/"),
        Example(f"curl -X POST {API}/imports/4/resume/", then=partial(cancel_import, 4)),
        Example(f"curl -X POST {API}/imports/3/resume/", "What has finished cannot go on:"),
        Example(f"curl -X DELETE {API}/imports/4/"),
    ),
)

FOOTPRINTS = Section(
    "Footprints",
    (
        get("/footprints/?page_size=1"),
        get("/footprints/?repaired=true&geometry=original"),
        get("/footprints/1/"),
        get("/footprints/heatmap/?org_id=6&source_event_timestamp__lt=2024-07-02"),
        get("/footprints/heatmap/?method=grid&cell=5000&org_id=6"),
        get("/footprints/heatmap/?in_bbox=1,2,3", "A parameter that cannot be read:"),
        get("/footprints/org-ids/"),
        get("/footprints/tiles.json"),
        download("/footprints/tiles/10/549/337.mvt", "tile.mvt"),
        *export("footprints"),
    ),
)

LOCATIONS = Section(
    "Locations",
    (
        Example(f"curl -X PUT {ADDRESS}/location \\\n    -d '{json.dumps(FIX)}'"),
        Example(
            f"curl -X PUT {ADDRESS}/location \\\n    -d '{json.dumps(FIX)}'", "The same again:"
        ),
        Example(
            f"curl -X PUT {ADDRESS}/location \\\n    -d '{json.dumps(FIX | {'lat': '52.5'})}'",
            "A text for a number:",
        ),
        post("/locations/batch/", BATCH),
        get("/locations/?user_id=ada&minute__gte=2024-07-01&minute__lt=2024-07-02"),
        get("/locations/1/"),
        get("/locations/latest/"),
        get("/locations/tracks/?user_id=ada"),
        get("/locations/tiles.json"),
        download("/locations/tiles/10/550/335.mvt", "tile.mvt"),
        *export("locations"),
    ),
)

DROPZONE = Section(
    "Dropzone",
    (
        Example(f"curl -d @measurement.json {ADDRESS}/dropzone"),
        Example(
            f"""curl -d '{{"time_stamp": "2024-07-01T10:00:00", "data": []}}' {ADDRESS}/dropzone""",
            "What is JSON is taken, whatever it says, and may be rejected later:",
            then=drain_payloads,
        ),
        Example(f"curl -d 'no JSON' {ADDRESS}/dropzone", "What is no JSON is kept too, and told:"),
        get("/payloads/?state=rejected"),
        get("/payloads/1/"),
        download("/payloads/1/raw/", "payload.json"),
        Example(f"curl -X POST {API}/payloads/2/retry/", then=drain_payloads),
        post("/payloads/replay/", {"filter": {"code": "data_empty"}, "dry_run": True}),
        get("/measurements/?timestamp=2024-07-01"),
        get(f"/measurements{HERE}"),
        get(f"/measurements{HERE}lineage/"),
        Example(f"curl -X POST {API}/measurements{HERE}verify/"),
        *export("measurements"),
    ),
)

GAMES = Section(
    "Games",
    (
        get(
            "/games/?price__gte=5&fields=app_id,name,price,release_date&ordering=-price&page_size=2"
        ),
        get("/games/1000000000/"),
        get("/games/aggregate/?group_by=genres&metrics=count,avg:price&ordering=-count&limit=2"),
        get("/games/facets/?fields=genres,required_age&limit=2"),
        get("/games/histogram/?field=price&bins=2"),
        *export("games"),
    ),
)

TRIPS = Section(
    "Trips and zones",
    (
        get("/trips/?trip_miles__gte=10&fields=id,pickup_datetime,trip_miles&page_size=2"),
        get("/trips/8589934593/"),
        get("/trips/aggregate/?group_by=hvfhs_license_num&metrics=count,median:trip_time"),
        get("/trips/facets/?fields=dispatching_base_num&limit=2"),
        get("/trips/histogram/?field=pickup_datetime&bins=2"),
        get("/zones/?borough=queens&geometry=none"),
        *export("trips"),
    ),
)

OTHERS = Section(
    "Health and the description",
    (Example(f"curl {ADDRESS}/healthz"), Example(f"curl {ADDRESS}/api/schema/ -o schema.yaml")),
)

SECTIONS = (SIGNING_IN, IMPORTS, FOOTPRINTS, LOCATIONS, DROPZONE, GAMES, TRIPS, OTHERS)
