"""Getting imports done: by a worker, and without one."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import django_rq
import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from footprints.models import Footprint
from imports.choices import Status
from imports.jobs import create_import, drop_stale_staging, kick_import, kick_waiting
from imports.models import Import
from tests.factories.imports import ImportFactory
from tests.files import write_file, write_square
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_queue")]


@pytest.fixture
def source(tmp_path: Path) -> str:
    file = tmp_path / "file.csv"
    file.write_bytes(write_file(write_square(n) for n in range(3)))
    return str(file)


def start_command(*arguments: str) -> subprocess.Popen[str]:
    """Starts manage.py as a process of its own, on the test's database."""
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}@/{database['NAME']}?host={quote(database['HOST'])}"
    return subprocess.Popen(
        [sys.executable, str(django_settings.BASE_DIR / "manage.py"), *arguments],
        env=os.environ | {"DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_command(*arguments: str) -> None:
    process = start_command(*arguments)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output


def test_file_path_becomes_a_file_url_of_its_absolute_path(tmp_path: Path) -> None:
    record = create_import("footprints", str(tmp_path / "a b.csv"))

    assert record.url == f"file://{tmp_path}/a%20b.csv"
    assert create_import("footprints", "https://x.example/y.csv").url == "https://x.example/y.csv"


def test_kick_carries_the_id_as_json(source: str) -> None:
    record = create_import("footprints", source)

    kick_import(record.pk)

    [job] = django_rq.get_queue("imports").jobs
    assert (job.func_name, job.args) == ("imports.jobs.run_import", [record.pk])


def test_kick_is_forgiven_where_redis_is_gone(source: str, settings: Settings) -> None:
    settings.RQ_QUEUES = {"imports": {"URL": "unix:///nowhere/redis.sock?db=0"}}
    record = create_import("footprints", source)

    kick_import(record.pk)

    record.refresh_from_db()
    assert record.status == Status.QUEUED


def test_real_worker_runs_a_kicked_import(source: str) -> None:
    record = create_import("footprints", source)
    kick_import(record.pk)

    serializer = str(django_settings.RQ_QUEUES["imports"]["SERIALIZER"])
    run_command("rqworker", "imports", "--burst", "--serializer", serializer)

    record.refresh_from_db()
    assert (record.status, record.rows_loaded) == (Status.FINISHED, 3)


def test_command_runs_a_queued_import_in_a_process_of_its_own(source: str) -> None:
    record = create_import("footprints", source)

    run_command("run_import", str(record.pk))

    record.refresh_from_db()
    assert record.status == Status.FINISHED


def test_waiting_import_is_kicked_first_and_run_when_that_goes_unanswered(source: str) -> None:
    record, other = create_import("footprints", source), create_import("footprints", source)

    first, second = kick_waiting(can_run=True), kick_waiting(can_run=True)
    Import.objects.update(kicked_at=timezone.now() - timedelta(seconds=11))
    third = kick_waiting(can_run=True)

    assert (first, second, third) == (None, None, record.pk)
    kicked = [job.args[0] for job in django_rq.get_queue("imports").jobs]
    assert kicked == [record.pk, other.pk, other.pk]


def test_busy_sweeper_kicks_again_instead(source: str) -> None:
    create_import("footprints", source)
    Import.objects.update(kicked_at=timezone.now() - timedelta(seconds=11))

    assert kick_waiting(can_run=False) is None
    assert len(django_rq.get_queue("imports")) == 1


def test_real_sweeper_runs_what_no_worker_took(source: str) -> None:
    record = create_import("footprints", source)
    Import.objects.update(kicked_at=timezone.now() - timedelta(seconds=11))

    sweeper = start_command("sweep", "--interval", "0.2")
    try:
        wait_until(lambda: Import.objects.get(pk=record.pk).status == Status.FINISHED, seconds=30)
    finally:
        sweeper.terminate()
        output, _ = sweeper.communicate(timeout=20)

    assert sweeper.returncode == 0, output
    assert Footprint.objects.count() == 3


def test_staging_of_an_import_that_cannot_go_on_is_dropped() -> None:
    kept, gone = ImportFactory(queued=True), ImportFactory()
    with connection.cursor() as cursor:
        for record in (kept, gone):
            cursor.execute(f"CREATE TABLE staging.footprints_{record.pk} ()")

        drop_stale_staging()

        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'staging'")
        assert cursor.fetchall() == [(f"footprints_{kept.pk}",)]
        cursor.execute(f"DROP TABLE staging.footprints_{kept.pk}")
