"""What the audit trail tells beside what the apps note, and its page in the admin."""

from typing import Any

from auditlog.admin import LogEntry
from auditlog.registry import auditlog
from auditlog.render import render_logentry_changes_html
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models import Model, QuerySet
from django.db.models.signals import pre_save
from django.http import HttpRequest

from config.api.admin import ReadOnlyAdmin
from config.api.auditing import FAILED_SIGN_IN, complete_entry, note, note_many
from config.models import ApiKey

USER_FIELDS = ("username", "first_name", "last_name", "email", "is_staff", "is_active")
KEY_FIELDS = ("prefix", "name", "scopes", "revoked", "expiry_date")
VERBS = (
    *("create", "update", "delete", "cancel", "resume", "retry", "replay", "forget", "revoke"),
    *("sign in", "sign out", FAILED_SIGN_IN),
)

auditlog.register(
    User,
    include_fields=[*USER_FIELDS, "is_superuser", "password"],
    mask_fields=["password"],
    mask_callable="config.api.auditing.hide",
    m2m_fields={"groups", "user_permissions"},
)
auditlog.register(Group, include_fields=["name"], m2m_fields={"permissions"})
auditlog.register(ApiKey, include_fields=[*KEY_FIELDS])


def note_sign_in(sender: Any, user: User, **options: Any) -> None:
    note("sign in", user)


def note_sign_out(sender: Any, user: User | None, **options: Any) -> None:
    """Whoever was not signed in can sign out too."""
    if user is not None:
        note("sign out", user)


def note_failed_sign_in(sender: Any, credentials: dict[str, Any], **options: Any) -> None:
    """Under the name that was tried, of an account or not."""
    note_many(FAILED_SIGN_IN, User, str(credentials.get("username", "")))


pre_save.connect(complete_entry, sender=LogEntry)
user_logged_in.connect(note_sign_in)
user_logged_out.connect(note_sign_out)
user_login_failed.connect(note_failed_sign_in)


class VerbFilter(admin.SimpleListFilter):
    title = "verb"
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(verb, verb) for verb in VERBS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        verb = self.value()
        return queryset.filter(additional_data__verb=verb) if verb else queryset


admin.site.unregister(LogEntry)


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
        """Names that were tried, some of them mistyped passwords, are not for all who may read."""
        return request.user.has_perm("auth.view_user")

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
