"""The explorer's page in a real browser."""

import re
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from config.api.reading import READER
from tests.browser.looking import check_looks, open_page
from tests.explorer.showing import GAME_ROWS, MARKUP, store_shown
from tests.explorer.trips import import_trips
from tests.factories.explorer import GameFactory

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", READER])


@pytest.fixture
def address(settings: Settings, live_server: LiveServer) -> str:
    """The page of some games, where anybody may read."""
    settings.ANONYMOUS_ACCESS = frozenset({"read"})
    store_shown()
    return f"{live_server.url}/explorer/games/"


def expect_rows(page: Page, count: int) -> None:
    expect(page.locator(".values tbody tr")).to_have_count(count)


def expect_query(page: Page, query: str) -> None:
    expect(page).to_have_url(re.compile(rf"/explorer/games/{re.escape(query)}$"))


def open_column(page: Page, name: str) -> None:
    page.locator(f"#column-{name} > summary").click()


def test_filter_that_is_typed_changes_rows_and_address(browser: Browser, address: str) -> None:
    with open_page(browser, address) as page:
        expect_rows(page, len(GAME_ROWS))
        open_column(page, "name")
        open_column(page, "price")
        page.locator("#filter-name").press_sequentially("a", delay=20)
        expect_rows(page, 3)
        page.locator("#filter-name").press_sequentially("n", delay=20)
        expect_rows(page, 1)
        expect(page.locator("#filter-name")).to_be_focused()
        page.fill("#filter-name", "")
        page.fill("#filter-price__gte", "4")
        expect_rows(page, 2)
        expect_query(page, "?price__gte=4")
        expect(page.locator(".chip")).to_contain_text("Price at least 4")

        page.reload()

        expect_rows(page, 2)
        expect(page.locator("#filter-price__gte")).to_have_value("4")
        page.go_back()
        expect_rows(page, 1)
        expect(page.locator("#filter-name")).to_have_value("an")
        page.go_forward()
        expect_rows(page, 2)


@pytest.mark.parametrize(
    ("name", "value", "count"),
    [
        ("windows", "false", 1),
        ("positive__isnull", "true", 1),
        ("release_date__gte", "2010-01-01", 2),
        ("genres__has", "Action", 1),
    ],
)
def test_each_kind_of_control_filters(
    browser: Browser, address: str, name: str, value: str, count: int
) -> None:
    with open_page(browser, address) as page:
        open_column(page, name.partition("__")[0])
        control = page.locator(f"#filter-{name}")
        if control.evaluate("control => control.tagName") == "SELECT":
            control.select_option(value)
        else:
            control.fill(value)

        expect_rows(page, count)
        expect_query(page, f"?{name}={value}")


def test_chip_is_removed_and_the_rest_stays(browser: Browser, address: str) -> None:
    query = "?genres__has=Indie&genres__has=Strategy&price__gte=4&ordering=-price"
    with open_page(browser, address + query) as page:
        expect_rows(page, 1)
        page.get_by_role("link", name="Price at least 4").click()

        expect_rows(page, 2)
        expect_query(page, query.replace("&price__gte=4", ""))
        expect(page.locator("#filter-price__gte")).to_have_value("")
        expect(page.locator("#view")).to_be_focused()
        page.fill("#filter-price__gte", "4")
        expect_rows(page, 1)
        expect(page.locator(".chip")).to_have_count(3)

        page.get_by_role("link", name="Clear all").click()

        expect_rows(page, len(GAME_ROWS))
        expect_query(page, "?ordering=-price")
        page.go_back()
        expect(page.locator(".chip")).to_have_count(3)


def test_columns_sort_by_keyboard_and_are_chosen(browser: Browser, address: str) -> None:
    with open_page(browser, address) as page:
        page.locator("#sort-price").focus()
        page.keyboard.press("Enter")
        expect_query(page, "?ordering=price")
        expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Price")
        expect(page.locator("#sort-price")).to_be_focused()
        page.keyboard.press("Enter")
        expect_query(page, "?ordering=-price")
        expect(page.locator(".values tbody tr").first).to_contain_text("Galactic Bowling")

        page.locator("#choose-columns > summary").click()
        for name in ("about_the_game", "tags"):
            page.locator(f"#fields-{name}").uncheck()
            expect(page.locator(f"#sort-{name}")).to_have_count(0)

        expect(page.locator("#fields-tags")).to_be_visible()
        assert "fields=app_id,import_id" in page.url
        assert "ordering=-price" in page.url


def test_column_is_found_among_the_filters(browser: Browser, address: str) -> None:
    with open_page(browser, address) as page:
        page.fill("#find-column", "release_date_p")
        expect(page.locator("details.column:visible")).to_have_count(1)
        page.fill("#find-column", "lost")
        expect(page.locator("#no-column")).to_be_visible()
        page.wait_for_timeout(400)
        expect_query(page, "")


def test_texts_are_shown_whole(browser: Browser, address: str) -> None:
    GameFactory(name="long " * 100)
    with open_page(browser, f"{address}?fields=name&name=long") as page:
        cell = page.locator(".values .cell")
        before = cell.bounding_box()
        cell.click()
        opened = cell.bounding_box()
        page.locator("#texts").check()
        expect_query(page, "?name=long&texts=whole&fields=name")
        whole = page.locator(".values .cell").bounding_box()

    assert before
    assert opened
    assert whole
    assert opened["height"] == whole["height"] > 2 * before["height"]


def test_value_of_a_facet_is_clicked(browser: Browser, address: str) -> None:
    with open_page(browser, address) as page:
        page.locator("#tab-facets").click()
        page.get_by_role("link", name="Indie").click()
        expect(page.locator(".chip")).to_contain_text("Genres has Indie")
        expect(page.locator("tr.set")).to_contain_text("Indie")
        page.locator("#choose-facets > summary").click()
        page.locator("#facet-price").check()
        expect(page.get_by_role("region", name="Price")).to_contain_text("19.99")
        page.locator("#tab-rows").click()

        expect_rows(page, 2)
        assert "genres__has=Indie" in page.url


def test_groups_are_drawn_and_chosen(browser: Browser, address: str) -> None:
    with open_page(browser, f"{address}?tab=aggregate") as page:
        page.select_option("#group-1", "genres")
        bars = page.locator("#chart rect")
        expect(bars).to_have_count(4)
        first = bars.first.bounding_box()
        assert first
        assert first["width"] > 20
        page.select_option("#metric-2", "avg:price")
        expect(page.locator("#sort-avg\\:price")).to_be_visible()
        page.locator("#sort-count").click()
        page.wait_for_url("**group_ordering=count**")
        page.locator("#sort-count").click()
        expect(page.locator(".values tbody tr").first).to_contain_text("Indie")

        page.locator("#having-value").press_sequentially("2")
        page.keyboard.press("Enter")

        expect_rows(page, 1)
        expect(page.get_by_role("link", name="Rows ≥ 2")).to_be_visible()
        assert page.url.endswith(
            "?tab=aggregate&group_ordering=-count&group_by=genres&metrics=count,avg:price"
            "&having=count__gte:2"
        )


def test_bar_of_a_histogram_filters_its_range(browser: Browser, address: str) -> None:
    with open_page(browser, address) as page:
        page.locator("#tab-histogram").click()
        page.locator("#bins").press_sequentially("2")
        page.keyboard.press("Enter")
        bars = page.locator(".histogram .bar")
        expect(bars).to_have_count(2)
        bars.last.click()

        expect(page.locator(".chip").first).to_contain_text("Price at least")
        expect(page.locator("#bins-table tbody tr")).to_have_count(1)
        page.locator("#tab-rows").click()
        expect_rows(page, 1)


def test_what_controls_do_not_hold_stays_beside_what_is_typed(
    browser: Browser, address: str
) -> None:
    query = "?name=a&name=b&genres__has=line1%0Aline2"
    with open_page(browser, address + query) as page:
        for text in ("xxx", "yyy"):
            page.fill("#filter-name", text)
            expect_query(page, f"?name={text}&name=a&name=b&genres__has=line1%0Aline2")
        page.fill("#filter-name", "")
        expect_query(page, query)


def test_link_waits_for_what_was_typed(browser: Browser, address: str) -> None:
    with open_page(browser, address) as page:
        open_column(page, "name")
        page.fill("#filter-name", "gal")
        page.locator("#tab-facets").click()
        expect(page.get_by_role("region", name="Genres")).to_be_visible()
        expect(page.locator(".chip")).to_contain_text("Name contains gal")
        expect(page.locator("#filter-name")).to_have_value("gal")

        page.fill("#filter-name", "train")
        page.get_by_role("region", name="Genres").get_by_role("link", name="Indie").click()

        expect(page.locator(".chip")).to_have_count(2)
        page.wait_for_timeout(400)
        assert "?name=train&tab=facets" in page.url
        assert page.url.endswith("&genres__has=Indie")


def test_address_that_grows_too_long_is_told(browser: Browser, address: str) -> None:
    page = browser.new_page()
    try:
        page.goto(address, wait_until="networkidle")
        open_column(page, "name")
        page.evaluate("document.querySelector('#filter-name').value = 'x'.repeat(70000)")
        page.locator("#filter-name").dispatch_event("input")

        expect(page.get_by_role("alert")).to_contain_text("too long for an address")
        expect(page.locator("#explorer-fault")).to_be_hidden()
        page.locator("#tab-facets").click()
        expect(page.locator(".facets")).to_be_visible()
    finally:
        page.close()


def test_fault_stands_at_its_control(browser: Browser, address: str) -> None:
    with open_page(browser, address) as page:
        open_column(page, "price")
        page.fill("#filter-price__gte", "much")

        expect(page.get_by_role("alert")).to_contain_text("“much” is not a finite number")
        expect(page.locator("#filter-price__gte")).to_have_attribute("aria-invalid", "true")
        page.fill("#filter-price__gte", "5")
        expect_rows(page, 1)
        expect(page.locator("[aria-invalid]")).to_have_count(0)


def test_view_is_copied_as_curl(browser: Browser, address: str) -> None:
    with open_page(browser, f"{address}?name=gal") as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.locator("#as-curl > summary").click()
        page.get_by_role("button", name="Copy as curl").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()

        text = page.evaluate("navigator.clipboard.readText()")

        assert text.startswith("curl 'http://")
        assert text.endswith("/api/v1/games/?name=gal'")
        expect(page.locator("#curl")).to_have_text(text)


def test_filters_fold_on_a_small_screen(browser: Browser, address: str) -> None:
    with open_page(browser, address, width=360) as page:
        expect(page.locator(".panel")).to_be_hidden()
        page.locator("#panel-toggle > summary").click()
        open_column(page, "name")
        page.fill("#filter-name", "bowl")

        expect_rows(page, 1)
        expect(page.locator(".panel")).to_be_visible()


def test_text_of_a_file_is_never_markup(browser: Browser, address: str) -> None:
    for query in ("", "?tab=facets&facet=name", "?tab=aggregate&group_by=name"):
        with open_page(browser, address + query) as page:
            expect(page.get_by_text(MARKUP).first).to_be_visible()


@pytest.mark.parametrize(
    "query",
    [
        "?genres__has=Indie&genres__has=RPG&price__gte=0.1&release_date__lte=2030-01-01",
        "?tab=facets&facet=genres,name,price&genres__has=Indie",
        "?tab=aggregate&group_by=name&metrics=count,avg:price&having=count__gte:1",
        "?tab=histogram&field=price",
        "?price__gte=much&colour=red",
        "?name=nowhere",
        "trips",
        "no trips",
    ],
)
def test_page_looks_well(browser: Browser, address: str, query: str) -> None:
    GameFactory(name="x" * 300, price=Decimal("-5"), tags=",".join("y" * 60 for _ in range(9)))
    if query == "trips":
        import_trips({"trip_miles": Decimal("2.83")}, {"tolls": Decimal("-1.5")})
    path = address.replace("games", "trips") if "trips" in query else address + query

    check_looks(browser, path)
