"""What is there to see after the first start: each domain's sample, through the domain's door."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from config.management.commands.bootstrap import TABLES
from dropzone.draining import drain_payloads
from dropzone.models import Measurement, Payload
from explorer.models import Game, Trip
from imports.models import Import
from locations.models import MinuteAverage

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "reader"])


@pytest.fixture
def server(live_server: LiveServer, settings: Settings) -> str:
    """Where everybody may send and read, as under `bin/up`."""
    settings.ANONYMOUS_ACCESS = frozenset({"read", "ingest"})
    return str(live_server.url)


def send(url: str) -> str:
    output = StringIO()
    call_command("send_samples", url=url, stdout=output)
    return output.getvalue()


def test_generated_tables_are_imported_at_the_first_start_alone() -> None:
    for _ in range(2):
        call_command("bootstrap", stdout=StringIO())

    states = sorted(Import.objects.values_list("dataset", "status"))
    assert states == [(name, "finished") for name in ("footprints", "games", "trips")]
    trips = Import.objects.get(dataset="trips")
    assert trips.rows_loaded + trips.rows_rejected == TABLES["trips"]
    assert trips.rows_rejected
    assert Trip.objects.count() == trips.rows_loaded
    assert 0 < Game.objects.count() <= TABLES["games"]


def test_fixes_and_payloads_are_sent_once(server: str) -> None:
    said = send(server)
    again = send(server)

    assert "made-up phones" in said
    assert "made-up sensor" in said
    assert again == ""
    assert MinuteAverage.objects.values("user_id").distinct().count() == 6


def test_payloads_show_what_becomes_of_payloads(server: str) -> None:
    send(server)
    drain_payloads()

    states = dict.fromkeys(Payload.objects.values_list("state", flat=True))
    assert set(states) == {"processed", "rejected"}
    assert Payload.objects.filter(state="processed").count() > Measurement.objects.count() > 0


def test_server_that_lets_nobody_in_is_told(live_server: LiveServer) -> None:
    with pytest.raises(CommandError, match="a token is needed"):
        send(live_server.url)


def test_server_that_is_not_there_is_told() -> None:
    with pytest.raises(CommandError, match="is not answered"):
        send("http://127.0.0.1:9")
