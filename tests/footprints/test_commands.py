"""The command that loads footprints, and the samples that it may load."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from config.management.commands.bootstrap import SAMPLE
from footprints.models import Footprint
from imports.models import Import
from tests.files import write_file, write_square


def make_sample(tmp_path: Path, *arguments: str) -> Path:
    """What `make_sample` writes to standard output, as a file."""
    file = tmp_path / "sample.csv"
    with file.open("wb") as raw:
        output = io.TextIOWrapper(raw, write_through=True)
        call_command("make_sample", "footprints", *arguments, stdout=output)
        output.detach()
    return file


@pytest.mark.django_db(transaction=True)
def test_ingest_tells_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(write_file([write_square(1), write_square("x")]))

    call_command("ingest_footprints", str(file))

    assert "finished: 1 rows loaded (1 new), 1 rejected" in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
def test_ingest_of_a_wrong_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(b"a,b\n")

    with pytest.raises(CommandError, match="wrong_header: expected org_id"):
        call_command("ingest_footprints", str(file))


@pytest.mark.django_db
def test_ingest_of_a_missing_file_queues_nothing() -> None:
    with pytest.raises(CommandError, match=r"there is no file gone\.csv"):
        call_command("ingest_footprints", "gone.csv")

    assert not Import.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_generated_rows_are_all_loaded_and_the_broken_ones_refused(tmp_path: Path) -> None:
    file = make_sample(tmp_path, "--rows", "2000", "--seed", "5", "--bad", "0.02")

    call_command("ingest_footprints", str(file))

    record = Import.objects.get()
    assert record.rows_loaded + record.rows_rejected == 2000
    assert 10 <= record.rows_rejected <= 80
    assert Footprint.objects.count() == record.rows_added == record.rows_loaded


def test_bundled_sample_was_made_by_the_generator(tmp_path: Path) -> None:
    made = make_sample(tmp_path, "--rows", "200", "--seed", "1")

    assert made.read_bytes() == SAMPLE.read_bytes()


@pytest.mark.parametrize("arguments", [("--rows", "-1"), ("--bad", "1.5"), ("--bad", "nan")])
def test_sample_refuses_numbers_out_of_range(arguments: tuple[str, str]) -> None:
    with pytest.raises(CommandError, match="must"):
        call_command("make_sample", "footprints", *arguments)
