"""Games over the API: each filter finds what it says, and rows are shown as they are stored."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from config.api.reading import READER
from explorer.models import Game
from explorer.tables import GAMES
from tests.explorer.conftest import Commit
from tests.factories.explorer import GameFactory
from tests.factories.imports import ImportFactory

pytestmark = pytest.mark.django_db(databases=["default", READER])

URL = "/api/v1/games/"
ODD = "100%_\\ \"two\" 'one' 🎳 a\u0085b"
ROWS: Mapping[str, dict[str, Any]] = {
    "bowling": {
        "app_id": 20200,
        "name": "Galactic Bowling",
        "positive": 6,
        "score_rank": None,
        "mac": False,
        "linux": None,
        "genres": "Casual,Indie,Sports",
        "developers": "Perpetual FX Creative",
        "supported_languages": "['English']",
    },
    "bandit": {
        "app_id": 655370,
        "name": "Train Bandit",
        "release_date_text": "Oct 12, 2017",
        "required_age": 17,
        "price": Decimal("0.99"),
        "positive": 53,
        "score_rank": Decimal("98"),
        "mac": True,
        "linux": True,
        "genres": "Action,Indie",
        "developers": "Rusty Moyher",
        "supported_languages": "['English', \"Côte d'Ivoire\", 'Can\\'t \\\\ say', 'Fran\\xe7ais']",
    },
    "project": {
        "app_id": 2**62 + 1,
        "name": "Jolt Project",
        "release_date_text": "May 2020",
        "required_age": 18,
        "price": Decimal("4.123456789012345678901234567890"),
        "positive": 2**53 + 1,
        "score_rank": Decimal("98.50"),
        "mac": False,
        "linux": False,
        "windows": False,
        "genres": "Action RPG, Strategy",
        "developers": "Gemini, Inc.,Solo",
    },
    "odd": {
        "app_id": 3_000_000,
        "name": ODD,
        "release_date_text": None,
        "required_age": None,
        "price": None,
        "genres": ODD,
        "windows": None,
    },
}
IMPORT_IDS = 9_000_000_001, 9_000_000_002  # which no sequence gets to, and whose ends differ
Params = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def games(commit: Commit) -> Mapping[str, Game]:
    """The last one is of another import."""

    def make() -> dict[str, Game]:
        first, second = (ImportFactory(pk=pk, dataset="games") for pk in IMPORT_IDS)
        return {
            key: GameFactory(import_record=second if key == "odd" else first, **row)
            for key, row in ROWS.items()
        }

    return commit(make)


def find(api: APIClient, params: Params) -> list[str]:
    page = api.get(URL, params).json()
    keys = {row["app_id"]: key for key, row in ROWS.items()}
    found = sorted(keys[row["app_id"]] for row in page["results"])
    assert page["count"] == len(found)
    return found


def parse(content: bytes) -> Any:
    return json.loads(content, parse_float=Decimal)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "bandit bowling odd project"),
        ({"name": "gal"}, "bowling"),
        ({"name": "BOWL"}, "bowling"),
        ({"name__exact": "Galactic Bowling"}, "bowling"),
        ({"name__exact": "galactic bowling"}, ""),
        ({"name__exact": "Galactic"}, ""),
        ({"name": ["gal", "jolt"]}, "bowling project"),
        ({"name": "a", "price__lt": "1"}, "bandit"),
        ({"app_id": "20200"}, "bowling"),
        ({"app_id": str(2**62 + 1)}, "project"),
        ({"app_id": str(2**62)}, ""),
        ({"app_id__gt": "655370"}, "odd project"),
        ({"release_date": "2008-10-21"}, "bowling"),
        ({"release_date__lt": "2010-01-01"}, "bowling"),
        ({"release_date__gte": "2020-05-01", "release_date__lte": "2020-05-31"}, "project"),
        ({"release_date__gt": "2017-10-12"}, "project"),
        ({"release_date__isnull": "true"}, "odd"),
        ({"release_date": ["2008-10-21", "2017-10-12"]}, "bandit bowling"),
        ({"release_date_text": "oct"}, "bandit bowling"),
        ({"release_date_precision": "month"}, "project"),
        ({"release_date_precision__exact": "da"}, ""),
        ({"required_age": "17"}, "bandit"),
        ({"required_age": ["17", "18"]}, "bandit project"),
        ({"required_age__gte": "17"}, "bandit project"),
        ({"required_age__lt": "99999999999"}, "bandit bowling project"),
        ({"required_age__isnull": "1"}, "odd"),
        ({"price": "0.990"}, "bandit"),
        ({"price": "4.123456789012345678901234567890"}, "project"),
        ({"price": "4.12345678901234567890123456789"}, "project"),
        ({"price": "4.1234567890123457"}, ""),
        ({"price__gt": "0.99", "price__lte": "19.99"}, "bowling project"),
        ({"price__gte": "1e1"}, "bowling"),
        ({"positive": str(2**53 + 1)}, "project"),
        ({"positive": str(2**53)}, ""),
        ({"score_rank": "98.5"}, "project"),
        ({"score_rank__isnull": "true"}, "bowling odd"),
        ({"score_rank__isnull": "false"}, "bandit project"),
        ({"mac": "true"}, "bandit"),
        ({"mac": "false"}, "bowling project"),
        ({"mac__isnull": "true"}, "odd"),
        ({"windows": "0"}, "project"),
        ({"linux": ["true", "false"]}, "bandit project"),
        ({"genres": "action"}, "bandit project"),
        ({"genres__has": "Action"}, "bandit"),
        ({"genres__has": "Action RPG"}, "project"),
        ({"genres__has": "Strategy"}, "project"),
        ({"genres__has": "action"}, ""),
        ({"genres__has": "Action,Indie"}, ""),
        ({"genres__has": ["Sports", "Strategy"]}, "bowling project"),
        ({"genres__has": "Indie", "genres": "sports"}, "bowling"),
        ({"genres__exact": "Action,Indie"}, "bandit"),
        ({"developers__has": "Gemini, Inc."}, "project"),
        ({"developers__has": "Gemini"}, ""),
        ({"developers__has": "Solo"}, "project"),
        ({"supported_languages__has": "English"}, "bandit bowling"),
        ({"supported_languages__has": "'English'"}, ""),
        ({"supported_languages__has": "Côte d'Ivoire"}, "bandit"),
        ({"supported_languages__has": "Can't \\ say"}, "bandit"),
        ({"supported_languages__has": "Français"}, "bandit"),
        ({"publishers__isnull": "true"}, "bandit bowling odd project"),
    ],
)
def test_filter_finds_what_it_says(api: APIClient, params: Params, expected: str) -> None:
    assert find(api, params) == expected.split()


@pytest.mark.parametrize(
    "part", ["%", "_", "\\", "%_\\", '"two"', "'one'", "🎳", "A\u0085B", " \"two\" 'one' ", ODD]
)
@pytest.mark.parametrize("name", ["name", "genres"])
def test_part_matches_literally(api: APIClient, name: str, part: str) -> None:
    assert find(api, {name: part}) == ["odd"]


@pytest.mark.parametrize("name", ["name__exact", "genres__exact", "genres__has"])
def test_whole_matches_literally(api: APIClient, name: str) -> None:
    assert find(api, {name: ODD}) == ["odd"]
    assert find(api, {name: ODD.replace("_", "x")}) == []


def test_games_of_an_import_are_found(api: APIClient) -> None:
    first, other = IMPORT_IDS

    assert find(api, {"import_id": other}) == ["odd"]
    assert find(api, {"import_id": first}) == ["bandit", "bowling", "project"]
    assert find(api, {"import_id": [first, other]}) == sorted(ROWS)
    assert find(api, {"import_id__icontains": "002"}) == ["odd"]
    assert find(api, {"import_id__icontains": "9000"}) == sorted(ROWS)


@pytest.mark.parametrize(
    "name",
    [
        *("colour", "nam", "Name", "name__icontains", "name__regex", "name__isnul", "price__in"),
        *("pk", "import_record", "import_record__url", "genres_list", "required_age__exact"),
    ],
)
@pytest.mark.parametrize("path", ["", "20200/", "aggregate/", "export.csv"])
def test_unknown_parameter_is_a_400_that_names_it(api: APIClient, path: str, name: str) -> None:
    response = api.get(f"{URL}{path}", {name: "1"})

    assert response.status_code == 400
    [error] = response.json()["errors"]
    assert (error["code"], error["attr"]) == ("unknown_parameter", name)


@pytest.mark.parametrize("path", ["", "20200/"])
def test_columns_come_in_the_order_that_is_asked_for(api: APIClient, path: str) -> None:
    answer = api.get(f"{URL}{path}", {"fields": "price,name,release_date,app_id"}).json()

    row = answer["results"][0] if "results" in answer else answer
    assert list(row.items()) == [
        ("price", 19.99),
        ("name", "Galactic Bowling"),
        ("release_date", "2008-10-21"),
        ("app_id", 20200),
    ]


@pytest.mark.parametrize("path", ["", "20200/", "export.csv"])
@pytest.mark.parametrize("column", ["colour", "genres_list", "as_json", "import_record", "*"])
def test_column_that_is_not_there_is_a_400(api: APIClient, path: str, column: str) -> None:
    response = api.get(f"{URL}{path}", {"fields": f"name,{column}"})

    assert response.status_code == 400
    [error] = response.json()["errors"]
    assert error["attr"] == "fields"
    assert column in error["detail"]


def test_row_alone_is_the_row_of_the_list(api: APIClient) -> None:
    rows = parse(api.get(URL).content)["results"]

    assert [row["app_id"] for row in rows] == sorted(row["app_id"] for row in ROWS.values())
    for row in rows:
        assert list(row) == list(GAMES.paths)
        assert parse(api.get(f"{URL}{row['app_id']}/").content) == row


def test_row_is_shown_with_all_its_digits(api: APIClient, games: Mapping[str, Game]) -> None:
    project = games["project"]

    row = parse(api.get(f"{URL}{project.pk}/").content)

    assert row["app_id"] == 2**62 + 1
    assert row["positive"] == 2**53 + 1
    assert str(row["price"]) == "4.123456789012345678901234567890"
    assert str(row["score_rank"]) == "98.50"
    assert row["release_date"] == "2020-05-01"
    assert row["release_date_precision"] == "month"
    assert row["genres"] == "Action RPG, Strategy"
    assert (row["windows"], row["dlc_count"], row["publishers"]) == (False, None, None)
    assert row["import_id"] == project.import_record_id


@pytest.mark.parametrize("name", ["1", "0", str(2**63 - 1), str(2**63), "9" * 19, "9" * 5_000])
@pytest.mark.parametrize("table", ["games", "trips"])
def test_row_that_is_not_there_is_a_404(api: APIClient, table: str, name: str) -> None:
    response = api.get(f"/api/v1/{table}/{name}/")

    assert response.status_code == 404
    assert response.json()["errors"][0]["code"] == "not_found"
