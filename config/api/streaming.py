"""All the rows of a query as one stream, in one statement and so in one snapshot."""

from collections.abc import Iterator
from typing import Any

from django.db import connections
from django.db.models import QuerySet
from psycopg import sql

BLOCK_BYTES = 2**16


def stream_rows(rows: QuerySet[Any], template: sql.SQL) -> Iterator[bytes]:
    """The lines of `COPY (template) TO STDOUT`, with the query of `rows` put in as `{rows}`.

    Each line comes without its end. COPY's text form escapes backslashes and control characters:
    the template must yield one column of text that holds none.
    """
    query, params = rows.query.sql_with_params()
    with connections[rows.db].cursor() as cursor:
        inner = sql.SQL(cursor.mogrify(query, params))  # COPY takes no parameters
        statement = sql.SQL("COPY ({}) TO STDOUT").format(template.format(rows=inner))
        with cursor.copy(statement) as copy:
            for line in copy:
                yield bytes(line)[:-1]


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
