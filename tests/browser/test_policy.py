"""Pages that libraries bring, under the policy for the content of all pages, in a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.looking import watch
from tests.factories.dropzone import MeasurementFactory, PayloadFactory
from tests.factories.explorer import GameFactory, TaxiZoneFactory
from tests.factories.footprints import FootprintFactory
from tests.factories.imports import ImportFactory, RejectFactory
from tests.factories.locations import MinuteAverageFactory

pytestmark = pytest.mark.django_db(transaction=True)

# Swagger UI looks for a part for each format, and draws a date as any text where there is none.
NO_PART = "Could not find component: JsonSchema_string_"
OF_QUEUES = ("", "queues/0/", "queues/0/details/", "queues/0/failed/", "queues/0/finished/")


@pytest.fixture
def staff(
    browser: Browser, live_server: LiveServer, client: Client, django_user_model: type[User]
) -> Iterator[BrowserContext]:
    """A browser in which an administrator has signed in."""
    client.force_login(django_user_model.objects.create_superuser("ada"))
    context = browser.new_context(base_url=live_server.url)
    cookie: Any = {"name": "sessionid", "value": client.cookies["sessionid"].value}
    context.add_cookies([cookie | {"url": live_server.url}])
    yield context
    context.close()


def open_all(context: BrowserContext, addresses: list[str], *, tolerated: str = "") -> Page:
    """One after the other: none of them complains of anything but what is tolerated."""
    page = context.new_page()
    problems = watch(page)
    for address in addresses:
        answer = page.goto(address, wait_until="networkidle")
        assert answer is not None
        assert answer.status == 200, address
        assert [text for text in problems if not tolerated or tolerated not in text] == [], address
    return page


def test_description_of_the_api_is_drawn_and_opened(staff: BrowserContext) -> None:
    page = staff.new_page()
    problems = watch(page)
    page.goto("/api/docs/")
    operation = page.locator(".opblock", has_text="/api/v1/footprints/heatmap/").first
    operation.locator(".opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text("FeatureCollection")
    assert page.locator(".opblock").count() > 30
    assert [text for text in problems if NO_PART not in text] == []


def test_pages_of_the_admin_keep_to_the_policy(staff: BrowserContext) -> None:
    rows: list[Model] = [FootprintFactory(), MinuteAverageFactory(), PayloadFactory()]
    rows += [
        MeasurementFactory(),
        GameFactory(),
        TaxiZoneFactory(),
        RejectFactory(import_record=ImportFactory()),
    ]
    models = [model._meta for model in admin.site._registry if model.__module__ != "django_rq"]
    lists = [reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist") for meta in models]
    names = [(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", row) for row in rows]

    open_all(staff, ["/admin/", *lists, *(reverse(name, args=[row.pk]) for name, row in names)])


def test_pages_of_the_queues_keep_to_the_policy(staff: BrowserContext) -> None:
    addresses = [f"/rq/{address}" for address in OF_QUEUES]

    page = open_all(staff, addresses, tolerated="Executing inline script")

    page.goto("/rq/")
    expect(page.locator("#content")).to_contain_text("payloads")
