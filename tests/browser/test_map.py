"""The map in a real browser."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Response, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests.browser.looking import check_looks, open_page
from tests.browser.test_maps import count_colours
from tests.factories.explorer import GameFactory, TaxiZoneFactory
from tests.factories.footprints import FIRST_EVENT, FootprintFactory
from tests.factories.locations import MinuteAverageFactory

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "reader"])

REASON = "Rings that crossed themselves were mended."
NEAR = "#12/52.405/13.305"


@pytest.fixture
def site(settings: Settings, live_server: LiveServer) -> str:
    settings.ANONYMOUS_ACCESS = frozenset({"read"})
    return f"{live_server.url}/map/"


def make_footprints() -> int:
    """Forty of two organisations, a minute from each other; the key of the first."""
    rows = [
        FootprintFactory(
            lon=13.3 + number % 8 / 40,
            lat=52.4 + number // 8 / 40,
            org_id=1 + number % 2,
            source_event_timestamp=FIRST_EVENT + timedelta(minutes=number),
            repairs=[{"code": "self_intersection", "reason": REASON}],
        )
        for number in range(40)
    ]
    return int(rows[0].pk)


def wait_until_drawn(page: Page) -> None:
    page.wait_for_selector("#map[data-drawn]", timeout=30_000)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(800)


def paint_map(page: Page) -> bytes:
    return page.locator("#map").screenshot()


def test_page_looks_right_with_footprints_and_without(browser: Browser, site: str) -> None:
    check_looks(browser, site)
    make_footprints()
    check_looks(browser, site)
    check_looks(browser, f"{site}?layer=locations")


def test_empty_map_says_how_to_load_something(browser: Browser, site: str) -> None:
    with open_page(browser, site) as page:
        wait_until_drawn(page)

        assert page.get_by_text("ingest_footprints PATH_OR_URL").is_visible()
        assert "0 footprints" in " ".join(page.locator("#view").inner_text().split())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_heat_is_drawn_and_fits_to_the_data(browser: Browser, site: str, scheme: str) -> None:
    with open_page(browser, f"{site}#10/52.45/13.4", scheme=scheme) as page:
        wait_until_drawn(page)
        empty = count_colours(page)
    make_footprints()

    with open_page(browser, site, scheme=scheme) as page:
        wait_until_drawn(page)

        assert count_colours(page) > empty + 50
        assert "/52.4" in page.url
        assert "at one spot" in page.locator("#legend").inner_text()
        assert page.locator("#view .figure").inner_text() == "40"


def test_filters_change_the_picture_and_the_address_which_restores_them(
    browser: Browser, site: str
) -> None:
    make_footprints()
    with open_page(browser, site) as page:
        wait_until_drawn(page)
        before = paint_map(page)

        page.select_option("#org-ids", "2")
        page.select_option("#length", "600")
        page.focus("#slider")
        page.keyboard.press("ArrowRight")
        expect(page.locator("#view .figure")).to_have_text("5")
        wait_until_drawn(page)
        after = paint_map(page)
        address = page.url
        assert after != before
        assert "org_id=2" in address
        assert "from=2024-07-01T04%3A10" in address
        assert "to=2024-07-01T04%3A20" in address

        page.reload()
        wait_until_drawn(page)

        assert page.url == address
        assert page.input_value("#length") == "600"
        assert page.input_value("#slider") == "1"
        assert page.locator("#view .figure").inner_text() == "5"


def test_click_shows_a_footprint_with_its_repairs(browser: Browser, site: str) -> None:
    first = make_footprints()
    with open_page(browser, f"{site}{NEAR}") as page:
        wait_until_drawn(page)

        page.locator("#map canvas").click()
        page.wait_for_selector("#chosen article")

        assert REASON in page.locator("#chosen").inner_text()
        assert f"selected={first}" in page.url
        page.reload()
        page.wait_for_selector(f"#chosen article[data-row='{first}']")
        page.get_by_role("button", name="Close").click()
        assert "selected" not in page.url


def test_list_shows_a_footprint_by_keyboard(browser: Browser, site: str) -> None:
    make_footprints()
    with open_page(browser, site) as page:
        wait_until_drawn(page)

        page.locator("#view tbody a").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("#chosen article")

        assert page.evaluate("document.activeElement.textContent").startswith("Footprint ")


def test_grid_draws_cells_and_tells_their_weight(browser: Browser, site: str) -> None:
    make_footprints()
    with open_page(browser, site) as page:
        wait_until_drawn(page)
        before = paint_map(page)
        answers: list[Response] = []
        page.on("response", lambda answer: answers.append(answer))

        page.select_option("#method", "grid")
        expect(page.locator("#legend-title")).to_contain_text("in a cell")
        wait_until_drawn(page)

        [heat] = [answer for answer in answers if "/heatmap/" in answer.url]
        assert heat.status == 200
        assert re.search(r"cell of 500 m: (39|40)", page.locator("#legend-title").inner_text())
        assert paint_map(page) != before
        assert "method=grid" in page.url


def test_cells_that_are_too_many_are_refused_with_a_size_that_will_do(
    browser: Browser, site: str
) -> None:
    make_footprints()
    page = browser.new_page()
    page.goto(f"{site}?method=grid&cell=1")

    expect(page.locator("#status")).to_contain_text("smallest", timeout=20_000)

    page.close()


def test_locations_are_drawn_and_chosen(browser: Browser, site: str) -> None:
    MinuteAverageFactory(user_id="ada", at_lat=52.5, at_long=13.4)
    with open_page(browser, f"{site}?layer=locations&user_id=ada#16/52.5/13.4") as page:
        wait_until_drawn(page)

        page.locator("#map canvas").click()
        page.wait_for_selector("#chosen article")

        assert "A minute of ada" in page.locator("#chosen").inner_text()


def test_zones_are_outlined(browser: Browser, site: str) -> None:
    TaxiZoneFactory()
    with open_page(browser, f"{site}#10/40/-74") as page:
        wait_until_drawn(page)

        with page.expect_response(lambda response: "/zones/" in response.url) as found:
            page.check("#zones")

        assert found.value.status == 200
        assert "zones=1" in page.url


def test_fault_of_a_filter_is_told(browser: Browser, site: str) -> None:
    page = browser.new_page()
    page.goto(f"{site}?area_m2__gte=x")

    expect(page.locator("#view")).to_contain_text("“x” is not a finite number")

    page.close()


def test_style_of_streets_takes_the_place_of_the_base_map(
    browser: Browser, site: str, settings: Settings, live_server: LiveServer
) -> None:
    settings.MAP_STYLE_URL = f"{live_server.url}/style.json"
    page = browser.new_page()
    ground = {"id": "ground", "type": "background", "paint": {"background-color": "#123456"}}
    page.route(
        "**/style.json",
        lambda route: route.fulfill(json={"version": 8, "sources": {}, "layers": [ground]}),
    )
    page.goto(site)

    wait_until_drawn(page)

    assert page.locator(".map-labels").count() == 0
    page.close()


@pytest.mark.parametrize("selected", ["../../api/v1/games", "..%2F..%2Fapi%2Fv1%2Fgames", "1x", ""])
def test_chosen_is_a_number_and_no_path(browser: Browser, site: str, selected: str) -> None:
    asked: list[str] = []
    with open_page(browser, site) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{site}?selected={selected}")
        wait_until_drawn(page)

    paths = [urlsplit(url).path for url in asked]
    assert not [path for path in paths if "games" in path or "1x" in path]


def test_only_pages_of_ours_are_put_into_a_page(browser: Browser, site: str) -> None:
    GameFactory(name="<b id=hostile>")
    with open_page(browser, site) as page:
        wait_until_drawn(page)
        page.evaluate("htmx.ajax('GET', '/api/v1/games/?format=json', {target: '#chosen'})")
        page.wait_for_load_state("networkidle")

        assert page.locator("#chosen").inner_html().strip() == ""


def test_faulty_filters_stay_faults_until_others_are_chosen(browser: Browser, site: str) -> None:
    make_footprints()
    page = browser.new_page()
    page.goto(f"{site}?from=zz&org_id=abc&method=zzz")
    wait_until_drawn(page)

    expect(page.locator("#view")).to_contain_text("from: “zz” is not a timestamp")
    expect(page.locator("#view .figure")).to_have_count(0)
    assert "from=zz" in page.url
    assert "org_id=abc" in page.url
    expect(page.get_by_role("alert")).to_contain_text("no method “zzz”")

    page.select_option("#org-ids", "2")
    page.fill("#from", "2024-07-01T04:10:00")
    page.dispatch_event("#from", "change")

    expect(page.locator("#view .figure")).to_have_text("15")
    assert "zz" not in page.url
    assert "abc" not in page.url
    page.close()


def test_chosen_that_is_not_there_is_told_and_dropped(browser: Browser, site: str) -> None:
    make_footprints()
    page = browser.new_page()
    page.goto(f"{site}?selected=999999")
    wait_until_drawn(page)

    expect(page.get_by_role("alert")).to_have_text("There is no footprint 999999 here.")
    assert "selected" not in page.url

    page.evaluate("htmx.ajax('GET', '/map/footprints/999998/', {target: '#chosen'}).catch(() => 0)")
    expect(page.locator("#status")).to_have_text("There is no footprint 999998 here.")
    page.close()


def test_legend_tells_nothing_of_cells_that_are_refused(browser: Browser, site: str) -> None:
    make_footprints()
    page = browser.new_page()
    page.goto(f"{site}?method=grid")
    expect(page.locator("#legend-title")).to_contain_text("in a cell", timeout=20_000)

    page.fill("#cell", "1")
    page.dispatch_event("#cell", "change")

    expect(page.locator("#status")).to_contain_text("smallest", timeout=20_000)
    expect(page.locator("#legend")).to_be_hidden()
    page.close()


def test_list_does_without_a_script(browser: Browser, site: str) -> None:
    make_footprints()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}?org_id=2&from=2024-07-01T04:10")

    page.locator("#view tbody a").first.click()

    expect(page.locator("#chosen h2")).to_contain_text("Footprint ")
    assert "org_id=2" in page.url
    expect(page.locator("#from")).to_have_value("2024-07-01T04:10")
    for name in ("Close", "Fit to the data"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    context.close()
