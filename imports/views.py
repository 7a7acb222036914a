"""Imports over the API."""

from typing import Any

from django.db import connection
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from psycopg import sql
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet, ReadOnlyModelViewSet

from config.api.errors import Conflict, TooManyImports
from config.api.exports import ExportView
from config.api.filtersets import refuse_unknown
from config.api.permissions import HasAccess, find_person
from config.api.schema import ErrorSerializer
from imports.datasets import datasets
from imports.engine.records import ImportFailure
from imports.filtersets import ImportFilterSet, RejectFilterSet
from imports.jobs import (
    NoPlace,
    RowsInUse,
    cancel_import,
    delete_import,
    kick_import,
    resume_import,
)
from imports.models import Import, Reject
from imports.permissions import IsOwn
from imports.serializers import (
    DatasetListSerializer,
    ImportSerializer,
    NewImportSerializer,
    RejectExportSerializer,
    RejectSerializer,
)

ACCEPTED = {status.HTTP_202_ACCEPTED: ImportSerializer}
CONFLICT = {status.HTTP_409_CONFLICT: ErrorSerializer}


class ImportViewSet(ReadOnlyModelViewSet[Import]):
    """What was imported, what is being imported, how far it is, and how it ended."""

    queryset = Import.objects.select_related("created_by")
    serializer_class = ImportSerializer
    filterset_class = ImportFilterSet
    permission_classes = (HasAccess, IsOwn)
    ordering = "-id"
    lookup_value_regex = "[0-9]+"
    ordering_fields = ("id", "dataset", "status", "created_at", "started_at", "ended_at")

    def get_serializer_class(self) -> Any:
        """The browsable API's form asks for what the action takes."""
        return NewImportSerializer if self.action == "create" else ImportSerializer

    @property
    def access(self) -> str:
        return "read" if self.request.method in SAFE_METHODS else "import"

    @extend_schema(request=NewImportSerializer, responses=ACCEPTED)
    def create(self, request: Request) -> Response:
        """Queues an import of a URL, or of a file that is sent along (multipart)."""
        new = self.get_serializer(data=request.data)
        new.is_valid(raise_exception=True)
        try:
            record = new.save(created_by=find_person(request))
        except NoPlace as error:
            raise TooManyImports from error
        return self._run(record.pk)

    @extend_schema(request=None, responses=ACCEPTED | CONFLICT)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Ends it: none of its rows will be seen. 409 where it has ended."""
        record = self.get_object()
        try:
            is_cancelled = cancel_import(record.pk)
        except RowsInUse as error:
            raise Conflict("its row is in use: try again later") from error
        if not is_cancelled:
            raise Conflict("it has ended, or is being cancelled")
        return self._accept(record.pk)

    @extend_schema(request=None, responses=ACCEPTED | CONFLICT)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Lets one that failed go on from its ledger, and one that was cancelled begin anew."""
        record = self.get_object()
        try:
            is_resumed = resume_import(record.pk)
        except NoPlace as error:
            raise TooManyImports from error
        if not is_resumed:
            raise Conflict("only what failed or was cancelled can be resumed")
        return self._run(record.pk)

    @extend_schema(responses={status.HTTP_204_NO_CONTENT: None} | CONFLICT)
    def destroy(self, request: Request, pk: str) -> Response:
        """Removes an ended import with its rows. 409 while it is active."""
        record = self.get_object()
        try:
            is_deleted = delete_import(record.pk)
        except RowsInUse as error:
            raise Conflict("its rows are in use: try again later") from error
        except ImportFailure as failure:
            raise Conflict(failure.detail) from failure
        if not is_deleted:
            self.get_object()  # or somebody else has deleted it
            raise Conflict("it is active: cancel it first")
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _run(self, import_id: int) -> Response:
        kick_import(import_id)
        return self._accept(import_id)

    def _accept(self, import_id: int) -> Response:
        record = get_object_or_404(self.get_queryset(), pk=import_id)
        location = reverse("import-detail", [import_id], request=self.request)
        return Response(
            ImportSerializer(record, context=self.get_serializer_context()).data,
            status=status.HTTP_202_ACCEPTED,
            headers={"Location": location},
        )


IMPORT_ID = OpenApiParameter("import_id", OpenApiTypes.INT, OpenApiParameter.PATH)


def find_rejects(view: Any) -> QuerySet[Reject]:
    """The rejects of the import that the address names."""
    if getattr(view, "swagger_fake_view", False):
        return Reject.objects.none()
    record = get_object_or_404(Import, pk=view.kwargs["import_id"])
    return Reject.objects.filter(import_record=record)


class RejectViewSet(ListModelMixin, GenericViewSet[Reject]):
    """The records that an import refused: where each stands, and why."""

    serializer_class = RejectSerializer
    filterset_class = RejectFilterSet
    ordering = "byte_offset"
    ordering_fields = ("id", "line", "byte_offset", "column", "code")

    @extend_schema(operation_id="imports_rejects_list")
    def list(self, *args: Any, **kwargs: Any) -> Any:
        return super().list(*args, **kwargs)

    def get_queryset(self) -> QuerySet[Reject]:
        return find_rejects(self)


@extend_schema(parameters=[IMPORT_ID])
class RejectExportView(ExportView):
    """The same in one file."""

    serializer_class = RejectExportSerializer
    filterset_class = RejectFilterSet
    stem = "rejects"

    def get_queryset(self) -> QuerySet[Reject]:
        return find_rejects(self).order_by("byte_offset")


def count_rows() -> dict[str, int]:
    """How many rows each dataset has. Those that imports share by their key are counted in the
    table: a deleted import takes rows along that another had added."""
    counts = Import.objects.count_rows()
    with connection.cursor() as cursor:
        for dataset in datasets.values():
            if dataset.is_upserted:
                table = sql.Identifier(dataset.table)
                cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(table))
                [counts[dataset.name]] = cursor.fetchone()
    return counts


class DatasetsView(APIView):
    """What can be imported: the columns of the file, and how many rows there are."""

    @extend_schema(operation_id="datasets_list", responses=DatasetListSerializer)
    def get(self, request: Request) -> Response:
        refuse_unknown(request, {"format"})
        row_counts = count_rows()
        rows = [
            {
                "name": dataset.name,
                "columns": dataset.columns,
                "row_count": row_counts.get(dataset.name, 0),
            }
            for dataset in sorted(datasets.values(), key=lambda dataset: dataset.name)
        ]
        return Response(DatasetListSerializer({"count": len(rows), "results": rows}).data)
