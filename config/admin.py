"""API keys in the admin: made, looked at and revoked."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from rest_framework_api_key.models import APIKey

from config.api.admin import ReadOnlyAdmin
from config.api.permissions import has_access
from config.models import ApiKey, list_scopes

# The library's own model, which nothing here makes use of. Its app stands before this one.
admin.site.unregister(APIKey)

# What nobody changes of a key, and what may be changed until it is revoked.
FIXED = ("prefix", "scopes", "created", "created_by", "last_used_at")
CHANGED = ("name", "expiry_date", "revoked")


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
