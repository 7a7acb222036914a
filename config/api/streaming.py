"""All the rows of a query as one stream, in one statement and so in one snapshot."""

from collections.abc import Generator, Iterator
from typing import Any, Final

from django.db import connections
from django.db.models import QuerySet
from psycopg import sql

BLOCK_BYTES = 2**16
# How an instant is written: ISO 8601 in UTC, with as many digits as it has.
INSTANT: Final = "to_json({} AT TIME ZONE 'UTC') #>> '{{}}' || 'Z'"


def stream_rows(
    rows: QuerySet[Any], template: sql.SQL, **parts: sql.Composable
) -> Generator[bytes, None, None]:
    """The lines of `COPY (template) TO STDOUT`, with the query of `rows` put in as `{rows}`, and
    `parts` by their names.

    Each line comes without its end. COPY's text form escapes backslashes and control characters:
    the template must yield one column of text that holds none.
    """
    with connections[rows.db].cursor() as cursor:
        query = template.format(rows=inline_query(cursor, rows), **parts)
        with cursor.copy(sql.SQL("COPY ({}) TO STDOUT").format(query)) as copy:
            for line in copy:
                yield bytes(line)[:-1]


def inline_query(cursor: Any, rows: QuerySet[Any]) -> sql.SQL:
    """The query of `rows` with its parameters as literals, since COPY takes none."""
    # A query that Django knows to be empty is asked all the same: its answer has a form.
    compiler = rows.query.get_compiler(rows.db, elide_empty=False)
    return sql.SQL(cursor.mogrify(*compiler.as_sql()))


def join_blocks(lines: Iterator[bytes], separator: bytes) -> Iterator[bytes]:
    """The lines with the separator between them, in blocks of about 64 KB: a write for each line
    would cost five times as much."""
    block: list[bytes] = []
    size = 0
    glue = b""
    for line in lines:
        block += (glue, line)
        size += len(line)
        glue = separator
        if size >= BLOCK_BYTES:
            yield b"".join(block)
            block, size = [], 0
    yield b"".join(block)
