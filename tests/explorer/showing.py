"""What the explorer's pages show in tests, and what is read of them."""

import re
from collections.abc import Mapping
from decimal import Decimal
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.test import Client

from imports.models import Import
from tests.factories.explorer import GameFactory
from tests.factories.imports import ImportFactory

URL = "/explorer/games/"
TRIPS_URL = "/explorer/trips/"
DIGITS = "4.123456789012345678901234567890"
MARKUP = '<script>alert("x")</script>'
GAME_ROWS: Mapping[str, dict[str, Any]] = {
    "bowling": {
        "app_id": 20200,
        "name": "Galactic Bowling",
        "release_date_text": "Oct 21, 2008",
        "price": Decimal("19.99"),
        "windows": True,
        "mac": None,
        "genres": "Casual,Indie",
        "positive": 6,
        "dlc_count": -1,
    },
    "bandit": {
        "app_id": 655370,
        "name": "Train Bandit",
        "release_date_text": "Oct 12, 2017",
        "price": Decimal("0.99"),
        "windows": True,
        "genres": "Action,Indie",
        "positive": 2**53 + 1,
        "dlc_count": 3,
    },
    "odd": {
        "app_id": 3_000_000,
        "name": MARKUP,
        "release_date_text": "May 2020",
        "price": Decimal(DIGITS),
        "windows": False,
        "genres": None,
        "positive": None,
    },
}


def store_shown() -> Import:
    record: Import = ImportFactory(dataset="games")
    for row in GAME_ROWS.values():
        GameFactory(import_record=record, **row)
    return record


def show(visitor: Client, address: str) -> Any:
    response = visitor.get(address)
    assert response.status_code == 200, response.headers
    return response


def list_cells(response: Any) -> list[list[str]]:
    return [[cell.text for cell in row] for row in response.context["result"]["rows"]]


def read_query(href: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(href).query)


def find_links(response: Any, words: str) -> list[str]:
    """Where the links lead whose text holds these words."""
    links = re.findall(r'<a\b[^>]*?href="([^"]*)"[^>]*>(.*?)</a>', response.content.decode(), re.S)
    return [unescape(href) for href, text in links if words in " ".join(text.split())]
