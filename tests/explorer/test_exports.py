"""Every form of an export holds the same trips."""

import json
from decimal import Decimal

import pytest
from django.http import FileResponse
from rest_framework.test import APIClient

from config.api.reading import READER
from tests.explorer.trips import import_trips
from tests.exported import read_export, read_types
from tests.factories.explorer import GameFactory

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", READER])

URL = "/api/v1/trips/"


def test_lines_of_json_keep_every_digit(api: APIClient) -> None:
    digits = ["0.0", "2.830", "-6.94", "0.1234567890123456789", "100000000000000000000.10"]
    import_trips(*({"tolls": Decimal(text)} for text in digits))

    response = api.get(f"{URL}export.jsonl")

    assert isinstance(response, FileResponse)
    lines = response.getvalue().decode().splitlines()
    assert [json.loads(line, parse_float=str)["tolls"] for line in lines] == digits


def test_parquet_holds_what_the_list_holds(api: APIClient) -> None:
    import_trips(
        {"originating_base_num": None, "trip_miles": Decimal("0.1"), "shared_match_flag": " "},
        {"originating_base_num": "", "trip_miles": None, "pu_location_id": 161},
    )
    listed = api.get(URL).json()["results"]

    rows = read_export(api.get(f"{URL}export.parquet"))

    for row in rows:
        for name in ("pickup_datetime", "dropoff_datetime"):
            row[name] = row[name].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert [list(row.items()) for row in rows] == [list(row.items()) for row in listed]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_every_form_holds_what_the_filters_find(api: APIClient, suffix: str) -> None:
    first, _, third = import_trips(*({"trip_time": n} for n in (161, 230, 161)))

    response = api.get(f"{URL}export.{suffix}?trip_time=161")

    assert response.headers["X-Row-Count"] == "2"
    assert [int(row["id"]) for row in read_export(response)] == [first.pk, third.pk]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_every_form_holds_the_games(api: APIClient, suffix: str) -> None:
    game = GameFactory(about_the_game="one\nline\r more", genres="Casual,Indie")

    [row] = read_export(api.get(f"/api/v1/games/export.{suffix}"))

    assert (row["about_the_game"], row["genres"]) == (game.about_the_game, "Casual,Indie")
    assert str(row["release_date"]) == "2008-10-21"


def test_day_and_price_of_a_game_have_types_in_parquet(api: APIClient) -> None:
    response = api.get("/api/v1/games/export.parquet?fields=app_id,release_date,price,windows")

    assert isinstance(response, FileResponse)
    assert read_types(response) == {
        "app_id": "BIGINT",
        "release_date": "DATE",
        "price": "DOUBLE",
        "windows": "BOOLEAN",
    }
