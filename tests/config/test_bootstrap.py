"""What the first start makes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import django_rq
import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection, connections
from pytest_django import Settings

from config.management.commands.bootstrap import SAMPLE
from config.management.commands.migrate import one_at_a_time
from imports.jobs import run_import
from imports.models import Import
from tests.factories.footprints import FootprintFactory
from tests.people import make_user
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_queue")]


def test_admin_is_made_once_with_a_random_password(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("bootstrap")
    first = capsys.readouterr().out
    call_command("bootstrap")
    second = capsys.readouterr().out

    user = get_user_model().objects.get()
    password = first.split("password ")[1].split(" ")[0]
    assert (user.username, user.is_superuser) == ("admin", True)
    assert user.check_password(password)
    assert "password" not in second


def test_admin_is_called_admin_where_the_name_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_USERNAME", "")

    call_command("bootstrap")

    assert get_user_model().objects.get().username == "admin"


@pytest.mark.parametrize("name", ["taken", "with space", "x" * 151])
def test_name_that_no_new_user_can_have_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_user("taken")
    monkeypatch.setenv("DJANGO_SUPERUSER_USERNAME", name)

    with pytest.raises(CommandError, match=f"DJANGO_SUPERUSER_USERNAME: '{name}': "):
        call_command("bootstrap")


@pytest.mark.parametrize("command", ["migrate", "bootstrap"])
def test_second_of_two_that_set_up_waits_for_the_first(command: str) -> None:
    def run() -> None:
        try:
            call_command(command)
        finally:
            connections.close_all()

    with ThreadPoolExecutor() as pool:
        with one_at_a_time():
            second = pool.submit(run)
            wait_until(is_awaited)
            assert not second.done()
        second.result(timeout=60)


def is_awaited() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return cursor.fetchone() is not None


def test_admin_is_made_as_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_USERNAME", "ada")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "chosen-by-ada")

    call_command("bootstrap")

    assert get_user_model().objects.get(username="ada").check_password("chosen-by-ada")
    assert "chosen-by-ada" not in capsys.readouterr().out


def test_role_that_only_reads_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("REVOKE SELECT ON explorer_trip FROM catchment_reader")

        call_command("bootstrap")

        cursor.execute("SELECT has_table_privilege('catchment_reader', 'explorer_trip', 'SELECT')")
        assert cursor.fetchone() == (True,)
    assert "catchment_reader may read the explorer's tables" in capsys.readouterr().out


def test_bundled_sample_is_imported_where_there_is_nothing_yet() -> None:
    call_command("bootstrap")

    record = Import.objects.get(dataset="footprints")
    assert record.url == SAMPLE.resolve().as_uri()
    assert (record.status, record.rows_loaded, record.rows_rejected) == ("finished", 200, 0)


def test_nothing_is_queued_where_footprints_are_there() -> None:
    FootprintFactory()
    before = Import.objects.count()

    call_command("bootstrap")

    assert Import.objects.count() == before


def test_chosen_source_is_queued_at_every_start_but_not_twice_at_once(
    settings: Settings, tmp_path: Path
) -> None:
    FootprintFactory()
    settings.FOOTPRINTS_SOURCE = str(tmp_path / "events.csv")

    call_command("bootstrap")
    call_command("bootstrap")
    queued = Import.objects.filter(url=(tmp_path / "events.csv").as_uri())
    assert queued.count() == 1
    [job] = django_rq.get_queue("imports").jobs
    assert job.args == [queued.get().pk]
    run_import(queued.get().pk)
    call_command("bootstrap")

    assert queued.count() == 2
