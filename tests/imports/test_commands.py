"""Imports in the terminal."""

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from explorer.models import Trip
from explorer.samples import write_trips
from imports.models import Import

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trips.csv"
    path.write_bytes(b"".join(write_trips(500, seed=1)))
    return path


def run(*arguments: object) -> str:
    output = StringIO()
    call_command("import_csv", *map(str, arguments), stdout=output)
    return output.getvalue()


def test_import_csv_loads_a_file(file: Path) -> None:
    assert "finished: 500 rows loaded (500 new), 0 rejected" in run("trips", file)
    assert Trip.objects.count() == 500


def test_import_csv_leaves_what_has_not_changed(file: Path) -> None:
    run("trips", file)

    assert "has loaded this file already" in run("trips", file)
    assert Trip.objects.count() == 500


def test_import_csv_with_force_takes_the_place_of_the_earlier_rows(file: Path) -> None:
    run("trips", file)

    assert "finished: 500 rows loaded" in run("trips", file, "--force")
    assert Trip.objects.count() == 500
    assert Import.objects.filter(replaced_by=None).count() == 1


def test_import_csv_says_why_it_failed(file: Path) -> None:
    with pytest.raises(CommandError, match="wrong_header: expected org_id"):
        run("footprints", file)


def test_import_csv_checks_the_sha256(file: Path) -> None:
    with pytest.raises(CommandError, match="checksum"):
        run("trips", file, "--expected-sha256", "0" * 64)
    assert not Trip.objects.exists()


def test_import_csv_names_the_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="there is no file"):
        run("trips", tmp_path / "gone.csv")


@pytest.mark.parametrize(
    "option", [("--max-rejects", "-1"), ("--max-rejects", "9" * 20), ("--expected-sha256", "zzz")]
)
def test_option_out_of_range_is_named_before_anything_is_queued(
    file: Path, option: tuple[str, str]
) -> None:
    with pytest.raises(CommandError, match=option[0]):
        run("trips", file, "=".join(option))

    assert not Import.objects.exists()


@pytest.mark.parametrize("name", ["upload:x.csv", os.fsdecode(b"\xff.csv")])
def test_file_of_any_name_is_found(file: Path, name: str) -> None:
    run("trips", file.rename(file.with_name(name)))

    assert Import.objects.get().rows_loaded == 500


def test_sample_ends_quietly_where_nobody_reads_on() -> None:
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "make_sample", "trips"]
    with subprocess.Popen(
        [*command, "--rows", "100000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()

        assert process.stderr.read() == b""
