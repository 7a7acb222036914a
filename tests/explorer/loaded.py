"""Rows that are in the tables for a whole module, and what Python finds in them."""

import ast
import csv
import io
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

from rest_framework.test import APIClient

from explorer.models import Game, TaxiZone
from explorer.tables import GAMES, Table
from imports.datasets import datasets
from imports.engine.records import Column
from imports.jobs import create_import, run_import
from imports.models import Import
from tests.explorer.trips import PICKUP, import_trips
from tests.factories.explorer import TaxiZoneFactory
from tests.factories.imports import ImportFactory

Row = dict[str, Any]
Rows = Mapping[str, list[Row]]

FORMATS = ("%b %d, %Y", "%b %Y")
BUCKETS = {"year": "%Y", "month": "%Y-%m", "day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H:00:00Z"}
SUFFIXES = {"inc", "llc", "ltd"}
DIGITS = "0.1234567890123456789"

GAME_VALUES: Mapping[str, Sequence[Any]] = {
    "source_index": (None, -1, 0, 7, 7),
    "name": (None, "Arba", "arba", "Ärger", 'say "no"', "back\\slash", "🦊", "100%", "a,b"),
    "release_date_text": (None, "Oct 21, 2008", "May 2020", "May 1, 2020", "Dec 31, 1999"),
    "required_age": (None, -3, 0, 0, 12, 18),
    "price": (None, *map(Decimal, ("0", "0.00", "5", "5.00", "19.99", "-3.5", DIGITS))),
    "dlc_count": (None, *range(40)),
    "about_the_game": (None, "short", "two\nlines", "ünïcode"),
    "supported_languages": (None, "[]", "['English']", """["Côte d'Ivoire", 'English']"""),
    "windows": (None, True, True, False),
    "mac": (True, False),
    "linux": (None, False),
    "positive": (None, 0, 1, 2**62, 2**62 + 1),
    "negative": (None, *range(-5, 5)),
    "score_rank": (None,) * 300 + (Decimal("97"), Decimal("98.5")),
    "developers": (None, "Gemdrops, Inc.", "aNCHOR Inc.,fuzz, Inc.", "Wise, LLC,Other", "Ltd"),
    "publishers": (None, "Other", "Other,Wise, LLC", "CFK Co., Ltd."),
    "categories": (None, ",", "Co-op", "Co-op,VR only", "VR only,Co-op"),
    "genres": (None, "Indie", "Indie,Action", " Action , Indie,Indie", ",", "RPG,,Action"),
    "tags": (None, "2D", "2D,Cute", "Cute,Indie,2D"),
}
TRIP_VALUES: Mapping[str, Sequence[Any]] = {
    "hvfhs_license_num": ("HV0003", "HV0005"),
    "originating_base_num": (None, "B1", "B2"),
    "pu_location_id": (None, 1, 2, 2, 3, 264),
    "do_location_id": (None, 1, 3, 264),
    "trip_miles": (None, Decimal("0.0"), Decimal("2.830"), Decimal(DIGITS)),
    "trip_time": (None, 60, 61, 3_600),
    "tolls": (None, Decimal("-6.94"), Decimal("6.94"), Decimal("0")),
    "wav_match_flag": (None, "Y", "N", " "),
}
ZONE_NAMES = {1: ("Newark Airport", "EWR"), 2: ("Astoria", "Queens"), 3: ("Jamaica", "Queens")}


# Making rows


def load(dataset: str, folder: Path, body: bytes, **fields: Any) -> Import:
    """An import of a file, from its beginning to its end."""
    file = folder / "file.csv"
    file.write_bytes(body)
    record = create_import(dataset, str(file), **fields)
    run_import(record.pk)
    record.refresh_from_db()
    return record


def store_games(count: int) -> list[Row]:
    draw = random.Random(count)  # noqa: S311 - sample data, not secrets
    record = ImportFactory(dataset="games")
    rows = [
        {"app_id": 10 * n, "import_record": record}
        | {name: draw.choice(values) for name, values in GAME_VALUES.items()}
        for n in range(1, count + 1)
    ]
    Game.objects.bulk_create(Game(**row) for row in rows)
    return [complete_game(row, record) for row in rows]


def load_real_games(folder: Path, body: bytes) -> Rows:
    record = load("games", folder, body)
    return {"games": [complete_game(row, record) for row in read_games(body)], "trips": []}


def complete_game(row: Row, record: Import) -> Row:
    """With what is derived from the file's values."""
    text = row["release_date_text"]
    derived: Row = {"import_id": record.pk, "release_date": None, "release_date_precision": None}
    if text:
        derived["release_date"] = read_date(text)
        derived["release_date_precision"] = "day" if "," in text else "month"
    return row | derived


def store_trips(count: int) -> list[Row]:
    """Trips, and the zones that some of them name."""
    draw = random.Random(count)  # noqa: S311 - sample data, not secrets
    rows: list[Row] = [
        {
            "on_scene_datetime": draw.choice((None, PICKUP)),
            "pickup_datetime": PICKUP + timedelta(minutes=draw.randrange(600_000)),
            "dropoff_datetime": PICKUP + timedelta(microseconds=draw.randrange(10**12)),
        }
        | {name: draw.choice(values) for name, values in TRIP_VALUES.items()}
        for _ in range(count)
    ]
    store_zones()
    return [
        row | name_zones(row) | {"id": trip.pk, "import_id": trip.import_record_id}
        for row, trip in zip(rows, import_trips(*rows), strict=True)
    ]


def store_zones() -> list[TaxiZone]:
    return [
        TaxiZoneFactory(location_id=number, zone=zone, borough=borough)
        for number, (zone, borough) in ZONE_NAMES.items()
    ]


def name_zones(row: Row) -> Row:
    names = {end: ZONE_NAMES.get(row[f"{end}_location_id"], (None, None)) for end in ("pu", "do")}
    return {
        f"{end}_{what}": name
        for end, found in names.items()
        for what, name in zip(("zone", "borough"), found, strict=True)
    }


def store_made() -> Rows:
    return {"games": store_games(3_000), "trips": store_trips(2_000)}


# Reading files


def read_games(body: bytes) -> list[Row]:
    """A file's rows by the API's names."""
    columns = datasets["games"].columns_by_name
    return [
        {columns[name].target: read_cell(columns[name], text) for name, text in row.items()}
        for row in csv.DictReader(io.StringIO(body.decode(), newline=""))
    ]


def read_cell(column: Column, text: str) -> Any:
    readers: Mapping[str, Callable[[str], Any]] = {
        "text": str,
        "bigint": int,
        "integer": int,
        "numeric": Decimal,
        "boolean": {"TRUE": True, "FALSE": False}.__getitem__,
    }
    return readers[column.type](text) if text else None


def read_date(text: str) -> date:
    return datetime.strptime(text, FORMATS["," not in text]).replace(tzinfo=UTC).date()


def split_list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def split_names(text: str) -> list[str]:
    """Pieces that are a company's suffix alone belong to the piece before."""
    names: list[str] = []
    for part in text.split(","):
        if names and part.strip().rstrip(".").lower() in SUFFIXES:
            names[-1] += f",{part}"
        elif part.strip():
            names.append(part.strip())
    return names


ELEMENTS: Mapping[str, Callable[[str], Iterable[str]]] = {
    "supported_languages": ast.literal_eval,
    "developers": split_names,
    "publishers": split_names,
    "categories": split_list,
    "genres": split_list,
    "tags": split_list,
}


# Asking, and finding the same in Python


def ask(api: APIClient, path: str, **parameters: Any) -> Any:
    """An answer with every digit of its numbers."""
    response = api.get(f"/api/v1/{path}/", parameters)
    assert response.status_code == 200, response.content
    return json.loads(response.content, parse_float=Decimal)


def list_elements(row: Row, name: str) -> list[str]:
    return list(dict.fromkeys(ELEMENTS[name](row[name] or "()")) if row[name] else ())


def list_keys(row: Row, name: str) -> list[Any]:
    """The groups of a column that a row belongs to; a list's are its elements."""
    column, _, bucket = name.partition(":")
    if column in ELEMENTS:
        return list(list_elements(row, column)) or [None]
    value = row.get(column)
    if bucket and value is not None:
        return [value.strftime(BUCKETS[bucket])]
    return [show(value)]


def show(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S.%f}".rstrip("0").rstrip(".") + "Z"
    return value.isoformat() if isinstance(value, date) else value


def group_rows(rows: Iterable[Row], names: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        for key in product(*(list_keys(row, name) for name in names)):
            groups[key].append(row)
    return groups


def list_values(rows: Iterable[Row], name: str) -> list[Any]:
    """A column's values, without NULL."""
    return [row[name] for row in rows if row.get(name) is not None]


def list_columns(table: Table, **wanted: Any) -> list[str]:
    """The names of the columns whose kind has what is wanted."""
    return [
        column.name
        for column in table.columns
        if all(getattr(column.kind, name) == value for name, value in wanted.items())
    ]


assert set(ELEMENTS) == {column.name for column in GAMES.columns if column.elements}
