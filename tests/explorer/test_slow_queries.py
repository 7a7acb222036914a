"""Questions that take too long, and questions of tables that hold nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from config.api.reading import READER
from explorer.views import TableViewSet

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", READER])

QUESTIONS = [
    ("explorer_game", "games/"),
    ("explorer_game", "games/?count=none"),
    ("explorer_game", "games/10/"),
    ("explorer_game", "games/aggregate/?group_by=genres"),
    ("explorer_game", "games/facets/?fields=genres"),
    ("explorer_game", "games/histogram/?field=price"),
    ("explorer_trip", "trips/"),
    ("explorer_trip", "trips/1/"),
    ("explorer_trip", "trips/aggregate/?group_by=pu_zone"),
    ("explorer_trip", "trips/facets/?fields=pu_zone"),
    ("explorer_trip", "trips/histogram/?field=trip_miles"),
    ("explorer_trip", "zones/"),
    ("explorer_taxizone", "zones/"),
]


@pytest.fixture(autouse=True)
def _soon(settings: Settings) -> Iterator[None]:
    """The reader's queries are cancelled before long."""
    settings.QUERY_SECONDS = 0.2
    with connections[READER].cursor() as cursor:
        cursor.execute("SET statement_timeout = '200ms'")
    yield
    connections[READER].close()


@pytest.mark.parametrize(("table", "question"), QUESTIONS)
def test_question_that_takes_too_long_is_a_503_with_advice(
    api: APIClient, table: str, question: str
) -> None:
    api.raise_request_exception = False

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        response = api.get(f"/api/v1/{question}")

    [error] = response.json()["errors"]
    assert (response.status_code, error["code"]) == (503, "query_too_slow")
    assert error["detail"].endswith(TableViewSet.advice)


@pytest.mark.parametrize(
    "query", ["", "tab=facets&facet=name", "tab=aggregate", "tab=histogram&field=price"]
)
def test_page_tells_the_same_advice(client: Client, settings: Settings, query: str) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read"})
    client.raise_request_exception = False

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE explorer_game IN ACCESS EXCLUSIVE MODE")
        response = client.get(f"/explorer/games/?{query}")

    [fault] = response.context["faults"]
    assert fault[2].endswith(TableViewSet.advice)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("games/aggregate/", {"results": [{"count": 0}], "has_more": False}),
        (
            "trips/aggregate/?metrics=sum:tolls,distinct:pu_zone",
            {"results": [{"sum:tolls": None, "distinct:pu_zone": 0}], "has_more": False},
        ),
        ("games/aggregate/?group_by=genres", {"results": [], "has_more": False}),
        ("games/facets/?fields=genres", {"results": {"genres": []}, "has_more": []}),
        (
            "trips/histogram/?field=pickup_datetime",
            {"field": "pickup_datetime", "results": [], "missing": 0},
        ),
        (
            "zones/",
            {
                "type": "FeatureCollection",
                "next": None,
                "previous": None,
                "count": 0,
                "count_is": "exact",
                "features": [],
            },
        ),
    ],
)
def test_empty_tables_have_answers_too(api: APIClient, question: str, expected: Any) -> None:
    response = api.get(f"/api/v1/{question}")

    assert (response.status_code, response.json()) == (200, expected)
