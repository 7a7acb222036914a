"""All matching rows as one file, spooled before a byte of it is sent: it is whole, or an error.

Where a query fails in the middle of a streamed answer, some servers end the answer as if all was
well, and a reader keeps a file that was cut.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from errno import ENOSPC
from hashlib import file_digest
from tempfile import TemporaryFile
from threading import BoundedSemaphore
from typing import IO, Any
from weakref import finalize

from django.db.models import QuerySet
from django.http import FileResponse
from django.urls import URLPattern, path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import APIException
from rest_framework.generics import GenericAPIView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from config.api.parquet import write_parquet
from config.api.schema import ErrorAutoSchema, ErrorSerializer
from config.api.spooling import CSV, FORMS, PARQUET, Form, spool_rows
from config.api.streaming import BLOCK_BYTES

# Half of the web server's threads: a slow reader occupies one until he has the whole file.
SLOTS = BoundedSemaphore(3)
RETRY_SECONDS = 10


class TooManyExports(APIException):
    status_code = 503
    default_detail = "As many exports as may run at once are running."
    default_code = "too_many_exports"
    wait = RETRY_SECONDS


class DiskFull(APIException):
    status_code = 503
    default_detail = "The server's disk has no room for this export."
    default_code = "disk_full"


class ExportResponse(FileResponse):
    """A spooled file. Its resources are freed when it is closed, or forgotten unclosed."""

    block_size = BLOCK_BYTES

    def __init__(self, file: IO[bytes], resources: ExitStack, **options: Any) -> None:
        super().__init__(file, as_attachment=True, **options)
        self.free = finalize(self, resources.close)

    def close(self) -> None:
        super().close()
        self.free()


def export_rows(
    rows: QuerySet[Any], *, columns: Mapping[str, str], form: Form, stem: str
) -> ExportResponse:
    """The rows as a file; `columns` maps each heading to the field that stands below it.

    Times are UTC (ISO 8601). In CSV and JSON Lines numbers have all their digits. In CSV NULL is an
    empty field, and a text that a spreadsheet would take for a formula gets a leading apostrophe.
    Raises TooManyExports and DiskFull.
    """
    with tell_full_disk(), ExitStack() as resources:
        if not SLOTS.acquire(blocking=False):
            raise TooManyExports
        resources.callback(SLOTS.release)
        file = resources.enter_context(TemporaryFile())
        row_count = write_rows(rows, columns, form=form, file=file)
        file.seek(0)
        digest = file_digest(file, "sha256").hexdigest()
        file.seek(0)
        return ExportResponse(
            file,
            resources.pop_all(),
            filename=f"{stem}.{form.suffix}",
            content_type=form.content_type,
            headers={"X-Row-Count": str(row_count), "X-Sha256": digest},
        )


@contextmanager
def tell_full_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == ENOSPC:
            raise DiskFull from error
        raise


def write_rows(
    rows: QuerySet[Any], columns: Mapping[str, str], *, form: Form, file: IO[bytes]
) -> int:
    """Their number."""
    if form is PARQUET:
        return write_parquet(rows, columns, file)
    return spool_rows(rows, columns, form=form, file=file).row_count


class FixedNegotiation(DefaultContentNegotiation):
    """Whatever is asked for, the answer is a file, or an error in JSON."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        first, *_ = renderers
        return first, str(first.media_type)


class ExportSchema(ErrorAutoSchema):
    """Tells each form's own name and content type."""

    view: Any  # an ExportView

    def get_operation_id(self) -> str:
        name: str = super().get_operation_id()
        return name.replace(".", "_").removesuffix("_retrieve")

    def get_response_serializers(self) -> Any:
        media_type, _, _ = self.view.form.content_type.partition(";")
        return {
            (200, media_type): OpenApiTypes.BINARY,
            503: OpenApiResponse(
                ErrorSerializer,
                "As many exports as may run at once are running, or the disk is full.",
            ),
        }


@extend_schema(
    filters=True,
    description="All matching rows in one file. `X-Row-Count` tells their number, `X-Sha256` the "
    "checksum of the file.",
)
class ExportView(GenericAPIView[Any]):
    """All rows that match the filters, with the columns of `serializer_class`."""

    schema = ExportSchema()
    form = CSV
    stem: str  # of the file's name
    pagination_class = None
    content_negotiation_class = FixedNegotiation

    def get(self, request: Request, **kwargs: Any) -> FileResponse:
        rows = self.filter_queryset(self.get_queryset())
        return export_rows(rows, columns=self.list_columns(), form=self.form, stem=self.stem)

    def list_columns(self) -> dict[str, str]:
        serializer = self.get_serializer()
        assert isinstance(serializer, Serializer)  # noqa: S101 (of one row: no list of them)
        return {name: str(field.source) for name, field in serializer.fields.items()}


def list_export_paths(stem: str, view: type[ExportView]) -> list[URLPattern]:
    """One for each form: `trips/export.csv` and so on."""
    return [
        path(
            f"{stem}/export.{form.suffix}",
            view.as_view(form=form),
            name=f"{stem}-export-{form.suffix}",
        )
        for form in FORMS
    ]
