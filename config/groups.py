"""The groups that people are put in; what counts is the permissions that a group has."""

from typing import Any

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db.models import Q

from config.api.permissions import ACCESSES

ADMIN = "admin"
GROUPS: dict[str, tuple[str, ...]] = {
    "analyst": ("read",),
    "operator": ("read", "ingest", "import", "replay"),
    ADMIN: tuple(ACCESSES),
}
# What the admin group has besides, in the admin's pages: users and groups, and the audit trail.
MANAGED = Q(content_type__app_label="auth", content_type__model__in=("user", "group"))
TRAIL = Q(content_type__app_label="auditlog", codename="view_logentry")


def make_groups(*, apps: Any, using: str, **kwargs: Any) -> None:
    """After a migration: those that are missing, with their permissions. What somebody changed of
    one that is there is left alone."""
    try:
        group_model, permission_model = (
            apps.get_model("auth", name) for name in ("Group", "Permission")
        )
        apps.get_model("config", "Access")
        apps.get_model("auditlog", "LogEntry")
    except LookupError:  # only a part of the apps is migrated so far
        return
    for label in ("auth", "config", "auditlog"):  # which Django would only make later
        create_permissions(installed.get_app_config(label), 0, using=using, apps=apps)
    permissions = permission_model.objects.using(using)
    for name in GROUPS:
        group, is_new = group_model.objects.using(using).get_or_create(name=name)
        if is_new:
            group.permissions.set(permissions.filter(choose_permissions(name)))


def choose_permissions(group: str) -> Q:
    accesses = Q(content_type__app_label="config", codename__in=GROUPS[group])
    return accesses | MANAGED | TRAIL if group == ADMIN else accesses
