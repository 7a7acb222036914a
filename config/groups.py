"""The groups that people are put in; what counts is the permissions that a group has."""

from typing import Any

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions

from config.api.permissions import ACCESSES

ADMIN = "admin"
GROUPS: dict[str, tuple[str, ...]] = {
    "analyst": ("read",),
    "operator": ("read", "ingest", "import", "replay"),
    ADMIN: tuple(ACCESSES),
}
# What the admin group has besides: users and groups, in the admin's pages.
MANAGED = ("user", "group")


def make_groups(*, apps: Any, using: str, **kwargs: Any) -> None:
    """After a migration: those that are missing, with their permissions. What somebody changed of
    one that is there is left alone."""
    try:
        group_model, permission_model = (
            apps.get_model("auth", name) for name in ("Group", "Permission")
        )
        apps.get_model("config", "Access")
    except LookupError:  # only a part of the apps is migrated so far
        return
    for label in ("auth", "config"):  # which Django would only make later
        create_permissions(installed.get_app_config(label), 0, using=using, apps=apps)
    permissions = permission_model.objects.using(using)
    for name, accesses in GROUPS.items():
        group, is_new = group_model.objects.using(using).get_or_create(name=name)
        if is_new:
            group.permissions.set(
                permissions.filter(content_type__app_label="config", codename__in=accesses)
            )
            if name == ADMIN:
                group.permissions.add(
                    *permissions.filter(
                        content_type__app_label="auth", content_type__model__in=MANAGED
                    )
                )
