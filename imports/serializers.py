"""What the API tells of imports."""

from typing import Any, TypedDict

from django.conf import settings
from django.core.files import File
from rest_framework import serializers

from config.api.errors import show_name
from imports.datasets import datasets
from imports.engine.guarding import check_url
from imports.engine.records import Column, ImportFailure
from imports.jobs import create_import, create_upload, take_place
from imports.models import Import, Reject

# What a browser's form sends besides.
FORM_FIELDS = frozenset({"csrfmiddlewaretoken"})


class EndError(TypedDict):
    code: str
    detail: str


class ImportSerializer(serializers.ModelSerializer[Import]):
    percent = serializers.FloatField(read_only=True, allow_null=True)
    eta_seconds = serializers.FloatField(read_only=True, allow_null=True)
    error = serializers.SerializerMethodField()
    created_by = serializers.SlugRelatedField[Any](
        slug_field="username", read_only=True, allow_null=True
    )

    class Meta:
        model = Import
        fields = (
            "id",
            "dataset",
            "url",
            "form",
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
            "force",
            "expected_sha256",
            "max_rejects",
            "same_as",
            "replaced_by",
        )

    def get_error(self, record: Import) -> EndError | None:
        if not record.error_code:
            return None
        return {"code": record.error_code, "detail": record.error_detail}


class NewImportSerializer(serializers.Serializer[Import]):
    """What an import is asked for with: a `url`, or a `file` that is sent along."""

    dataset = serializers.CharField(max_length=50)
    url = serializers.CharField(max_length=4_000, required=False)
    file = serializers.FileField(required=False, allow_empty_file=True)
    expected_sha256 = serializers.RegexField(r"\A[0-9a-fA-F]{64}\Z", default="")
    force = serializers.BooleanField(default=False)
    max_rejects = serializers.IntegerField(
        min_value=0, max_value=2**63 - 1, default=None, allow_null=True
    )

    def validate_dataset(self, name: str) -> str:
        if name not in datasets:
            raise serializers.ValidationError(f"one of {', '.join(sorted(datasets))}")
        return name

    def validate_url(self, url: str) -> str:
        try:
            check_url(url)
        except ImportFailure as failure:
            raise serializers.ValidationError(failure.detail, code=failure.code) from failure
        return url

    def validate_file(self, file: File[bytes]) -> File[bytes]:
        if (file.size or 0) > settings.IMPORT_MAX_BYTES:
            raise serializers.ValidationError(f"larger than {settings.IMPORT_MAX_BYTES} bytes")
        return file

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        if unknown := sorted(set(self.initial_data) - set(self.fields) - FORM_FIELDS):
            raise serializers.ValidationError(
                dict.fromkeys(map(show_name, unknown), "unknown field")
            )
        if ("url" in values) == ("file" in values):
            raise serializers.ValidationError({"url": "either a url or a file is needed"})
        return values

    def create(self, values: dict[str, Any]) -> Import:
        """Raises NoPlace."""
        dataset = values.pop("dataset")
        user = values.get("created_by")
        with take_place(user and user.pk):
            if "file" in values:
                return create_upload(dataset, values.pop("file"), **values)
            return create_import(dataset, values.pop("url"), **values)


class RejectExportSerializer(serializers.ModelSerializer[Reject]):
    """A reject as it stands in a file of them."""

    class Meta:
        model = Reject
        fields = ("line", "byte_offset", "column", "code", "reason", "raw")


class ColumnSerializer(serializers.Serializer[Column]):
    name = serializers.CharField()
    type = serializers.CharField(help_text="PostgreSQL's name for it")
    is_optional = serializers.BooleanField(help_text="may be missing from a file")
    is_required = serializers.BooleanField(help_text="needs a value in each row")
    field = serializers.CharField(source="target", help_text="its name in the API")


class DatasetSerializer(serializers.Serializer[dict[str, Any]]):
    name = serializers.CharField()
    columns = ColumnSerializer(many=True)
    row_count = serializers.IntegerField()


class DatasetListSerializer(serializers.Serializer[dict[str, Any]]):
    count = serializers.IntegerField()
    results = DatasetSerializer(many=True)


class RejectSerializer(serializers.ModelSerializer[Reject]):
    class Meta:
        model = Reject
        fields = ("id", "line", "byte_offset", "column", "code", "reason", "raw", "raw_bytes")
