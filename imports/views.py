"""Imports over the API."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import ListModelMixin
from rest_framework.viewsets import GenericViewSet, ReadOnlyModelViewSet

from imports.filtersets import ImportFilterSet, RejectFilterSet
from imports.models import Import, Reject
from imports.serializers import ImportSerializer, RejectSerializer


class ImportViewSet(ReadOnlyModelViewSet[Import]):
    """What was imported, what is being imported, how far it is, and how it ended."""

    queryset = Import.objects.select_related("created_by")
    serializer_class = ImportSerializer
    filterset_class = ImportFilterSet
    ordering = "-id"
    lookup_value_regex = "[0-9]+"
    ordering_fields = ("id", "dataset", "status", "created_at", "started_at", "ended_at")


class RejectViewSet(ListModelMixin, GenericViewSet[Reject]):
    """The records that an import refused: where each stands, and why."""

    serializer_class = RejectSerializer
    filterset_class = RejectFilterSet
    ordering = "line"
    ordering_fields = ("id", "line", "byte_offset", "column", "code")

    @extend_schema(operation_id="imports_rejects_list")
    def list(self, *args: Any, **kwargs: Any) -> Any:
        return super().list(*args, **kwargs)

    def get_queryset(self) -> QuerySet[Reject]:
        if getattr(self, "swagger_fake_view", False):
            return Reject.objects.none()
        record = get_object_or_404(Import, pk=self.kwargs["import_id"])
        return Reject.objects.filter(import_record=record)
