"""All the rows of a query written down in one statement, in the forms that exports have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from django.contrib.gis.db.models import GeometryField
from django.db import connections, transaction
from django.db.models import (
    BooleanField,
    CharField,
    DateTimeField,
    F,
    Field,
    ForeignKey,
    JSONField,
    QuerySet,
    TextField,
)
from psycopg import sql

from config.api.filtersets import get_kind
from config.api.streaming import INSTANT, inline_query, join_blocks

# What stands for a column, by the first of its field's types that is named.
Cells = tuple[tuple[type[Field[Any, Any]], sql.SQL], ...]

PLAIN = sql.SQL("{name}")
WORDS = sql.SQL("{name}::text AS {name}")
TIME = sql.SQL(INSTANT.replace("{} ", "{name} ") + " AS {name}")
# Django asks for geometries as bytes. PostGIS writes 15 digits behind the point at most.
SHAPE = sql.SQL("ST_AsGeoJSON({name}::geometry, 15) AS {name}")
SHAPE_AS_OBJECT = sql.SQL("ST_AsGeoJSON({name}::geometry, 15)::json AS {name}")
# With = + - @ tab and carriage return spreadsheets begin a formula, and run it. Looking at the
# codes costs half of what looking at the characters does.
TEXT = sql.SQL(
    "CASE WHEN ascii({name}) IN (61, 43, 45, 64, 9, 13) THEN '''' || {name} ELSE {name} END"
    " AS {name}"
)

CSV_STATEMENT = sql.SQL(
    "COPY (SELECT {cells} FROM ({rows}) AS matching ({names})) TO STDOUT (FORMAT csv, HEADER)"
)
# COPY's text form would double backslashes. Its CSV quotes only what holds one of these two
# characters or a line's end, and JSON of PostgreSQL never does. Without the star a column named as
# the line would be taken for it.
JSON_STATEMENT = sql.SQL(
    "COPY (SELECT row_to_json(line.*) FROM"
    " (SELECT {cells} FROM ({rows}) AS matching ({names})) AS line)"
    " TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"
)


@dataclass(frozen=True)
class Form:
    """How rows are written down, and what is told of the file."""

    suffix: str
    content_type: str
    statement: sql.SQL
    cells: Cells


CSV = Form(
    suffix="csv",
    content_type="text/csv; charset=utf-8",
    statement=CSV_STATEMENT,
    cells=(
        (DateTimeField, TIME),
        (GeometryField, SHAPE),
        (BooleanField, WORDS),
        (CharField, TEXT),
        (TextField, TEXT),
    ),
)
JSON_LINES = Form(
    suffix="jsonl",
    content_type="application/x-ndjson",
    statement=JSON_STATEMENT,
    cells=((DateTimeField, TIME), (GeometryField, SHAPE_AS_OBJECT)),
)
# Spooled as JSON Lines, which DuckDB packs: what has no type of its own there is a text.
PARQUET = Form(
    suffix="parquet",
    content_type="application/vnd.apache.parquet",
    statement=JSON_STATEMENT,
    cells=((DateTimeField, TIME), (GeometryField, SHAPE), (JSONField, WORDS)),
)
FORMS = (CSV, JSON_LINES, PARQUET)


@dataclass(frozen=True)
class Spooled:
    """What was written; no row is longer than `longest_bytes`."""

    row_count: int
    longest_bytes: int


def spool_rows(
    rows: QuerySet[Any], columns: Mapping[str, str], *, form: Form, file: IO[bytes]
) -> Spooled:
    """Writes the rows, however long that takes; `columns` maps headings to the fields below."""
    longest_bytes = 0
    with transaction.atomic(using=rows.db), connections[rows.db].cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        with cursor.copy(compose_statement(cursor, rows, columns, form)) as copy:
            for block in join_blocks(map(bytes, copy), b""):
                longest_bytes = max(longest_bytes, len(block))
                file.write(block)
        return Spooled(cursor.rowcount, longest_bytes)


def compose_statement(
    cursor: Any, rows: QuerySet[Any], columns: Mapping[str, str], form: Form
) -> sql.Composed:
    cells = [write_cell(name, find_field(rows, field), form) for name, field in columns.items()]
    return form.statement.format(
        cells=sql.SQL(", ").join(cells),
        rows=inline_query(cursor, rows.values_list(*columns.values())),
        names=sql.SQL(", ").join(map(sql.Identifier, columns)),
    )


def find_field(rows: QuerySet[Any], source: str) -> Field[Any, Any]:
    """The type of the values of a column or of an annotation."""
    field: Field[Any, Any] = F(source).resolve_expression(rows.all().query).output_field
    return field.target_field if isinstance(field, ForeignKey) else get_kind(field)


def write_cell(name: str, field: Field[Any, Any], form: Form) -> sql.Composed:
    cell = next((cell for kind, cell in form.cells if isinstance(field, kind)), PLAIN)
    return cell.format(name=sql.Identifier(name))
