"""API keys in the admin, to be made, looked at and revoked; the audit trail; the way to objects."""

from typing import Any

from auditlog.admin import LogEntry
from auditlog.render import render_logentry_changes_html
from django import forms
from django.contrib import admin, messages
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.views import shortcut
from django.core.exceptions import ValidationError
from django.db import DataError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework_api_key.models import APIKey

from config.api.admin import ReadOnlyAdmin
from config.api.auditing import FAILED_SIGN_IN
from config.api.permissions import has_access
from config.models import ApiKey, list_scopes

# Nothing here makes use of the library's own keys. Its app stands before this one.
admin.site.unregister(APIKey)
admin.site.unregister(LogEntry)  # there is a page of ours below

# What nobody changes of a key, and what may be changed until it is revoked.
FIXED = ("prefix", "scopes", "created", "created_by", "last_used_at")
CHANGED = ("name", "expiry_date", "revoked")
VERBS = (
    *("create", "update", "delete", "cancel", "resume", "retry", "replay", "forget", "revoke"),
    *("sign in", "sign out", FAILED_SIGN_IN),
)


class ApiKeyForm(forms.ModelForm[ApiKey]):
    scopes = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "expiry_date", "revoked")

    def clean_expiry_date(self) -> Any:
        moment = self.cleaned_data["expiry_date"]
        if moment is not None and "expiry_date" in self.changed_data and moment <= timezone.now():
            raise forms.ValidationError("This is past.")
        return moment


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """A new key is shown once, in a message. Other scopes need another key."""

    form = ApiKeyForm
    list_display = (
        *("prefix", "name", "scopes", "created_by", "created"),
        *("expiry_date", "last_used_at", "revoked"),
    )
    list_filter = ("revoked", "created")
    list_select_related = ("created_by",)
    search_fields = ("name", "prefix", "created_by__username")
    ordering = ("-id",)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Nobody finds out a hash by asking for its beginnings."""
        return "hash" not in lookup and super().lookup_allowed(lookup, value, request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("name", "scopes", "expiry_date")
        return (*FIXED, *CHANGED)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return (*FIXED, *CHANGED) if obj.revoked else FIXED

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        if scopes := form.base_fields.get("scopes"):
            scopes.choices = [(name, name) for name in list_scopes(request.user)]
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user
            key = ApiKey.objects.assign_key(obj)
            shown = f"The key, which nobody can see a second time: {key}"
            self.message_user(request, shown, messages.WARNING)
        super().save_model(request, obj, form, change)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return has_access(request, "manage_keys")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return has_access(request, "manage_keys")

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return has_access(request, "manage_keys")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return has_access(request, "manage_keys")


class VerbFilter(admin.SimpleListFilter):
    title = "verb"
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(verb, verb) for verb in VERBS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        verb = self.value()
        return queryset.filter(additional_data__verb=verb) if verb else queryset


@admin.register(LogEntry)
class TrailAdmin(ReadOnlyAdmin):
    """Nobody changes or deletes entries here; `manage.py auditlogflush` deletes old ones."""

    list_display = ("timestamp", "who", "verb", "content_type", "object_repr", "remote_addr")
    list_filter = (
        VerbFilter,
        ("actor", admin.RelatedOnlyFieldListFilter),
        ("content_type", admin.RelatedOnlyFieldListFilter),
        "timestamp",
    )
    list_select_related = ("actor", "content_type")
    date_hierarchy = "timestamp"
    search_fields = (
        *("object_repr", "=object_pk", "remote_addr"),
        *("additional_data__by", "additional_data__key"),
    )
    ordering = ("-timestamp", "-id")
    fields = (*list_display, "object_pk", "changed", "additional_data")
    readonly_fields = ("who", "verb", "changed")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Not whoever may read: among the names that were tried may be passwords."""
        return request.user.has_perm("auditlog.view_logentry")

    @admin.display(ordering="actor")
    def who(self, entry: Any) -> str:
        """As the account was called then, and the key that it acted by; commands have none."""
        name, key = (entry.additional_data.get(part, "") for part in ("by", "key"))
        return f"{name}, by the key {key}" if key else str(name)

    @admin.display
    def verb(self, entry: Any) -> str:
        return str(entry.additional_data["verb"])

    @admin.display(description="changes")
    def changed(self, entry: Any) -> Any:
        return render_logentry_changes_html(entry) if entry.changes else ""


@admin.site.admin_view
def show_object(request: HttpRequest, kind_id: int, object_id: str) -> HttpResponseBase:
    """The way to the page of any object. Django would ask the database also for kinds without a
    table, and for numbers that cannot be one."""
    model = get_object_or_404(ContentType, pk=kind_id).model_class()
    if model is None or not model._meta.managed:
        raise Http404
    try:
        return shortcut(request, kind_id, object_id)
    except (DataError, ValidationError) as error:
        raise Http404 from error
