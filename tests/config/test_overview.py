"""The overview: figures, imports and faults, in an empty system too."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from config import overview
from config.overview import Size, list_datasets, list_faults, read_size
from dropzone.choices import State
from dropzone.models import Payload
from footprints.models import Footprint
from tests.factories.dropzone import MeasurementFactory, PayloadFactory
from tests.factories.explorer import GameFactory, TaxiZoneFactory
from tests.factories.footprints import FootprintFactory
from tests.factories.imports import ImportFactory
from tests.factories.locations import MinuteAverageFactory
from tests.people import make_user

pytestmark = pytest.mark.django_db

NOW = timezone.now()


@pytest.fixture
def page(client: Client, settings: Settings) -> Client:
    """Somebody whom nobody knows, and who may read."""
    settings.ANONYMOUS_ACCESS = frozenset({"read"})
    return client


def read_page(client: Client) -> str:
    return " ".join(client.get("/").content.decode().split())


def reject(**options: object) -> Payload:
    reasons = [{"code": "no_offset", "reason": "without an offset"}, {"code": "x", "reason": "y"}]
    return PayloadFactory(
        **{"state": State.REJECTED, "reasons": reasons, "ended_at": NOW} | options
    )


def test_empty_system_says_how_to_begin(page: Client) -> None:
    text = read_page(page)

    assert "Nothing is loaded yet" in text
    assert "manage.py ingest_footprints" in text
    assert "http://testserver/dropzone" in text
    assert "No import has failed" in text
    assert "Start an import" not in text


def test_who_may_import_is_led_to_where_imports_start(page: Client, settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "import"})

    assert "Start an import" in read_page(page)


def test_every_kind_is_counted(page: Client) -> None:
    FootprintFactory.create_batch(2)
    MinuteAverageFactory()
    MeasurementFactory()
    GameFactory()
    TaxiZoneFactory()
    reject()

    text = read_page(page)

    assert "Nothing is loaded yet" not in text
    for count, title in (
        ("2", "footprints"),
        ("1", "location"),
        ("1", "payload"),
        ("1", "measurement"),
        ("0", "trips"),
        ("1", "game"),
        ("1", "taxi zone"),
    ):
        assert f'<span class="figure">{count}</span> <span>{title}</span>' in text
    assert "0 waiting" in text
    assert "1 rejected" in text


def test_very_many_rows_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "MAX_EXACT_COUNT", 2)
    FootprintFactory.create_batch(3)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE footprints_footprint")

    with CaptureQueriesContext(connection) as queries:
        size = read_size(Footprint.objects.all())

    assert str(size) == "about 3"
    assert [query["sql"].startswith("EXPLAIN") for query in queries] == [True]


def test_rows_that_the_planner_knows_nothing_of_are_not_counted_beyond_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overview, "estimate_rows", lambda rows: 5)
    monkeypatch.setattr(overview, "count_few", lambda rows: None)

    assert read_size(Footprint.objects.all()) == Size(5, is_exact=False)


def test_datasets_tell_what_their_imports_brought() -> None:
    ImportFactory(rows_added=1_000)
    ImportFactory(rows_added=7, replaced_at=NOW)
    ImportFactory(queued=True)
    ImportFactory(dataset="trips", status="failed", error_code="http_404")

    footprints, trips = list_datasets()

    assert (footprints.imports, footprints.active, footprints.failed) == (3, 1, 0)
    assert footprints.rows == 1_000
    assert (trips.imports, trips.active, trips.failed, trips.rows) == (1, 0, 1, 0)


def test_faults_are_the_latest_of_both_kinds() -> None:
    for hours in reversed(range(8)):
        reject(ended_at=NOW - timedelta(hours=hours))
    ImportFactory(
        status="failed",
        error_code="http_404",
        error_detail="gone",
        ended_at=NOW - timedelta(minutes=90),
    )

    faults = list_faults()

    assert [fault.what.split()[0] for fault in faults] == [
        *("Payload", "Payload", "Import", "Payload", "Payload", "Payload")
    ]
    assert faults[0].detail == "without an offset (and 1 more)"
    assert (faults[2].code, faults[2].detail) == ("http_404", "gone")


def test_what_a_source_says_is_no_markup(page: Client) -> None:
    ImportFactory(status="failed", error_code="http_404", error_detail="<b>gone</b>")

    assert "&lt;b&gt;gone" in read_page(page)


def test_queries_do_not_grow_with_the_rows(page: Client) -> None:
    def count_queries() -> int:
        with CaptureQueriesContext(connection) as queries:
            page.get("/")
        return len(queries)

    ImportFactory()
    reject()
    few = count_queries()
    ImportFactory.create_batch(5)
    for _ in range(5):
        reject()

    assert count_queries() == few


def test_sign_in_is_asked_for_where_reading_needs_it(client: Client, settings: Settings) -> None:
    settings.ANONYMOUS_ACCESS = frozenset()

    anonymous = client.get("/")
    client.force_login(make_user(group="analyst"))

    assert anonymous.status_code == 302
    assert anonymous.headers["location"] == "/sign-in/?next=/"
    assert client.get("/").status_code == 200
