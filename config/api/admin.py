"""What every app's admin shares."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ERROR_FLAG
from django.db import DataError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.api.permissions import has_access


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

    def has_module_permission(self, request: HttpRequest) -> bool:
        return has_access(request, "read")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whoever may read over the API may look here too, once the admin lets them in."""
        return has_access(request, "read")

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
