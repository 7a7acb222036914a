"""The overview, the sign-in and the page that is not there, in a real browser."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from dropzone.choices import State
from tests.browser.looking import check_looks, open_page
from tests.factories.dropzone import MeasurementFactory, PayloadFactory
from tests.factories.footprints import FootprintFactory
from tests.factories.imports import ImportFactory
from tests.factories.locations import MinuteAverageFactory

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "pass word"  # noqa: S105 (of a user that lives for one test)


@pytest.fixture
def site(settings: Settings, live_server: LiveServer) -> str:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "import"})
    return f"{live_server.url}/"


def fill() -> None:
    """Something of each kind, with faults whose texts are long."""
    FootprintFactory.create_batch(3)
    MinuteAverageFactory()
    MeasurementFactory()
    now = timezone.now()
    for number in range(4):
        PayloadFactory(
            state=State.REJECTED,
            ended_at=now - timedelta(hours=number),
            reasons=[{"code": "wrong_time_stamp", "reason": "x" * 300}],
        )
    ImportFactory(rows_loaded=1_234_567, rows_added=1_234_567, rows_rejected=12)
    ImportFactory(dataset="trips", queued=True, status="running", bytes_done=50, bytes_total=200)
    ImportFactory(status="failed", error_code="wrong_header", error_detail="found " + "col," * 90)


def test_overview_looks_well_with_rows_and_without(browser: Browser, site: str) -> None:
    check_looks(browser, site)
    fill()
    check_looks(browser, site)


def test_overview_leads_to_what_it_tells_of(browser: Browser, site: str) -> None:
    fill()
    with open_page(browser, site) as page:
        page.get_by_role("link", name="3 footprints", exact=True).click()
        page.wait_for_url("**/map/?layer=footprints**")
        page.go_back()
        page.locator(".faults a", has_text="Import").click()
        expect(page.locator("h1")).to_contain_text("of footprints")


def test_sign_in_looks_well_and_leads_back(
    browser: Browser, site: str, django_user_model: type[User]
) -> None:
    django_user_model.objects.create_user("ada", password=PASSWORD)
    address = f"{site}sign-in/?next=/imports/"
    check_looks(browser, address)
    with open_page(browser, address) as page:
        page.get_by_label("Name").fill("ada")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("correct")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/imports/")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_page_that_is_not_there_leads_on(browser: Browser, site: str) -> None:
    page = browser.new_page()
    page.goto(f"{site}nothing/")

    page.get_by_role("link", name="overview").click()

    expect(page.locator("h1")).to_have_text("Catchment")
    page.close()
