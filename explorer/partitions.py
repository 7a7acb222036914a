"""Tables that are partitioned by range of id, one partition for each import.

An import's ids are `import_id << 32 | n`. Its partition begins as a staging table and is attached
when it is published; the partition's checks spare ATTACH a scan, its indexes spare it their making.
"""

from collections.abc import Sequence
from typing import Any, LiteralString, cast

from django.db import migrations
from django.db.models import Q
from psycopg import Cursor, sql

from imports.engine.records import Staging

IDS_PER_IMPORT = 2**32
MAX_IMPORT_ID = 2**31 - 1  # of those after it, no range of ids has room in 64 bits
# Readers queue up behind the wait, so it is short, and tried again.
LOCK_TIMEOUT = sql.SQL("SET LOCAL lock_timeout = '200ms'")


def match_import(import_id: int) -> Q:
    """An import's rows, by the range of their ids: the planner looks at its partition alone."""
    first = import_id * IDS_PER_IMPORT
    return Q(pk__gte=first, pk__lt=first + IDS_PER_IMPORT)


class CreatePartitionedModel(migrations.CreateModel):
    """CreateModel for a table that holds no rows of its own."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        # On the instance: the class's own template serves the tables after this one.
        schema_editor.sql_create_table += " PARTITION BY RANGE (id)"
        super().database_forwards(app_label, schema_editor, from_state, to_state)
        del schema_editor.sql_create_table


def create_partition(cursor: Cursor[Any], staging: Staging, parent: str) -> None:
    """Makes an import's partition, not attached yet.

    With a sequence of its own, since LIKE does not copy an identity.
    """
    first = staging.import_id * IDS_PER_IMPORT
    sequence = f"{staging.name}_id"
    cursor.execute(
        sql.SQL(
            """
            CREATE TABLE {table} (
                LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
                CHECK (id >= {first} AND id < {beyond}), CHECK (import_id = {import_id}));
            CREATE SEQUENCE {sequence} MINVALUE {least} MAXVALUE {last} CACHE 1000
                OWNED BY {table}.id;
            ALTER TABLE {table}
                ALTER id SET DEFAULT nextval({sequence_name}),
                ALTER import_id SET DEFAULT {import_id}
            """
        ).format(
            table=staging.table,
            parent=sql.Identifier(parent),
            sequence=sql.Identifier("staging", sequence),
            sequence_name=sql.Literal(f"staging.{sequence}"),
            import_id=sql.Literal(staging.import_id),
            first=sql.Literal(first),
            least=sql.Literal(first + 1),
            last=sql.Literal(first + IDS_PER_IMPORT - 1),
            beyond=sql.Literal(first + IDS_PER_IMPORT),
        )
    )


def index_partition(cursor: Cursor[Any], staging: Staging, parent: str) -> None:
    """Builds what indexes the parent has and the partition has not."""
    cursor.execute(
        """
        SELECT index.relname, pg_get_indexdef(index.oid), indisprimary
          FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid
         WHERE indrelid = %s::regclass
        """,
        [parent],
    )
    for name, definition, is_primary in cursor.fetchall():
        if is_primary:
            _add_primary_key(cursor, staging)
            continue
        _, _, form = definition.partition(" USING ")
        cursor.execute(
            sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} USING {}").format(
                sql.Identifier(f"{staging.name}_{name}"),
                staging.table,
                sql.SQL(cast(LiteralString, form)),  # PostgreSQL's own words
            )
        )
    cursor.execute(sql.SQL("ANALYZE {}").format(staging.table))


def _add_primary_key(cursor: Cursor[Any], staging: Staging) -> None:
    cursor.execute(
        "SELECT 1 FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'",
        [f"staging.{staging.name}"],
    )
    if cursor.fetchone() is None:
        cursor.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (id)").format(staging.table))


def attach_partition(
    cursor: Cursor[Any], staging: Staging, parent: str, replaced: Sequence[Staging]
) -> None:
    """Makes the rows be seen, and those of the replaced imports go, in the caller's transaction.

    Raises psycopg's LockNotAvailable where somebody reads them for long.
    """
    cursor.execute(LOCK_TIMEOUT)
    for old in replaced:
        drop_partition(cursor, old)
    first = staging.import_id * IDS_PER_IMPORT
    cursor.execute(
        sql.SQL(
            """
            ALTER TABLE {table} SET SCHEMA public;
            ALTER TABLE {parent} ATTACH PARTITION public.{name} FOR VALUES FROM ({}) TO ({})
            """
        ).format(
            sql.Literal(first),
            sql.Literal(first + IDS_PER_IMPORT),
            table=staging.table,
            name=sql.Identifier(staging.name),
            parent=sql.Identifier(parent),
        )
    )


def drop_partition(cursor: Cursor[Any], staging: Staging) -> None:
    """Raises psycopg's LockNotAvailable where somebody reads it for long."""
    cursor.execute(LOCK_TIMEOUT)
    cursor.execute(sql.SQL("DROP TABLE IF EXISTS public.{}").format(sql.Identifier(staging.name)))
