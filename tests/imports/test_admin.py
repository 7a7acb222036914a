"""What can be done with imports in the admin."""

import pytest
from django.test import Client

from imports.choices import Status
from imports.models import Import
from tests.factories.imports import ImportFactory
from tests.people import make_user

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/imports/import/"


def act(client: Client, action: str, *records: Import) -> str:
    chosen = {"action": action, "_selected_action": [record.pk for record in records]}
    return client.post(LIST, chosen, follow=True).content.decode()


def test_imports_are_cancelled_and_resumed(admin_client: Client, empty_queue: None) -> None:
    active, ended = ImportFactory(queued=True), ImportFactory()

    page = act(admin_client, "cancel_imports", active, ended)

    assert Import.objects.get(pk=active.pk).status == Status.CANCELLED
    assert "1 cancelled, 1 are in no state for it" in page
    page = act(admin_client, "resume_imports", active)
    assert Import.objects.get(pk=active.pk).status == Status.QUEUED
    assert "1 resumed" in page


def test_progress_is_shown(admin_client: Client) -> None:
    ImportFactory(
        status=Status.RUNNING, ended_at=None, bytes_done=25, bytes_total=100, bytes_per_second=5
    )
    ImportFactory(queued=True, bytes_done=2048)

    page = admin_client.get(LIST).content.decode()

    assert '<progress max="100" value="25.0"></progress> 25.0 %, 15 s to go' in page
    assert "2.0\xa0KB" in page


@pytest.mark.parametrize("query", ["status=%00", "dataset=%00", "url__regex=("])
def test_parameter_that_fits_no_column_is_no_fault_of_the_server(
    admin_client: Client, query: str
) -> None:
    response = admin_client.get(f"{LIST}?{query}")

    assert response.status_code in {302, 400}


def test_who_may_only_look_cannot_act(client: Client) -> None:
    record = ImportFactory(queued=True)
    client.force_login(make_user(group="analyst", is_staff=True))

    assert client.get(LIST).status_code == 200
    act(client, "cancel_imports", record)

    record.refresh_from_db()
    assert record.status == Status.QUEUED


def test_staff_that_may_read_nothing_sees_nothing(client: Client) -> None:
    client.force_login(make_user(group="", is_staff=True))

    assert client.get("/admin/").status_code == 200
    assert client.get(LIST).status_code == 403


def test_imports_of_others_are_left_alone(client: Client, empty_queue: None) -> None:
    own, foreign = (
        ImportFactory(queued=True, created_by=make_user(name, is_staff=True))
        for name in ("ada", "bob")
    )
    client.force_login(own.created_by)

    page = act(client, "cancel_imports", own, foreign)

    assert Import.objects.get(pk=own.pk).status == Status.CANCELLED
    assert Import.objects.get(pk=foreign.pk).status == Status.QUEUED
    assert "1 are left alone: somebody else started them" in page
    client.force_login(make_user("root", group="admin", is_staff=True))
    act(client, "cancel_imports", foreign)
    assert Import.objects.get(pk=foreign.pk).status == Status.CANCELLED
