"""Generated trips as a source serves them, and whether an import has them all, or none."""

import csv
import io
from collections import Counter
from decimal import Decimal

from explorer.models import Trip
from explorer.samples import write_trips
from imports.choices import Status
from imports.jobs import create_import, run_import
from imports.models import Import
from tests.faults.sources import Page

ROWS = 2_000
BODY = b"".join(write_trips(ROWS, seed=1))
LINES = BODY.splitlines(keepends=True)
OTHER = BODY.replace(b"HV000", b"HV009")  # as long, and other rows
HALF = len(BODY) // 2
ETAG = '"first"'
DATE = "Mon, 01 Jan 2024 00:00:00 GMT"
WHOLE = Page(BODY, etag=ETAG)
BARE = Page(BODY, has_ranges=False)
CAP_BYTES = 2 * len(BODY)
RETRIES = 5

# The columns of the file that tell one generated trip from another, and their fields.
TEXTS = {"hvfhs_license_num": "hvfhs_license_num", "dispatching_base_num": "dispatching_base_num"}
NUMBERS = {
    "PULocationID": "pu_location_id",
    "DOLocationID": "do_location_id",
    "trip_miles": "trip_miles",
    "trip_time": "trip_time",
    "base_passenger_fare": "base_passenger_fare",
    "tips": "tips",
    "driver_pay": "driver_pay",
}

Row = tuple[str | Decimal, ...]


def load(url: str, **fields: object) -> Import:
    record = create_import("trips", url, **fields)
    run_import(record.pk)
    record.refresh_from_db()
    return record


def count_rows(body: bytes) -> Counter[Row]:
    """The rows of a file by identity."""
    return Counter(
        (*(row[name] for name in TEXTS), *(Decimal(row[name]) for name in NUMBERS))
        for row in csv.DictReader(io.StringIO(body.decode("utf-8-sig")))
    )


def count_trips() -> Counter[Row]:
    """The rows that are published, by identity."""
    rows = Trip.objects.using("default").values_list(*TEXTS.values(), *NUMBERS.values())
    return Counter((*row[: len(TEXTS)], *map(Decimal, row[len(TEXTS) :])) for row in rows)


def check_finished(record: Import, body: bytes, *, rejects: int = 0) -> None:
    """All rows of `body` are there, each as often as it is in there, and no others."""
    expected = count_rows(body)
    state = (record.status, record.error_code, record.error_detail)
    assert state == (Status.FINISHED, "", "")
    assert (record.rows_loaded, record.rows_rejected) == (expected.total(), rejects)
    assert count_trips() == expected


def check_failed(record: Import, code: str) -> None:
    found = (record.status, record.error_code)
    assert found == (Status.FAILED, code), record.error_detail
    assert record.error_detail
    assert not Trip.objects.using("default").exists()
