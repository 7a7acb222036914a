"""Imports, their ledger and their rejects in the admin: to look at, never to edit."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from imports.models import Chunk, Import, Reject


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Rows that the system writes: nobody adds, edits or deletes them by hand."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Import)
class ImportAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "dataset",
        "status",
        "percent",
        "rows_loaded",
        "rows_rejected",
        "created_at",
        "ended_at",
        "error_code",
    )
    list_filter = ("dataset", "status")
    search_fields = ("url", "error_code", "error_detail")
    ordering = ("-id",)


@admin.register(Chunk)
class ChunkAdmin(ReadOnlyAdmin):
    list_display = ("import_record", "seq", "byte_start", "byte_end", "row_count", "reject_count")
    list_select_related = ("import_record",)
    ordering = ("-id",)


@admin.register(Reject)
class RejectAdmin(ReadOnlyAdmin):
    list_display = ("import_record", "line", "column", "code", "reason")
    list_filter = ("code",)
    list_select_related = ("import_record",)
    search_fields = ("reason", "raw")
    ordering = ("-id",)
