"""Trips are stored as they stand in the file: no value lost, none changed."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from psycopg import sql
from pytest_django import Settings

from explorer.models import Trip
from imports.choices import Status
from imports.datasets import datasets
from imports.jobs import create_import, run_import
from imports.models import Import
from tests.servers import Site, run_site

pytestmark = pytest.mark.django_db(transaction=True)

TRIPS = datasets["trips"]
NEW_YORK = ZoneInfo("America/New_York")
FIELDS = {column.name: column.target for column in TRIPS.columns}
TIMES = {column.name for column in TRIPS.columns if column.type == "timestamptz"}
REQUIRED = [column.name for column in TRIPS.columns if not column.is_optional]
USUAL = {
    "hvfhs_license_num": "HV0003",
    "dispatching_base_num": "B03404",
    "request_datetime": "2024-01-01 00:21:47",
    "pickup_datetime": "2024-01-01 00:28:08",
    "dropoff_datetime": "2024-01-01 01:05:39",
    "PULocationID": "161",
    "DOLocationID": "158",
    "trip_miles": "2.83",
    "base_passenger_fare": "45.61",
    "wav_match_flag": "N",
}

Row = tuple[str | None, ...]


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings: Settings) -> None:
    settings.IMPORT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def site() -> Iterator[Site]:
    with run_site() as site:
        yield site


def load(site: Site, body: bytes) -> Import:
    record = create_import("trips", site.serve("/trips.csv", body))
    run_import(record.pk)
    record.refresh_from_db()
    assert (record.status, record.error_detail) == (Status.FINISHED, "")
    return record


def write_trips(*rows: Mapping[str, str], columns: Sequence[str] = REQUIRED) -> bytes:
    """A file of trips of which only the named columns are not as usual."""
    lines = [columns, *([(USUAL | dict(row)).get(name, "") for name in columns] for row in rows)]
    return "".join(",".join(line) + "\n" for line in lines).encode()


def read_rows(names: Sequence[str]) -> list[Row]:
    """What is stored in these columns, in the file's order, as PostgreSQL writes it; times as
    the clock on the wall shows them."""
    values = sql.SQL(", ").join(
        sql.SQL("to_char({} AT TIME ZONE 'America/New_York', 'YYYY-MM-DD HH24:MI:SS')").format(
            field
        )
        if name in TIMES
        else sql.SQL("{}::text").format(field)
        for name, field in ((name, sql.Identifier(FIELDS[name])) for name in names)
    )
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT {} FROM explorer_trip ORDER BY id").format(values))
        return [tuple(row) for row in cursor.fetchall()]


def read_real_file(folder: Path) -> tuple[bytes, list[str], list[Row]]:
    body = (folder / "trips" / "fhvhv_tripdata_2024-01_head.csv").read_bytes()
    header, *rows = csv.reader(body.decode().splitlines())
    return body, header, [tuple(value or None for value in row) for row in rows]


def test_every_value_of_the_real_file_is_stored_as_it_stands_there(
    real_data: Path, site: Site
) -> None:
    body, header, expected = read_real_file(real_data)

    record = load(site, body)

    assert (record.rows_loaded, record.rows_rejected) == (14_918, 0)
    assert len(header) == 24
    assert Counter(read_rows(header)) == Counter(expected)
    assert Trip.objects.filter(originating_base_num=None).count() == 3_882


def test_times_of_the_real_file_are_instants_of_new_york(real_data: Path, site: Site) -> None:
    body, header, expected = read_real_file(real_data)
    names = [name for name in header if name in TIMES]

    load(site, body)

    stored = Counter(Trip.objects.values_list(*names))
    written = Counter(
        tuple(
            datetime.fromisoformat(value).replace(tzinfo=NEW_YORK).astimezone() if value else None
            for name, value in zip(header, row, strict=True)
            if name in TIMES
        )
        for row in expected
    )
    assert len(names) == 4
    assert stored == written


def test_columns_may_come_in_another_order(real_data: Path, site: Site) -> None:
    body, header, expected = read_real_file(real_data)
    turned = "\n".join(",".join(reversed(line.split(","))) for line in body.decode().splitlines())

    record = load(site, turned.encode())

    assert record.header == header[::-1]
    assert Counter(read_rows(header)) == Counter(expected)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (REQUIRED, [None]),
        ([*REQUIRED, "cbd_congestion_fee"], ["0.75"]),
        (["cbd_congestion_fee", *REQUIRED], ["0.75"]),
    ],
)
def test_column_of_later_years_may_be_there(
    site: Site, columns: list[str], expected: list[str | None]
) -> None:
    load(site, write_trips({"cbd_congestion_fee": "0.75"}, columns=columns))

    assert [value for (value,) in read_rows(["cbd_congestion_fee"])] == expected


@pytest.mark.parametrize(
    ("local", "instant"),
    [
        ("2024-07-01 00:00:00", "2024-07-01T04:00:00+00:00"),
        ("2024-12-31 23:59:59.999999", "2025-01-01T04:59:59.999999+00:00"),
        ("2024-11-03 00:59:59", "2024-11-03T04:59:59+00:00"),
        ("2024-11-03 01:30:00", "2024-11-03T06:30:00+00:00"),  # twice: the second, winter time
        ("2024-11-03 02:00:00", "2024-11-03T07:00:00+00:00"),
        ("2024-03-10 01:59:59", "2024-03-10T06:59:59+00:00"),
        ("2024-03-10 02:30:00", "2024-03-10T07:30:00+00:00"),  # never: an hour later
        ("2024-03-10 03:30:00", "2024-03-10T07:30:00+00:00"),
        ("2024-01-01 00:00:00+00", "2024-01-01T00:00:00+00:00"),
    ],
)
def test_local_time_is_the_instant_that_postgresql_takes_it_for(
    site: Site, local: str, instant: str
) -> None:
    load(site, write_trips({"pickup_datetime": local}))

    assert Trip.objects.get().pickup_datetime == datetime.fromisoformat(instant)


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("base_passenger_fare", "-45.61", "-45.61"),
        ("tips", "0.0", "0.0"),
        ("tips", "5.00", "5.00"),
        (
            "trip_miles",
            "0.1000000000000000055511151231257827",
            "0.1000000000000000055511151231257827",
        ),
        ("driver_pay", "123456789012345678901234567890.12", "123456789012345678901234567890.12"),
        ("tolls", "", None),
        ("tolls", '""', None),
        ("access_a_ride_flag", " ", " "),
        ("access_a_ride_flag", '" "', " "),
        ("access_a_ride_flag", "", None),
        ("originating_base_num", "", None),
        ("originating_base_num", '"B1, ""B2"""', 'B1, "B2"'),
        ("on_scene_datetime", "", None),
        ("PULocationID", "", None),
        ("trip_time", "-1", "-1"),
    ],
)
def test_value_is_stored_as_it_stands_in_the_file(
    site: Site, name: str, value: str, stored: str | None
) -> None:
    load(site, write_trips({name: value}))

    assert read_rows([name]) == [(stored,)]


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("hvfhs_license_num", "", "missing_value"),
        ("pickup_datetime", "", "missing_value"),
        ("dropoff_datetime", "", "missing_value"),
        ("PULocationID", "161.0", "invalid_value"),
        ("trip_time", "2251.5", "invalid_value"),
        ("tips", "$5", "invalid_value"),
        ("tips", "NaN", "out_of_range"),
        ("tolls", "Infinity", "out_of_range"),
        ("request_datetime", "infinity", "out_of_range"),
        ("on_scene_datetime", "1066-10-14 09:00:00", "out_of_range"),
        ("dropoff_datetime", "2023-02-29 00:00:00", "out_of_range"),
    ],
)
def test_value_that_is_none_is_refused_by_its_column(
    site: Site, name: str, value: str, code: str
) -> None:
    record = load(site, write_trips({}, {name: value}, {}))

    [reject] = record.rejects.all()
    assert (reject.line, reject.column, reject.code) == (3, name, code)
    assert (record.rows_loaded, Trip.objects.count()) == (2, 2)


def test_every_column_of_a_trip_can_be_imported() -> None:
    fields = {field.column for field in Trip._meta.concrete_fields}

    assert set(FIELDS.values()) == fields - {"id", "import_id"}
