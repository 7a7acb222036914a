"""Who may end, resume and delete an import."""

import pytest
from django.test import Client
from pytest_django import Settings

from imports.choices import Status
from imports.models import Import
from tests.factories.imports import ImportFactory
from tests.people import make_user, sign_in

pytestmark = pytest.mark.django_db
ACTIONS = [("post", "cancel/"), ("post", "resume/"), ("delete", "")]


@pytest.fixture(autouse=True)
def _nothing_is_open(settings: Settings, empty_queue: None) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()


def act(client: Client, record: Import, method: str, action: str) -> int:
    answer = getattr(client, method)(f"/api/v1/imports/{record.pk}/{action}")
    return int(answer.status_code)


@pytest.mark.parametrize(("method", "action"), ACTIONS)
def test_import_of_somebody_else_is_left_alone(method: str, action: str) -> None:
    record = ImportFactory(created_by=make_user("ada"))
    client = sign_in(make_user("bob"))

    response = getattr(client, method)(f"/api/v1/imports/{record.pk}/{action}")

    assert response.status_code == 403
    assert response.json()["errors"][0]["detail"] == (
        "Somebody else started it: this needs the permission “manage_others”."
    )
    assert client.get(f"/api/v1/imports/{record.pk}/").status_code == 200
    assert Import.objects.get().status == Status.FINISHED


@pytest.mark.parametrize(("method", "action"), ACTIONS)
@pytest.mark.parametrize(
    ("starter", "group"), [("ada", "operator"), ("bob", "admin"), ("", "operator")]
)
def test_own_import_and_that_of_nobody_is_changed_and_any_by_an_admin(
    starter: str, group: str, method: str, action: str
) -> None:
    user = make_user("ada", group=group)
    starters = {"ada": user, "": None}
    created_by = starters[starter] if starter in starters else make_user(starter)
    record = ImportFactory(created_by=created_by)

    status = act(sign_in(user), record, method, action)

    assert status == (204 if method == "delete" else 409)  # it has finished


@pytest.mark.parametrize(("method", "action"), ACTIONS)
def test_who_started_it_and_may_import_no_more_may_not(method: str, action: str) -> None:
    record = ImportFactory(created_by=make_user(group="analyst"))

    assert act(sign_in(record.created_by), record, method, action) == 403


@pytest.mark.parametrize(("method", "action"), ACTIONS)
def test_anybody_may_change_what_nobody_started(
    settings: Settings, method: str, action: str
) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "import"})
    foreign = ImportFactory(created_by=make_user("ada"))

    assert act(Client(), foreign, method, action) == 401
    assert act(Client(), ImportFactory(), method, action) in {204, 409}


@pytest.mark.parametrize("action", ["cancel", "resume", "delete"])
def test_page_refuses_what_it_does_not_offer(action: str) -> None:
    record = ImportFactory(created_by=make_user("ada"))

    response = sign_in(make_user("bob")).post(f"/imports/{record.pk}/{action}/")

    assert response.status_code == 403
    assert "Somebody else started it" in response.content.decode()
    assert Import.objects.get().status == Status.FINISHED


def test_pages_offer_what_the_visitor_may_do() -> None:
    ada = make_user("ada")
    own, foreign, nobodys = (
        ImportFactory(queued=True, created_by=by) for by in (ada, make_user("bob"), None)
    )
    operator, admin, analyst = map(
        sign_in, (ada, make_user("root", group="admin"), make_user("eve", group="analyst"))
    )

    def list_offers(client: Client) -> set[int]:
        page = client.get("/imports/").content.decode()
        shown = {
            record.pk for record in Import.objects.all() if f"/imports/{record.pk}/cancel/" in page
        }
        alone = {
            record.pk
            for record in Import.objects.all()
            if f"/imports/{record.pk}/cancel/"
            in client.get(f"/imports/{record.pk}/").content.decode()
        }
        assert shown == alone
        return shown

    assert list_offers(operator) == {own.pk, nobodys.pk}
    assert list_offers(admin) == {own.pk, foreign.pk, nobodys.pk}
    assert list_offers(analyst) == set()
    assert "Start an import" in operator.get("/imports/").content.decode()
    assert "Start an import" not in analyst.get("/imports/").content.decode()


def test_browsable_api_offers_what_the_visitor_may_do() -> None:
    record = ImportFactory(created_by=make_user("ada"))

    def show(client: Client) -> str:
        path = f"/api/v1/imports/{record.pk}/"
        return client.get(path, headers={"accept": "text/html"}).content.decode()

    assert "btn-danger" in show(sign_in(record.created_by))
    assert "btn-danger" not in show(sign_in(make_user("bob")))
