"""Games from their staging tables into their table, told by `app_id`."""

from collections.abc import Sequence
from typing import Any

from psycopg import Cursor, sql

from explorer.models import AMOUNT_BOUNDS
from imports.engine.records import Column, Staging

GAME_COLUMNS = (
    Column("", "bigint", field="source_index", is_optional=True),
    Column("AppID", "bigint", field="app_id", is_required=True),
    Column("Name", "text", field="name"),
    Column("Release date", "text", field="release_date_text"),
    Column("Required age", "integer", field="required_age"),
    Column("Price", "numeric", field="price", bounds=AMOUNT_BOUNDS),
    Column("DLC count", "integer", field="dlc_count"),
    Column("About the game", "text", field="about_the_game"),
    Column("Supported languages", "text", field="supported_languages"),
    Column("Windows", "boolean", field="windows"),
    Column("Mac", "boolean", field="mac"),
    Column("Linux", "boolean", field="linux"),
    Column("Positive", "bigint", field="positive"),
    Column("Negative", "bigint", field="negative"),
    Column("Score rank", "numeric", field="score_rank", bounds=AMOUNT_BOUNDS),
    Column("Developers", "text", field="developers"),
    Column("Publishers", "text", field="publishers"),
    Column("Categories", "text", field="categories"),
    Column("Genres", "text", field="genres"),
    Column("Tags", "text", field="tags"),
)
# What a row says of its game.
VALUES = tuple(column.target for column in GAME_COLUMNS if column.target != "app_id")


def create_staging(cursor: Cursor[Any], staging: Staging) -> None:
    """Makes the import's own table. `place` is a row's place in the file; the release date is read
    at once, so that a row with an impossible one is refused."""
    cursor.execute(
        sql.SQL(
            """
            CREATE TABLE {table} (LIKE explorer_game INCLUDING CONSTRAINTS);
            ALTER TABLE {table}
                DROP COLUMN import_id,
                ADD COLUMN place bigint GENERATED ALWAYS AS IDENTITY,
                DROP COLUMN release_date,
                ADD COLUMN release_date date
                    GENERATED ALWAYS AS (public.explorer_read_release(release_date_text)) STORED
            """
        ).format(table=staging.table)
    )


def publish_games(cursor: Cursor[Any], staging: Staging, replaced: Sequence[Staging]) -> int:
    """Adds the games that are new, and gives the others their new values, and this import where one
    differs. Of several rows of one game the last in the file stands.

    In the order of the key: two imports of the same games then wait for each other, where in the
    order of their files each might hold what the other waits for.
    """
    values = [sql.Identifier(name) for name in VALUES]
    cursor.execute(
        sql.SQL(
            """
            WITH merged AS (
                INSERT INTO explorer_game AS game (app_id, {values}, import_id)
                SELECT DISTINCT ON (app_id) app_id, {values}, {import_id} FROM {table}
                 ORDER BY app_id, place DESC
                ON CONFLICT (app_id) DO UPDATE
                    SET ({values}, import_id) = ROW ({excluded}, {import_id})
                    WHERE ({present}) IS DISTINCT FROM ({excluded})
                RETURNING xmax = 0 AS is_new)
            SELECT count(*) FILTER (WHERE is_new) FROM merged
            """
        ).format(
            values=sql.SQL(", ").join(values),
            present=qualify("game"),
            excluded=qualify("excluded"),
            import_id=sql.Literal(staging.import_id),
            table=staging.table,
        )
    )
    [(rows_added,)] = cursor.fetchall()
    cursor.execute(sql.SQL("DROP TABLE {}").format(staging.table))
    return int(rows_added)


def qualify(table: str) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(table, name) for name in VALUES)


def discard_games(cursor: Cursor[Any], staging: Staging) -> None:
    """Removes the games whose present values this import brought."""
    cursor.execute("DELETE FROM explorer_game WHERE import_id = %s", [staging.import_id])
