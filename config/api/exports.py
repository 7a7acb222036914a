"""All matching rows as one CSV file, spooled before a byte of it is sent: it is whole, or an error.

Where a query fails in the middle of a streamed answer, some servers end the answer as if all was
well, and a reader keeps a file that was cut.
"""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from hashlib import sha256
from tempfile import TemporaryFile
from threading import BoundedSemaphore
from typing import IO, Any
from weakref import finalize

from django.db import connections, transaction
from django.db.models import (
    BooleanField,
    CharField,
    DateTimeField,
    F,
    Field,
    QuerySet,
    TextField,
)
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from psycopg import sql
from rest_framework.exceptions import APIException
from rest_framework.generics import GenericAPIView
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from config.api.schema import ErrorSerializer
from config.api.streaming import BLOCK_BYTES, inline_query, join_blocks

# Half of the web server's threads: a slow reader occupies one until he has the whole file.
SLOTS = BoundedSemaphore(3)
RETRY_SECONDS = 10

STATEMENT = sql.SQL(
    "COPY (SELECT {cells} FROM ({rows}) AS matching ({names})) TO STDOUT (FORMAT csv, HEADER)"
)
PLAIN = sql.SQL("{name}")
# With = + - @ tab and carriage return spreadsheets begin a formula, and run it. Looking at the
# codes costs half of what looking at the characters does.
TEXT = sql.SQL(
    "CASE WHEN ascii({name}) IN (61, 43, 45, 64, 9, 13) THEN '''' || {name} ELSE {name} END"
    " AS {name}"
)
# The first that a column's field is an instance of; any other stands as PostgreSQL writes it.
CELLS: tuple[tuple[type[Field[Any, Any]], sql.SQL], ...] = (
    (BooleanField, sql.SQL("{name}::text AS {name}")),
    (DateTimeField, sql.SQL("to_json({name} AT TIME ZONE 'UTC') #>> '{{}}' || 'Z' AS {name}")),
    (CharField, TEXT),
    (TextField, TEXT),
)


class TooManyExports(APIException):
    status_code = 503
    default_detail = "As many exports as may run at once are running."
    default_code = "too_many_exports"
    wait = RETRY_SECONDS


class ExportResponse(FileResponse):
    """A spooled file. Its resources are freed when it is closed, or forgotten unclosed."""

    block_size = BLOCK_BYTES

    def __init__(self, file: IO[bytes], resources: ExitStack, **options: Any) -> None:
        super().__init__(file, as_attachment=True, **options)
        self.free = finalize(self, resources.close)

    def close(self) -> None:
        super().close()
        self.free()


def export_csv(rows: QuerySet[Any], columns: Mapping[str, str], filename: str) -> FileResponse:
    """The rows as a file of CSV; `columns` maps each heading to the field that stands below it.

    Times are UTC (ISO 8601), numbers have all their digits, NULL is an empty field. A text that a
    spreadsheet would take for a formula gets a leading apostrophe. Raises TooManyExports.
    """
    with ExitStack() as resources:
        if not SLOTS.acquire(blocking=False):
            raise TooManyExports
        resources.callback(SLOTS.release)
        file = resources.enter_context(TemporaryFile(buffering=BLOCK_BYTES))
        row_count, digest = spool(rows, columns, file)
        file.seek(0)
        return ExportResponse(
            file,
            resources.pop_all(),
            filename=filename,
            content_type="text/csv; charset=utf-8",
            headers={"X-Row-Count": str(row_count), "X-Sha256": digest},
        )


def spool(rows: QuerySet[Any], columns: Mapping[str, str], file: IO[bytes]) -> tuple[int, str]:
    """Writes the rows as CSV and tells their number and the SHA-256 of what was written."""
    digest = sha256()
    with transaction.atomic(using=rows.db), connections[rows.db].cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")  # it may be a file of a million rows
        with cursor.copy(compose_statement(cursor, rows, columns)) as copy:
            for block in join_blocks(map(bytes, copy), b""):
                digest.update(block)
                file.write(block)
        return cursor.rowcount, digest.hexdigest()


def compose_statement(cursor: Any, rows: QuerySet[Any], columns: Mapping[str, str]) -> sql.Composed:
    cells = [write_cell(name, find_field(rows, source)) for name, source in columns.items()]
    return STATEMENT.format(
        cells=sql.SQL(", ").join(cells),
        rows=inline_query(cursor, rows.values_list(*columns.values())),
        names=sql.SQL(", ").join(map(sql.Identifier, columns)),
    )


def find_field(rows: QuerySet[Any], source: str) -> Field[Any, Any]:
    """The type of a column or of an annotation."""
    field: Field[Any, Any] = F(source).resolve_expression(rows.all().query).output_field
    return field


def write_cell(name: str, field: Field[Any, Any]) -> sql.Composed:
    form = next((form for kind, form in CELLS if isinstance(field, kind)), PLAIN)
    return form.format(name=sql.Identifier(name))


class FixedNegotiation(BaseContentNegotiation):
    """Whatever is asked for, the answer is a file, or an error in JSON."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        first, *_ = renderers
        return first, str(first.media_type)


class CsvExportView(GenericAPIView[Any]):
    """All rows that match the filters, under the headings of `serializer_class`."""

    filename: str
    pagination_class = None
    content_negotiation_class = FixedNegotiation

    @extend_schema(
        filters=True,
        responses={
            (200, "text/csv"): OpenApiTypes.BINARY,
            503: OpenApiResponse(
                ErrorSerializer, "As many exports as may run at once are running."
            ),
        },
        description="All matching rows in one file. `X-Row-Count` tells their number, `X-Sha256` "
        "the checksum of the file.",
    )
    def get(self, request: Request, **kwargs: Any) -> FileResponse:
        rows = self.filter_queryset(self.get_queryset())
        return export_csv(rows, self.list_columns(), self.filename)

    def list_columns(self) -> dict[str, str]:
        serializer = self.get_serializer()
        assert isinstance(serializer, Serializer)  # noqa: S101 (of one row: no list of them)
        return {name: str(field.source) for name, field in serializer.fields.items()}
