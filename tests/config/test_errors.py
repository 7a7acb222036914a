"""A query that takes too long is told from a fault of ours."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections, transaction
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from config.api.errors import MOST_FAULTS
from config.api.reading import READER

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", READER])

FOR_EVER = "SELECT pg_sleep(60)"


class AskingView(APIView):
    """Asks the database what it is told to, as the explorer does."""

    permission_classes = ()
    statement = FOR_EVER

    def get(self, request: Request) -> Response:
        with transaction.atomic(using=READER), connections[READER].cursor() as cursor:
            cursor.execute(self.statement)
            return Response(cursor.fetchone())


class CopyingView(AskingView):
    """Its error is psycopg's own, not wrapped by Django."""

    advice = "Ask for less."

    def get(self, request: Request) -> Response:
        with (
            connections[READER].cursor() as cursor,
            cursor.copy(f"COPY ({FOR_EVER}) TO STDOUT") as copy,
        ):
            return Response(list(copy))


@pytest.fixture(autouse=True)
def _soon() -> Iterator[None]:
    with connections[READER].cursor() as cursor:
        cursor.execute("SET statement_timeout = '50ms'")
    yield
    connections[READER].close()


def ask(view: type[APIView], **options: Any) -> Response:
    response: Response = view.as_view(**options)(APIRequestFactory().get("/"))
    return response


@pytest.mark.parametrize(
    ("view", "advice"), [(AskingView, "Narrow it by a filter."), (CopyingView, "Ask for less.")]
)
def test_query_that_takes_too_long_is_a_503_with_advice(view: type[APIView], advice: str) -> None:
    response = ask(view)

    detail = f"It took longer than 5 seconds. {advice}"
    assert response.status_code == 503
    assert response.data == {
        "type": "server_error",
        "errors": [{"code": "query_too_slow", "detail": detail, "attr": None}],
    }


def test_query_that_is_too_large_is_a_503_with_advice() -> None:
    response = ask(AskingView, statement="SELECT repeat('four', 1 << 28)")

    [error] = response.data["errors"]
    assert (response.status_code, error["code"]) == (503, "query_too_large")
    assert error["detail"].endswith("Narrow it by a filter.")


@pytest.mark.parametrize("view", [AskingView, CopyingView])
def test_next_query_of_the_connection_is_answered(view: type[APIView]) -> None:
    ask(view)

    assert ask(AskingView, statement="SHOW statement_timeout").data == ("50ms",)


@pytest.mark.parametrize("statement", ["DELETE FROM explorer_trip", "SELECT 1 FROM auth_user"])
def test_what_the_reader_may_not_do_is_a_500(statement: str) -> None:
    response = ask(AskingView, statement=statement)

    assert response.status_code == 500
    assert response.data["errors"][0]["code"] == "error"


@pytest.mark.parametrize(
    "detail", [dict.fromkeys(map(str, range(200_000)), "unknown"), ["x"] * 500]
)
def test_very_many_faults_are_told_in_part(detail: Any) -> None:
    class RefusingView(APIView):
        permission_classes = ()

        def get(self, request: Request) -> Response:
            raise ValidationError({"filter": detail})

    response = ask(RefusingView)

    assert response.status_code == 400
    assert len(response.data["errors"]) == MOST_FAULTS
