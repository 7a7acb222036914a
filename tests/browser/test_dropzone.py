"""The pages of the dropzone in a real browser."""

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from dropzone.draining import drain_payloads
from dropzone.models import Measurement, Payload
from tests.browser.looking import check_looks, open_page
from tests.dropzone.payloads import BAD, process, write
from tests.factories.dropzone import MeasurementFactory

pytestmark = pytest.mark.django_db(transaction=True)

DRAWN = ".measurement-chart[data-drawn='{}']"


@pytest.fixture
def site(settings: Settings, live_server: LiveServer) -> str:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "ingest"})
    return str(live_server.url)


def fill() -> None:
    for minute in range(25):
        process(write(minute, minute + 2, when=f"2024-07-01T10:{minute:02}:00Z"))
    process(BAD)


def count_inked(page: Page) -> int:
    """How many pixels of the chart have a colour."""
    return int(
        page.evaluate(
            """() => {
                const canvas = document.querySelector(".measurement-chart canvas");
                const { width, height } = canvas;
                const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
                return data.filter((value, index) => index % 4 === 3 && value).length;
            }"""
        )
    )


def test_pages_look_well(browser: Browser, site: str) -> None:
    check_looks(browser, f"{site}/dropzone/")
    fill()
    rejected = Payload.objects.get(state="rejected")

    check_looks(browser, f"{site}/dropzone/")
    check_looks(browser, f"{site}/dropzone/payloads/{rejected.pk}/")
    check_looks(browser, f"{site}/dropzone/measurements/2024-07-01T10:00:00Z/")


def test_states_filter_the_payloads(browser: Browser, site: str) -> None:
    fill()

    with open_page(browser, f"{site}/dropzone/?until=2024-07-03") as page:
        page.click("#state-rejected")
        expect(page.locator("#payloads tbody tr")).to_have_count(1)
        expect(page).to_have_url(f"{site}/dropzone/?state=rejected&until=2024-07-03")
        expect(page.locator("#state-rejected")).to_be_focused()
        page.click("#chosen-1")
        expect(page.locator("#payloads tbody tr")).to_have_count(10)
        page.click("#payloads-older")
        expect(page.locator("#payloads tbody tr")).to_have_count(10)
        page.reload()
        expect(page.locator("#payloads tbody tr")).to_have_count(10)


def test_chart_is_read_by_keyboard(browser: Browser, site: str) -> None:
    fill()

    with open_page(browser, f"{site}/dropzone/") as page:
        chart = page.locator(DRAWN.format(25))
        chart.focus()
        assert count_inked(page) > 1_000
        expect(chart).to_have_attribute("aria-valuenow", "25")
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Tab")  # which is none of its keys
        expect(chart).to_have_attribute(
            "aria-valuetext", "2024-07-01 10:01:00 UTC: 2 ± 1.4142135623730951, 2 points"
        )
        expect(page.locator(".readout")).to_contain_text("10:01:00 UTC")
        chart.press("Enter")
        expect(page.locator("h1")).to_have_text("Measurement at 2024-07-01 10:01:00 UTC")


def test_range_chooses_what_is_drawn(browser: Browser, site: str) -> None:
    fill()
    process(write(1, when="2024-07-03T10:00:00Z"))

    with open_page(browser, f"{site}/dropzone/?state=processed") as page:
        page.fill("#range-from", "2024-07-02")
        page.locator(DRAWN.format(1)).wait_for()
        expect(page.locator("#measurement-rows tbody tr")).to_have_count(1)
        expect(page).to_have_url(f"{site}/dropzone/?state=processed&from=2024-07-02")
        page.fill("#range-from", "2024-07-04")
        expect(page.locator("#measurement-rows tbody")).to_contain_text("No measurement lies")


@pytest.mark.parametrize("means", [[1.7e308, -1.7e308, 0], [5e-324, 1e-323], [3], [2, 2]])
def test_chart_draws_any_numbers(browser: Browser, site: str, means: list[float]) -> None:
    for mean in means:
        MeasurementFactory(mean=mean, std=abs(mean))

    with open_page(browser, f"{site}/dropzone/") as page:
        page.locator(DRAWN.format(len(means))).wait_for(timeout=5_000)


def test_payload_is_sent_and_its_measurement_appears(browser: Browser, site: str) -> None:
    body = '{"time_stamp": "2024-07-01T10:00:00Z",\n "data": [1, 2]}'

    with open_page(browser, f"{site}/dropzone/") as page:
        page.fill("#send-body", body)
        page.click("text=Send >> nth=-1")
        expect(page.locator(".answer a")).to_be_visible()
        drain_payloads()
        expect(page.locator("#state-processed .figure")).to_have_text("1")
        page.locator(DRAWN.format(1)).wait_for()
        expect(page.locator("#measurement-rows tbody")).to_contain_text("2024-07-01 10:00:00")
        payload = Payload.objects.get()
        assert payload.size_bytes == len(body)  # as it was typed
        page.click(".answer a")
        expect(page.locator("h1")).to_contain_text(f"Payload {payload.pk}")


def test_payload_that_is_no_json_is_told(browser: Browser, site: str) -> None:
    page = browser.new_page()
    page.goto(f"{site}/dropzone/")
    page.set_input_files("#send-file", {"name": "x", "mimeType": "", "buffer": b"nothing"})
    page.click("[data-send] [type=submit]")

    expect(page.locator(".answer.fault")).to_contain_text("Received, but it is not JSON")
    page.close()
    assert Payload.objects.get().size_bytes == 7


def test_rejected_payload_is_processed_again(browser: Browser, site: str) -> None:
    payload = process(BAD)

    with open_page(browser, f"{site}/dropzone/payloads/{payload.pk}/") as page:
        page.click("#retry")
        expect(page.locator("h1 .state")).to_have_text("received")
        drain_payloads()
        expect(page.locator("h1 .state")).to_have_text("rejected")


def test_measurement_is_verified_in_its_place(browser: Browser, site: str) -> None:
    process(write(1, 2))
    measurement = Measurement.objects.get()

    with open_page(browser, f"{site}{measurement.get_absolute_url()}", width=360) as page:
        page.click("text=Verify")
        expect(page.locator("#verified .state")).to_have_text("matches")
        expect(page.locator("#verified tbody tr")).to_have_count(2)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
