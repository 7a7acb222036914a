"""Connections are kept between requests, and one that broke is not used again."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from django.db import connection

pytestmark = pytest.mark.django_db(transaction=True)


def begin_request() -> None:
    """As Django does before each: what broke is noticed with the first statement."""
    connection.close_if_unusable_or_obsolete()


def ask(question: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(question)
        [answer] = cursor.fetchone()
    return str(answer)


@pytest.fixture
def other() -> Iterator[psycopg.Connection]:
    """A connection that Django does not know."""
    with closing(connection.get_new_connection(connection.get_connection_params())) as other:
        other.autocommit = True
        yield other


def test_healthy_connection_is_not_asked(other: psycopg.Connection) -> None:
    process = ask("SELECT pg_backend_pid()")

    begin_request()
    connection.ensure_connection()
    connection.close_if_health_check_failed()

    seen = other.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [process]).fetchone()
    assert seen == ("SELECT pg_backend_pid()",)
    assert ask("SELECT pg_backend_pid()") == process


def test_ended_connection_is_replaced(other: psycopg.Connection) -> None:
    process = ask("SELECT pg_backend_pid()")
    other.execute("SELECT pg_terminate_backend(%s, 5000)", [process])

    begin_request()

    assert ask("SELECT pg_backend_pid()") != process


def test_news_do_not_end_a_connection(other: psycopg.Connection) -> None:
    """A notification makes the socket readable too."""
    process = ask("SELECT pg_backend_pid()")
    ask("SELECT set_config('a.b', 'c', false)")
    with connection.cursor() as cursor:
        cursor.execute("LISTEN news")
    other.execute("NOTIFY news")

    begin_request()

    assert ask("SELECT current_setting('a.b')") == "c"
    assert ask("SELECT pg_backend_pid()") == process


def test_closed_connection_is_replaced() -> None:
    process = ask("SELECT pg_backend_pid()")
    connection.connection.close()

    begin_request()

    assert ask("SELECT pg_backend_pid()") != process
