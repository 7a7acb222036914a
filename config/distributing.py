"""Citus: the tables that grow without end, distributed over several machines by a column of each.

Every unique key of theirs contains that column from the start; tests read the catalogue for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection, transaction
from psycopg import sql

FUNCTION = "create_distributed_table"
# What a distributed table must not refer to: one that is whole on the coordinator.
FOREIGN_KEYS = """
    SELECT conname FROM pg_constraint
     WHERE conrelid = %s::regclass AND contype = 'f' AND conparentid = 0 ORDER BY conname
"""


class DistributionError(Exception):
    """It cannot be done; says why."""


@dataclass(frozen=True)
class Distribution:
    """A table, the column that says where a row is, and the table whose rows it lies beside."""

    table: str
    column: str
    beside: str = ""


# Partitions go with their table, also those that are attached later.
DISTRIBUTIONS = (
    Distribution("explorer_trip", "id"),
    Distribution("locations_minuteaverage", "user_id"),
    Distribution("locations_fix", "user_id", beside="locations_minuteaverage"),
    Distribution("footprints_footprint", "org_id"),
    Distribution("footprints_footprintpiece", "org_id", beside="footprints_footprint"),
    Distribution("dropzone_measurement", "timestamp"),
    Distribution("dropzone_lineage", "timestamp", beside="dropzone_measurement"),
)


def distribute() -> list[str]:
    """Distributes what is not distributed yet, all or nothing; returns the statements that did.
    Raises DistributionError."""
    check_citus()
    with transaction.atomic(), connection.cursor() as cursor:
        statements = list(plan_distribution(list_distributed()))
        for statement in statements:
            cursor.execute(statement)
    return statements


def check_citus() -> None:
    if not has_citus():
        raise DistributionError(
            "This database has no Citus: on the coordinator, and on every worker, install the"
            " extension, add citus to shared_preload_libraries, and run CREATE EXTENSION citus."
        )


def has_citus() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_proc WHERE proname = %s", [FUNCTION])
        return cursor.fetchone() is not None


def list_distributed() -> set[str]:
    """The tables that are distributed already; none where there is no Citus."""
    if not has_citus():
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name::text FROM citus_tables WHERE citus_table_type = 'distributed'"
        )
        return {name for (name,) in cursor.fetchall()}


def plan_distribution(done: set[str]) -> Iterator[str]:
    """The statements for the tables that are not among `done`."""
    for wanted in DISTRIBUTIONS:
        if wanted.table not in done:
            yield from _plan_table(wanted)


def _plan_table(wanted: Distribution) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(FOREIGN_KEYS, [wanted.table])
        for (name,) in cursor.fetchall():
            drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
            yield _write(drop.format(sql.Identifier(wanted.table), sql.Identifier(name)))
    beside = sql.SQL(", colocate_with => {}").format(sql.Literal(wanted.beside or "none"))
    create = sql.SQL("SELECT {}({}, {}{})").format(
        sql.Identifier(FUNCTION), sql.Literal(wanted.table), sql.Literal(wanted.column), beside
    )
    yield _write(create)


def _write(statement: sql.Composed) -> str:
    return statement.as_string(connection.connection)
