"""How much the pages load, and how soon they are seen: all but the map, whose library is large, and
that of the API, which is a library's."""

from statistics import median

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from whitenoise.compress import Compressor

from tests.dropzone.payloads import process, write
from tests.factories.imports import ImportFactory, RejectFactory

pytestmark = pytest.mark.django_db(transaction=True)

LARGEST_BYTES = 100_000  # of scripts and styles, as they are sent
LATEST_PAINT = 1_000  # ms, of a page whose scripts and styles the browser has already
VISITS = 3
ATTEMPTS = 3  # a busy machine is no fault of a page
LIST_ASSETS = """
() => performance.getEntriesByType("resource")
    .map(({ name }) => name)
    .filter((name) => /[.](m?js|css)$/.test(new URL(name).pathname))
"""
FIND_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"


@pytest.fixture
def addresses(settings: Settings, live_server: LiveServer) -> list[str]:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "ingest", "import"})
    record = ImportFactory(rows_rejected=30)
    RejectFactory.create_batch(30, import_record=record)
    for minute in range(25):
        payload = process(write(minute, minute + 2, when=f"2024-07-01T10:{minute:02}:00Z"))
    paths = ["", "imports/", f"imports/{record.pk}/", "sign-in/", "dropzone/"]
    paths += [f"dropzone/payloads/{payload.pk}/", "dropzone/measurements/2024-07-01T10:00:00Z/"]
    return [f"{live_server.url}/{path}" for path in paths]


def measure_paint(context: BrowserContext, address: str) -> float:
    page = context.new_page()
    page.goto(address, wait_until="networkidle")
    milliseconds = float(page.evaluate(FIND_PAINT))
    page.close()
    return milliseconds


def measure_asset(page: Page, address: str) -> int:
    """As WhiteNoise sends it: packed beforehand. The tests' own server sends it as it is."""
    body = page.request.get(address).body()
    assert body, address
    return min(len(body), len(Compressor.compress_gzip(body)))


def test_scripts_and_styles_of_a_page_are_small(browser: Browser, addresses: list[str]) -> None:
    for address in addresses:
        page = browser.new_page()
        page.goto(address, wait_until="networkidle")
        sizes = {name: measure_asset(page, name) for name in page.evaluate(LIST_ASSETS)}
        page.close()

        assert len(sizes) >= 3, sizes
        assert sum(sizes.values()) <= LARGEST_BYTES, (address, sizes)


def test_page_is_seen_within_a_second(browser: Browser, addresses: list[str]) -> None:
    context = browser.new_context()
    for address in addresses:
        measure_paint(context, address)
        for _ in range(ATTEMPTS):
            paint = median(measure_paint(context, address) for _ in range(VISITS))
            if paint <= LATEST_PAINT:
                break
        assert paint <= LATEST_PAINT, address
    context.close()
