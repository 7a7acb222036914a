"""Imports in the admin: to look at, to cancel and to resume, never to edit."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html

from config.api.admin import ReadOnlyAdmin
from config.api.permissions import has_access
from imports.jobs import NoPlace, RowsInUse, cancel_import, kick_import, resume_import
from imports.models import Chunk, Import, Reject
from imports.permissions import may_change


def try_to_resume(record: Import) -> bool:
    """False also where its user has as many active ones as they may: they wait."""
    try:
        return resume_import(record.pk)
    except NoPlace:
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
        return has_access(request, "import")

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
        own = self._sort_out(request, imports)
        try:
            done = [record for record in own if cancel_import(record.pk)]
        except RowsInUse:
            self.message_user(request, "somebody holds them: try again", messages.ERROR)
            return
        self._tell(request, "cancelled", done, own)

    @admin.action(
        permissions=["run"], description="Resume: go on after a failure, begin anew after a cancel"
    )
    def resume_imports(self, request: HttpRequest, imports: QuerySet[Import]) -> None:
        own = self._sort_out(request, imports)
        done = list(filter(try_to_resume, own))
        for record in done:
            kick_import(record.pk)
        self._tell(request, "resumed", done, own)

    def _sort_out(self, request: HttpRequest, imports: QuerySet[Import]) -> list[Import]:
        """Those that the user may change; tells of the others."""
        own = [record for record in imports if may_change(request, record)]
        if others := len(imports) - len(own):
            left = f"{others} are left alone: somebody else started them"
            self.message_user(request, left, messages.WARNING)
        return own

    def _tell(self, request: HttpRequest, what: str, done: list[Import], own: list[Import]) -> None:
        others = len(own) - len(done)
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
