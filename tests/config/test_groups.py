"""Groups of people, and what they may do."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from pytest_django import Settings
from rest_framework.test import APIClient

from config.api.permissions import ACCESSES
from config.groups import GROUPS, make_groups
from tests.people import make_user, sign_in

pytestmark = pytest.mark.django_db


def list_permissions(name: str) -> set[str]:
    rows = Group.objects.get(name=name).permissions.values_list(
        "content_type__app_label", "codename"
    )
    return {".".join(row) for row in rows}


def test_groups_are_made_by_migrating() -> None:
    for name in ("analyst", "operator"):
        assert list_permissions(name) == {f"config.{access}" for access in GROUPS[name]}
    admin = list_permissions("admin")
    assert {f"config.{access}" for access in ACCESSES} < admin
    assert {"auth.add_user", "auth.change_group", "auditlog.view_logentry"} < admin
    assert "auditlog.change_logentry" not in admin


def test_groups_are_made_once_and_then_left_alone() -> None:
    Group.objects.get(name="analyst").delete()
    operator = Group.objects.get(name="operator")
    operator.permissions.remove(Permission.objects.get(codename="ingest"))

    call_command("migrate", "--verbosity", "0")
    make_groups(apps=apps, using="default")

    assert Group.objects.count() == len(GROUPS)
    assert list_permissions("analyst") == {"config.read"}
    assert "config.ingest" not in list_permissions("operator")


def test_groups_wait_for_the_permissions() -> None:
    Group.objects.all().delete()
    loader = MigrationExecutor(connection).loader
    nodes = [node for node in loader.graph.leaf_nodes() if node[0] == "auth"]

    make_groups(apps=loader.project_state(nodes).apps, using="default")

    assert not Group.objects.exists()


@pytest.mark.parametrize("permission", sorted(ACCESSES))
def test_permission_of_a_user_counts_without_a_group(settings: Settings, permission: str) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()
    user = make_user(group="")

    before = user.has_perm(f"config.{permission}")
    user.user_permissions.add(Permission.objects.get(codename=permission))

    assert not before
    assert User.objects.get().has_perm(f"config.{permission}")


def test_nobody_may_less_for_having_signed_in(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "ingest", "import"})
    client = sign_in(make_user(group=""))

    assert client.get("/imports/").status_code == 200
    assert client.get("/api/v1/imports/").status_code == 200
    for path in ("/api/v1/payloads/replay/", "/api/v1/imports/"):
        response = client.post(path, {"filter": {}}, content_type="application/json")
        assert response.status_code in {200, 400}
    assert client.get("/api/v1/keys/").status_code == 403


def test_page_tells_who_may_not(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()

    response = sign_in(make_user(group="")).get("/imports/")

    assert response.status_code == 403
    page = response.content.decode()
    assert "This needs the permission “read”." in page
    assert 'href="/map/"' not in page
    assert "Sign out" in page


@pytest.mark.parametrize(("open_to_all", "status"), [({"read"}, 401), ({"ingest"}, 200)])
def test_who_may_send_without_signing_in_may_replay(
    settings: Settings, open_to_all: set[str], status: int
) -> None:
    settings.ANONYMOUS_ACCESS = frozenset(open_to_all)

    response = APIClient().post("/api/v1/payloads/replay/", {"filter": {}}, format="json")

    assert response.status_code == status


def test_operator_sees_no_admin_and_is_not_shown_one(settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()
    operator = sign_in(make_user())
    staff = sign_in(make_user("staff", is_staff=True))

    assert 'href="/admin/"' not in operator.get("/").content.decode()
    assert 'href="/admin/"' in staff.get("/").content.decode()
