"""The dataset `footprints`: a CSV of usage polygons into repaired footprints."""

from collections.abc import Sequence
from typing import Any

from psycopg import Cursor, sql

from footprints.models import HUGE_VERTICES, PIECE_VERTICES
from footprints.preparing import STAGING_COLUMNS, prepare_chunk
from footprints.samples import write_footprints
from imports.datasets import register
from imports.engine.records import MIB, Column, Dataset, Staging


def create_staging(cursor: Cursor[Any], staging: Staging) -> None:
    """Makes the import's own table, whose area is computed as the rows come in.

    EPSG:6933 is equal-area, and edges are straight in it nearly as they are in degrees. The
    geography type would give a band around the world no area at all.
    """
    cursor.execute(
        sql.SQL(
            """
            CREATE TABLE {} (LIKE footprints_footprint);
            ALTER TABLE {}
                DROP COLUMN id, DROP COLUMN import_id, DROP COLUMN area_m2,
                ADD COLUMN area_m2 double precision
                    GENERATED ALWAYS AS (ST_Area(ST_Transform(geometry, 6933))) STORED
            """
        ).format(staging.table, staging.table)
    )


def publish(cursor: Cursor[Any], staging: Staging, replaced: Sequence[Staging]) -> int:
    """Adds what is not there yet, by organisation, time and the original's hash.

    In the order of that key: two imports of the same rows then wait for each other, where in the
    order of their files each might hold what the other waits for.
    """
    columns = sql.SQL(", ").join(map(sql.Identifier, [*STAGING_COLUMNS, "area_m2"]))
    cursor.execute(
        sql.SQL(
            """
            INSERT INTO footprints_footprint ({columns}, import_id)
            SELECT {columns}, {import_id} FROM {table}
             ORDER BY org_id, source_event_timestamp, original_sha256, line
            ON CONFLICT (org_id, source_event_timestamp, original_sha256) DO NOTHING
            """
        ).format(columns=columns, import_id=sql.Literal(staging.import_id), table=staging.table)
    )
    rows_added = cursor.rowcount
    cursor.execute(
        """
        INSERT INTO footprints_footprintpiece (footprint_id, org_id, geometry, whole_m2)
        SELECT id, org_id, piece,
               sum(ST_Area(ST_Transform(piece, 6933))) OVER (PARTITION BY id)
          FROM (SELECT id, org_id, ST_Subdivide(geometry, %s) AS piece
                  FROM footprints_footprint WHERE import_id = %s AND vertex_count > %s) AS cut
        """,
        [PIECE_VERTICES, staging.import_id, HUGE_VERTICES],
    )
    if cursor.rowcount:
        cursor.execute("ANALYZE footprints_footprintpiece")
    cursor.execute(sql.SQL("DROP TABLE {}").format(staging.table))
    return rows_added


def discard(cursor: Cursor[Any], staging: Staging) -> None:
    """Removes the footprints that this import was the first to bring."""
    cursor.execute(
        """
        WITH gone AS (DELETE FROM footprints_footprint WHERE import_id = %s RETURNING id)
        DELETE FROM footprints_footprintpiece WHERE footprint_id IN (SELECT id FROM gone)
        """,
        [staging.import_id],
    )


register(
    Dataset(
        name="footprints",
        table="footprints_footprint",
        columns=(
            Column("org_id", "bigint", is_required=True),
            Column("footprints_used", "text", is_required=True),
            Column("source_event_timestamp", "timestamptz", is_required=True),
        ),
        staging_columns=STAGING_COLUMNS,
        prepare=prepare_chunk,
        create_staging=create_staging,
        publish=publish,
        discard=discard,
        write_sample=write_footprints,
        record_cap_bytes=16 * MIB,
        is_merged=True,
    )
)
