"""Imports in the admin: to look at, to cancel and to resume, never to edit."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ERROR_FLAG
from django.db import DataError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html

from imports.jobs import RowsInUse, cancel_import, kick_import, resume_import
from imports.models import Chunk, Import, Reject


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Rows that the system writes: nobody adds, edits or deletes them by hand."""

    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """No pattern of a user's: it may keep the database busy for hours."""
        return not lookup.endswith("regex") and super().lookup_allowed(lookup, value, request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What no column can be compared with, such as a NUL, is told of as Django does it."""
        try:
            return super().changelist_view(request, extra_context)
        except (ValueError, DataError):
            return redirect(f"{request.path}?{ERROR_FLAG}=1")

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
        "progress",
        "rows_loaded",
        "rows_rejected",
        "created_at",
        "ended_at",
        "error_code",
    )
    list_filter = ("dataset", "status")
    search_fields = ("url", "error_code", "error_detail")
    ordering = ("-id",)
    actions = ("cancel_imports", "resume_imports")

    def has_run_permission(self, request: HttpRequest) -> bool:
        """Who may only look must not act."""
        return request.user.has_perm("imports.change_import")

    @admin.display(description="Progress", ordering="bytes_done")
    def progress(self, record: Import) -> str:
        if record.percent is None:
            return f"{filesizeformat(record.bytes_done)}"
        return format_html(
            '<progress max="100" value="{}"></progress> {} %{}',
            record.percent,
            record.percent,
            f", {record.eta_seconds:.0f} s to go" if record.eta_seconds else "",
        )

    @admin.action(permissions=["run"], description="Cancel: none of their rows will be seen")
    def cancel_imports(self, request: HttpRequest, imports: QuerySet[Import]) -> None:
        try:
            done = [record for record in imports if cancel_import(record.pk)]
        except RowsInUse:
            self.message_user(request, "somebody holds them: try again", messages.ERROR)
            return
        self._tell(request, "cancelled", done, imports)

    @admin.action(
        permissions=["run"], description="Resume: go on after a failure, begin anew after a cancel"
    )
    def resume_imports(self, request: HttpRequest, imports: QuerySet[Import]) -> None:
        done = [record for record in imports if resume_import(record.pk)]
        for record in done:
            kick_import(record.pk)
        self._tell(request, "resumed", done, imports)

    def _tell(
        self, request: HttpRequest, what: str, done: list[Import], imports: QuerySet[Import]
    ) -> None:
        others = len(imports) - len(done)
        message = f"{len(done)} {what}" + (f", {others} are in no state for it" if others else "")
        self.message_user(request, message, messages.WARNING if others else messages.SUCCESS)


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
