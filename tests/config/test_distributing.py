"""Distribution by Citus, of which there is none here: functions of its names note what they are
asked."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from config.distributing import DISTRIBUTIONS, Distribution

pytestmark = pytest.mark.django_db

# As of Citus 13, but for the arguments that are not used.
CITUS = """
    CREATE TABLE asked (table_name regclass, "column" text, beside text);
    CREATE VIEW citus_tables AS
        SELECT table_name, 'distributed'::text AS citus_table_type FROM asked;
    CREATE FUNCTION create_distributed_table(
        table_name regclass, distribution_column text, colocate_with text DEFAULT 'default')
        RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT 1 FROM asked WHERE asked.table_name = $1) THEN
            RAISE EXCEPTION 'table % is already distributed', $1;
        END IF;
        IF EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = $1 AND contype = 'f') THEN
            RAISE EXCEPTION 'table % refers to a local table', $1;
        END IF;
        INSERT INTO asked VALUES ($1, $2, $3);
    END $$;
"""
ASKED = 'SELECT table_name::text, "column", beside FROM asked'


@pytest.fixture
def citus() -> None:
    with connection.cursor() as cursor:
        cursor.execute(CITUS)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("distribute", *arguments, stdout=out)
    return out.getvalue()


def ask(query: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def test_database_without_citus_is_refused() -> None:
    with pytest.raises(CommandError, match=r"no Citus: .*CREATE EXTENSION citus"):
        run()


def test_statements_are_shown_without_citus() -> None:
    shown = run("--dry-run").splitlines()

    create = "SELECT \"create_distributed_table\"('explorer_trip', 'id', colocate_with => 'none');"
    assert create in shown
    [drop] = [line for line in shown if "DROP CONSTRAINT" in line]
    assert drop.startswith('ALTER TABLE "footprints_footprint" DROP')
    assert len(shown) == len(DISTRIBUTIONS) + 1


def test_every_table_is_distributed_once(citus: None) -> None:
    first, second = run(), run()

    assert f"ran {len(DISTRIBUTIONS) + 1} statements" in first
    assert second == "ran 0 statements\n"
    assert ask(ASKED) == [
        (table.table, table.column, table.beside or "none") for table in DISTRIBUTIONS
    ]
    assert run("--dry-run") == ""


def test_what_was_left_out_is_done_later(citus: None) -> None:
    run()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM asked WHERE table_name = 'dropzone_lineage'::regclass")

    assert run().endswith("ran 1 statements\n")


def test_nothing_is_distributed_where_one_table_cannot_be(citus: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE asked ADD CHECK (table_name <> 'dropzone_lineage'::regclass)")

    with pytest.raises(CommandError, match="violates check constraint"):
        run()

    assert ask(ASKED) == []


@pytest.mark.parametrize("table", DISTRIBUTIONS, ids=lambda table: table.table)
def test_every_unique_key_contains_the_column(table: Distribution) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT indexrelid::regclass::text, bool_or(attname = %s) FROM pg_index
              JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
             WHERE indrelid = %s::regclass AND indisunique GROUP BY 1
            """,
            [table.column, table.table],
        )
        keys = dict(cursor.fetchall())

    assert keys
    assert all(keys.values()), keys
