"""The pages of imports in a real browser."""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import Browser, Dialog, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from explorer.samples import write_trips
from footprints.models import Footprint
from imports.choices import Status
from imports.engine import cutting
from imports.jobs import run_import
from imports.models import Import
from tests.browser.looking import check_looks, open_page
from tests.factories.footprints import FootprintFactory
from tests.factories.imports import ImportFactory, RejectFactory
from tests.faults.sources import Page as Source
from tests.faults.sources import Sources, drip, run_sources
from tests.imports.test_cancelling import in_thread
from tests.people import make_user
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_queue")]

ROWS = 2_000
SLOW_SECONDS = 20
NAME = "trips.csv"


@pytest.fixture
def address(settings: Settings, live_server: LiveServer) -> str:
    """The list's, where anybody may read and import."""
    settings.ANONYMOUS_ACCESS = frozenset({"read", "import"})
    return f"{live_server.url}/imports/"


@pytest.fixture
def sources(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sources]:
    settings.IMPORT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    monkeypatch.setattr(cutting, "CHUNK_BYTES", 20_000)
    with run_sources() as sources:
        yield sources


def accept(dialog: Dialog) -> None:
    dialog.accept()


def start_slow_import(page: Page, sources: Sources) -> Import:
    body = b"".join(write_trips(ROWS, seed=1))
    page.select_option("#id_dataset", "trips")
    page.fill("#id_url", sources.serve(f"/{NAME}", Source(body), drip(len(body) // SLOW_SECONDS)))
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile(r"/imports/\d+/$"))
    return Import.objects.get()


def read_bar(page: Page) -> float:
    bar = page.locator("progress").first
    return float(bar.get_attribute("value") or 0) if bar.count() else 0.0


def test_import_is_started_seen_moving_cancelled_and_resumed(
    browser: Browser, address: str, sources: Sources
) -> None:
    with open_page(browser, address) as page:
        page.on("dialog", accept)
        record = start_slow_import(page, sources)
        expect(page.locator(".state").first).to_have_text("queued")
        with in_thread(lambda: run_import(record.pk)) as results:
            expect(page.locator(".state").first).to_have_text("running")
            page.goto(address)
            wait_until(lambda: read_bar(page) > 0, seconds=15)
            first = read_bar(page)
            wait_until(lambda: read_bar(page) > first, seconds=15)
            expect(page.locator("#import-rows")).to_contain_text("rows/s")
            expect(page.locator("#import-rows")).to_contain_text("to go")

            page.get_by_role("button", name=f"Cancel import {record.pk}").click()

            expect(page.locator("#live-message")).to_contain_text("cancelled")
            expect(page.locator("#import-rows .state")).to_have_text("cancelled")
        assert results == [None]
        record.refresh_from_db()
        assert record.status == Status.CANCELLED

        page.get_by_role("button", name=f"Resume import {record.pk}").click()

        expect(page.locator("#import-rows .state")).to_have_text("queued")
        assert Import.objects.get().status == Status.QUEUED


def test_page_of_an_import_follows_it_to_its_end(
    browser: Browser, address: str, sources: Sources
) -> None:
    body = b"".join(write_trips(ROWS, seed=1, bad=0.02))
    url = sources.serve(f"/{NAME}", Source(body), drip(len(body) // 3))
    record = Import.objects.create(dataset="trips", url=url)
    with (
        open_page(browser, f"{address}{record.pk}/") as page,
        in_thread(lambda: run_import(record.pk)),
    ):
        expect(page.locator("#import-figures .state").first).to_have_text(
            "finished", timeout=30_000
        )
        expect(page.locator("#import-figures .state.good")).to_have_count(4)
        record.refresh_from_db()
        expect(page.locator("#import-rejects tbody").nth(1).locator("tr")).to_have_count(
            record.rows_rejected
        )
        assert record.rows_rejected > 0


def test_file_is_imported(browser: Browser, address: str, tmp_path: Path) -> None:
    file = tmp_path / NAME
    file.write_bytes(b"".join(write_trips(10, seed=1)))
    with open_page(browser, address) as page:
        page.select_option("#id_dataset", "trips")
        page.set_input_files("#id_file", file)
        page.get_by_role("button", name="Start").click()
        page.wait_for_url(re.compile(r"/imports/\d+/$"))

        expect(page.locator(".source")).to_contain_text(NAME)

    assert Import.objects.get().url.endswith(f"/{NAME}")


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("url", "ftp://data.example/x.csv", "http"),
        ("url", "", "either a url or a file is needed"),
        ("max_rejects", "many", "A valid integer is required."),
    ],
)
def test_fault_stands_at_its_field(
    browser: Browser, address: str, field: str, text: str, message: str
) -> None:
    with open_page(browser, address) as page:
        page.select_option("#id_dataset", "trips")
        page.locator("summary").click()
        page.fill(f"#id_{field}", text)
        page.get_by_role("button", name="Start").click()

        expect(page.locator(f"#fault-{field}")).to_contain_text(message)
        expect(page.locator(f"#id_{field}")).to_have_value(text)
        expect(page.locator(f"#id_{field}")).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#id_dataset")).to_have_value("trips")
    assert not Import.objects.exists()


def test_visitor_without_rights_is_offered_nothing(
    browser: Browser, address: str, settings: Settings
) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read"})
    ImportFactory(queued=True)
    ended = ImportFactory(status=Status.CANCELLED)
    for url in (address, f"{address}{ended.pk}/"):
        with open_page(browser, url) as page:
            expect(page.get_by_role("button")).to_have_count(0)
            expect(page.locator("main form[method=post]")).to_have_count(0)


@pytest.mark.parametrize("action", ["", "1/cancel/", "1/resume/", "1/delete/"])
def test_visitor_without_rights_changes_nothing(
    client: Client, settings: Settings, action: str
) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read"})
    ImportFactory(pk=1, queued=True)

    plain = client.post(
        f"/imports/{action}",
        {"dataset": "trips", "url": "https://x.example/"},
        headers={"Referer": "http://testserver/imports/1/"},
    )
    live = client.post(
        f"/imports/{action}",
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/imports/1/"},
    )

    assert plain["Location"] == "/sign-in/?next=/imports/1/"
    assert live["HX-Redirect"] == "/sign-in/?next=/imports/1/"
    assert Import.objects.get().status == Status.QUEUED


def test_sign_in_is_asked_for_where_reading_needs_it(client: Client) -> None:
    assert client.get("/imports/")["Location"] == "/sign-in/?next=/imports/"

    client.force_login(make_user(group="analyst"))

    assert client.get("/imports/").status_code == 200


def test_too_late_is_told(browser: Browser, address: str) -> None:
    record = ImportFactory(queued=True)
    with open_page(browser, f"{address}{record.pk}/") as page:
        page.on("dialog", accept)
        # Nothing is replaced under a pressed key, so that the button is still there.
        page.keyboard.down("Shift")
        Import.objects.filter(pk=record.pk).update(status=Status.CANCELLING)
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#live-message .fault")).to_contain_text("is being cancelled")
        page.keyboard.up("Shift")

        expect(page.locator("#import-figures .state").first).to_have_text("cancelling")


@pytest.mark.parametrize("is_deleted", [True, False])
def test_what_cannot_be_done_is_told_and_stays(
    browser: Browser, address: str, is_deleted: bool
) -> None:
    ImportFactory(queued=True)
    record = ImportFactory(status=Status.CANCELLED)
    number = record.pk
    page = browser.new_page()
    page.goto(address, wait_until="networkidle")
    page.keyboard.down("Shift")  # nothing is replaced under a pressed key
    if is_deleted:
        record.delete()
    else:
        page.context.clear_cookies()

    page.get_by_role("button", name="Resume").click()

    told = f"There is no import {number}: it was deleted." if is_deleted else "reload it"
    expect(page.locator("#live-message .fault")).to_contain_text(told)
    with page.expect_response(lambda response: response.request.method == "GET"):
        pass
    expect(page.locator("#live-message .fault")).to_contain_text(told)
    expect(page.locator("#live-fault")).to_be_hidden()
    page.close()


def test_server_that_falls_silent_is_told_of_until_it_answers(
    browser: Browser, address: str
) -> None:
    record = ImportFactory(queued=True)
    number = record.pk
    page = browser.new_page()
    page.goto(f"{address}{number}/", wait_until="networkidle")
    page.route("**/imports/**", lambda route: route.abort())
    expect(page.locator("#live-fault")).to_contain_text("The server does not answer.")

    page.unroute("**/imports/**")
    expect(page.locator("#live-fault")).to_be_hidden()

    record.delete()
    expect(page.locator("#live-fault")).to_contain_text(f"import {number}: it was deleted.")
    page.close()


def test_import_is_deleted_after_a_second_thought(browser: Browser, address: str) -> None:
    record = ImportFactory(rows_loaded=1)
    FootprintFactory(import_record=record)
    with open_page(browser, f"{address}{record.pk}/") as page:
        page.get_by_text("Delete this import").click()
        page.get_by_role("button", name="for good").click()

        expect(page.locator("#live-message")).to_contain_text(f"Import {record.pk} is deleted")
    assert not Import.objects.exists()
    assert not Footprint.objects.exists()


def test_focus_stays_while_the_list_is_replaced(browser: Browser, address: str) -> None:
    record = ImportFactory(queued=True)
    with open_page(browser, address) as page:
        page.locator(f"#cancel-{record.pk}").focus()
        for _ in range(2):
            with page.expect_response(lambda response: "/imports/" in response.url):
                pass
        page.wait_for_timeout(200)

        expect(page.locator(f"#cancel-{record.pk}")).to_be_focused()


def test_list_is_filtered_and_has_pages(browser: Browser, address: str) -> None:
    ImportFactory.create_batch(30)
    ImportFactory(dataset="trips", status=Status.FAILED, error_code="http_404")
    with open_page(browser, address) as page:
        expect(page.locator("#import-rows tr")).to_have_count(25)
        page.get_by_role("link", name="Older").click()
        expect(page.locator("#import-rows tr")).to_have_count(6)
        page.select_option("#filter-status", "failed")
        expect(page.locator("#import-rows tr")).to_have_count(1)
        expect(page.locator("#import-rows")).to_contain_text("http_404")
        assert page.url == f"{address}?status=failed"
        page.select_option("#filter-dataset", "games")
        expect(page.locator("#import-rows")).to_contain_text("No import is like that.")
    with open_page(browser, f"{address}?status=lost") as page:
        expect(page.get_by_role("alert")).to_have_text("There is no status “lost”.")


def test_pages_look_well(browser: Browser, address: str) -> None:
    check_looks(browser, address)
    ended = ImportFactory(
        rows_loaded=1_234_567, rows_rejected=2, url="https://x.example/" + "y" * 300
    )
    RejectFactory(import_record=ended, raw="z" * 5_000, raw_bytes=5_000)
    RejectFactory(import_record=ended, column="")
    failed = ImportFactory(status=Status.FAILED, error_code="http_404", error_detail="x" * 300)
    running = ImportFactory(
        queued=True,
        status=Status.RUNNING,
        bytes_done=2**30,
        bytes_total=2**33,
        bytes_per_second=2**20,
    )
    check_looks(browser, address)
    for record in (ended, failed, running):
        check_looks(browser, f"{address}{record.pk}/")


def test_rejects_beyond_the_shown_are_counted(
    browser: Browser, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imports.pages.MAX_GROUPED", 60)
    record = ImportFactory(rows_rejected=70)
    RejectFactory.create_batch(60, import_record=record)
    RejectFactory.create_batch(10, import_record=record, code="later")
    with open_page(browser, f"{address}{record.pk}/") as page:
        tables = page.locator("#import-rejects table")
        expect(tables.first.locator("tbody tr")).to_have_count(1)
        expect(tables.first).to_contain_text("60")
        expect(tables.last.locator("tbody tr")).to_have_count(50)
        expect(page.locator("#import-rejects")).to_contain_text("of the first 60")
