"""The admin in a real browser."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from tests.factories.footprints import FootprintFactory
from tests.factories.locations import MinuteAverageFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("factory", [FootprintFactory, MinuteAverageFactory])
def test_row_is_drawn_on_a_map_from_this_server_alone(
    browser: Browser, live_server: LiveServer, django_user_model: type[User], factory: Any
) -> None:
    django_user_model.objects.create_superuser("ada", password="pass word")  # noqa: S106
    row = factory()
    page = browser.new_page(base_url=live_server.url)
    requests: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )

    page.goto("/admin/login/?next=/admin/")
    page.fill("#id_username", "ada")
    page.fill("#id_password", "pass word")
    page.click("text=Log in")
    page.goto(f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/")
    page.wait_for_selector(".feature-map[data-drawn]", timeout=30_000)

    map_box = page.locator(".feature-map canvas").bounding_box()
    assert map_box is not None
    assert map_box["height"] > 200
    outside = [url for url in requests if not url.startswith((live_server.url, "blob:", "data:"))]
    assert outside == []
    assert problems == []
    page.close()
