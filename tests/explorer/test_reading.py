"""The role that the explorer reads with, on a connection of its own."""

import hmac
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import pbkdf2_hmac, sha256
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections
from psycopg import sql
from psycopg.errors import InsufficientPrivilege, QueryCanceled, ReadOnlySqlTransaction

from config.api.reading import READER
from explorer.models import Trip
from explorer.reading import make_reader, plan_reader
from tests.explorer.trips import import_trips, name_partition
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", READER])

OWNER = django_settings.DATABASES["default"]["USER"]
FOREIGN = sorted(
    model._meta.db_table
    for model in apps.get_models(include_auto_created=True)
    if model._meta.app_label != "explorer" and model._meta.managed
)


def run(statement: str, *, alias: str = "default") -> list[tuple[Any, ...]]:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def refuse(statement: str) -> type[BaseException]:
    """How PostgreSQL refuses what the reader asks for."""
    with pytest.raises(DatabaseError) as caught:
        run(statement, alias=READER)
    assert caught.value.__cause__ is not None
    return type(caught.value.__cause__)


def tell() -> str:
    """What the command says."""
    output = StringIO()
    call_command("make_reader", stdout=output)
    return output.getvalue()


def list_missing(role: str) -> list[str]:
    with connection.cursor() as cursor:
        return [
            statement.as_string(connection.connection) for statement in plan_reader(cursor, role)
        ]


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch, worker_id: str) -> Iterator[str]:
    """A role of the test's own that is still to be made; the reader connects with it."""
    name = f"It's {worker_id}"
    connections[READER].close()
    monkeypatch.setitem(django_settings.DATABASES[READER], "USER", name)
    yield name
    connections[READER].close()
    if (name,) in run("SELECT rolname FROM pg_roles"):
        run(f'DROP OWNED BY "{name}"')
        run(f'DROP ROLE "{name}"')


@pytest.fixture
def weak_owner() -> Iterator[None]:
    """The role of DATABASE_URL may not make roles."""
    run("SET ROLE pg_monitor")
    yield
    run("RESET ROLE")


def test_trips_are_read_through_their_table_alone() -> None:
    trips = import_trips({"trip_time": 1}, {"trip_time": 2})
    partition = name_partition(trips[0].import_record)

    assert list(Trip.objects.using(READER).order_by("id")) == trips
    assert refuse(f"SELECT FROM {partition}") is InsufficientPrivilege


def test_areas_are_projected() -> None:
    [[is_same]] = run(
        "SELECT ST_SRID(ST_Transform(ST_Point(0, 0, 4326), 6933)) = 6933", alias=READER
    )

    assert is_same


def test_reader_is_itself_on_the_database_of_the_test() -> None:
    asked = "SELECT current_user::text, current_database()::text"
    limits = "SELECT current_setting('statement_timeout'), current_setting('transaction_read_only')"

    assert run(asked, alias=READER) == [
        ("catchment_reader", connection.settings_dict["NAME"]),
    ]
    assert run(limits, alias=READER) == [("5s", "on")]


@pytest.mark.parametrize("table", FOREIGN)
def test_other_tables_are_not_read(table: str) -> None:
    assert refuse(f"SELECT FROM {table}") is InsufficientPrivilege


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO explorer_trip (id) VALUES (1)",
        "UPDATE explorer_trip SET trip_time = 1",
        "DELETE FROM explorer_trip",
        "TRUNCATE explorer_trip",
        "DO $$ BEGIN LOCK TABLE explorer_trip IN SHARE MODE; END $$",
        "SELECT FROM explorer_trip FOR UPDATE",
        "ALTER TABLE explorer_trip ADD mine integer",
        "DROP TABLE explorer_trip",
        "CREATE TABLE mine ()",
        "CREATE TABLE staging.mine ()",
        "CREATE TEMP TABLE mine ()",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql RETURN 1",
        "CREATE EXTENSION dblink",
        "CREATE ROLE mine",
        "ALTER ROLE CURRENT_USER CREATEDB",
        f"SET ROLE {OWNER}",
        f"SET SESSION AUTHORIZATION {OWNER}",
        "COPY (SELECT 1) TO PROGRAM 'cat'",
        "COPY (SELECT 1) TO '/tmp/mine'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_terminate_backend(0), pg_reload_conf()",
        "SELECT lo_creat(-1)",
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'mine')",
    ],
)
def test_nothing_is_written_where_transactions_may_write(statement: str) -> None:
    run("SET default_transaction_read_only = off", alias=READER)
    try:
        assert refuse(statement) is InsufficientPrivilege
    finally:
        connections[READER].close()


def test_transactions_only_read_even_where_the_role_may_write() -> None:
    run("GRANT DELETE ON explorer_trip TO catchment_reader")
    try:
        assert refuse("DELETE FROM explorer_trip") is ReadOnlySqlTransaction
    finally:
        tell()


def test_query_is_cancelled_after_five_seconds() -> None:
    assert refuse("SELECT pg_sleep(60)") is QueryCanceled


def test_role_is_made_once(role: str) -> None:
    first, second = tell(), tell()

    assert first == second == f"{role} may read the explorer's tables, and nothing else\n"
    assert list_missing(role) == []
    assert Trip.objects.using(READER).count() == 0
    assert refuse("SELECT FROM auth_user") is InsufficientPrivilege


@pytest.mark.parametrize(
    ("change", "mend"),
    [
        ("ALTER ROLE {} CREATEDB CREATEROLE", "ALTER ROLE"),
        ("ALTER ROLE {} NOLOGIN", "ALTER ROLE"),
        ("GRANT pg_read_all_data TO {}", "REVOKE pg_read_all_data"),
        ("GRANT INSERT ON explorer_trip TO {}", "REVOKE ALL"),
        ("GRANT SELECT ON auth_user TO {}", "REVOKE ALL"),
        ("GRANT UPDATE (trip_time) ON explorer_trip TO {}", "REVOKE ALL"),
        ("GRANT SELECT (password) ON auth_user TO {}", "REVOKE ALL"),
        ("GRANT USAGE ON SEQUENCE auth_user_id_seq TO {}", "REVOKE ALL"),
        ("GRANT CREATE ON SCHEMA staging TO {}", "REVOKE CREATE ON SCHEMA"),
        ("GRANT CREATE ON SCHEMA public TO PUBLIC", "REVOKE CREATE ON SCHEMA"),
        (
            "DO $$ BEGIN EXECUTE 'GRANT TEMP ON DATABASE ' || quote_ident(current_database())"
            " || ' TO PUBLIC'; END $$",
            "REVOKE CREATE, TEMP",
        ),
        ("REVOKE SELECT ON explorer_trip FROM {}", "GRANT SELECT"),
        ("ALTER ROLE {} SET search_path = nowhere", "ALTER ROLE"),
        (
            "DO $do$ BEGIN EXECUTE 'ALTER ROLE ' || $${}$$ || ' IN DATABASE '"
            " || quote_ident(current_database()) || ' SET datestyle = german'; END $do$",
            "ALTER ROLE",
        ),
    ],
)
def test_what_was_changed_is_mended(role: str, change: str, mend: str) -> None:
    tell()
    run(change.format(f'"{role}"'))
    assert list_missing(role)[0].startswith(mend)

    tell()

    assert list_missing(role) == []


def test_password_is_set_and_changed(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for password in ("first", "it's another"):
        monkeypatch.setitem(django_settings.DATABASES[READER], "PASSWORD", password)

        tell()

        assert is_password(role, password)
    assert not is_password(role, "first")


def is_password(role: str, password: str) -> bool:
    """By RFC 5803, as PostgreSQL does it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [role])
        [kept] = cursor.fetchone()
    _, cost, keys = kept.split("$")
    rounds, salt = cost.split(":")
    salted = pbkdf2_hmac("sha256", password.encode(), b64decode(salt), int(rounds))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return bool(sha256(client_key).digest() == b64decode(keys.split(":")[0]))


def test_without_a_role_of_its_own_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(django_settings.DATABASES[READER], "USER", OWNER)

    assert tell() == "READER_DATABASE_URL names no role of its own: nothing was done\n"


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("ALTER ROLE {} SUPERUSER", "is a superuser"),
        ("CREATE TABLE mine (); ALTER TABLE mine OWNER TO {}", "owns table mine"),
        ("SELECT lo_create(4711); ALTER LARGE OBJECT 4711 OWNER TO {}", "owns large object 4711"),
    ],
)
def test_role_of_another_purpose_is_refused(role: str, statement: str, fault: str) -> None:
    tell()
    run(statement.format(f'"{role}"'))

    with pytest.raises(CommandError, match=rf"{fault}.*name another role"):
        tell()


def test_role_cannot_lead_its_own_sessions_astray() -> None:
    run("SET default_transaction_read_only = off", alias=READER)
    run("ALTER ROLE CURRENT_USER SET search_path = nowhere", alias=READER)
    connections[READER].close()
    try:
        assert Trip.objects.using(READER).count() == 0
    finally:
        tell()


def test_who_may_not_make_it_is_told_the_sql_to_run(role: str, weak_owner: None) -> None:
    with pytest.raises(CommandError) as caught:
        tell()
    message, *statements = str(caught.value).split("\n")
    run("RESET ROLE")
    for statement in statements:
        run(statement)
    run("SET ROLE pg_monitor")

    assert "superuser" in message
    assert statements[0] == f'CREATE ROLE "{role}" LOGIN;'
    assert "nothing else" in tell()
    assert Trip.objects.using(READER).count() == 0


@pytest.mark.parametrize(
    ("right", "revoke"),
    [
        ("SELECT ON auth_user", 'REVOKE ALL ON TABLE "public"."auth_user" FROM'),
        # Everybody may do something here, so PostgreSQL warns where it revoked nothing.
        ("CREATE ON SCHEMA public", 'REVOKE CREATE ON SCHEMA "public" FROM PUBLIC'),
    ],
)
def test_right_that_is_anothers_to_revoke_is_told(role: str, right: str, revoke: str) -> None:
    tell()
    run(f'GRANT {right} TO "{role}"')
    run("SET ROLE pg_monitor")
    try:
        with pytest.raises(CommandError, match=f"\n{revoke}"):
            tell()
    finally:
        run("RESET ROLE")


def test_role_that_is_being_made_in_another_database_is_waited_for(role: str) -> None:
    with psycopg.connect(**connection.get_connection_params() | {"dbname": "postgres"}) as other:
        other.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        with ThreadPoolExecutor(1) as threads:
            making = threads.submit(make_in_thread)
            wait_until(is_anybody_waiting)
            other.commit()

            making.result()

    assert list_missing(role) == []


def make_in_thread() -> None:
    try:
        make_reader()
    finally:
        connection.close()


def is_anybody_waiting() -> bool:
    waiting = (
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^CREATE ROLE'"
    )
    return bool(run(waiting))


def test_several_make_the_role_at_once(role: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        for making in [threads.submit(make_in_thread) for _ in range(4)]:
            making.result()

    assert list_missing(role) == []
