"""What the API tells of imports."""

from typing import Any, TypedDict

from rest_framework import serializers

from imports.models import Import, Reject


class EndError(TypedDict):
    code: str
    detail: str


class ImportSerializer(serializers.ModelSerializer[Import]):
    percent = serializers.FloatField(read_only=True, allow_null=True)
    eta_seconds = serializers.FloatField(read_only=True, allow_null=True)
    error = serializers.SerializerMethodField()
    created_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)

    class Meta:
        model = Import
        fields = (
            "id",
            "dataset",
            "url",
            "status",
            "created_at",
            "created_by",
            "started_at",
            "ended_at",
            "bytes_done",
            "bytes_total",
            "percent",
            "rows_loaded",
            "rows_rejected",
            "rows_added",
            "rows_per_second",
            "bytes_per_second",
            "eta_seconds",
            "error",
            "same_as",
        )

    def get_error(self, record: Import) -> EndError | None:
        if not record.error_code:
            return None
        return {"code": record.error_code, "detail": record.error_detail}


class RejectSerializer(serializers.ModelSerializer[Reject]):
    class Meta:
        model = Reject
        fields = ("id", "line", "byte_offset", "column", "code", "reason", "raw", "raw_bytes")
