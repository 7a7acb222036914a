"""What the audit trail tells beside what the apps note: changes of accounts and keys, sign-ins."""

from typing import Any

from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import pre_save

from config.api.auditing import FAILED_SIGN_IN, complete_entry, note, note_many
from config.models import ApiKey

USER_FIELDS = [
    *("username", "first_name", "last_name", "email", "password"),
    *("is_active", "is_staff", "is_superuser"),
]
KEY_FIELDS = ["prefix", "name", "scopes", "revoked", "expiry_date"]

auditlog.register(
    User,
    include_fields=USER_FIELDS,
    mask_fields=["password"],
    mask_callable="config.api.auditing.mask",
    m2m_fields={"groups", "user_permissions"},
)
auditlog.register(Group, include_fields=["name"], m2m_fields={"permissions"})
auditlog.register(ApiKey, include_fields=KEY_FIELDS)


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
