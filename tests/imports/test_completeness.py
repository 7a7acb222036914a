"""Whether a source has become rows and rejects to its end, as the page of an import tells it."""

import gzip
from pathlib import Path

import duckdb
import pytest

from explorer.samples import write_trips
from imports.choices import Status
from imports.completeness import check_import
from imports.jobs import create_import, run_import
from imports.models import Import
from tests.factories.imports import ChunkFactory, ImportFactory


def write_source(folder: Path, form: str) -> Path:
    """Some trips as CSV, packed CSV or Parquet."""
    plain = folder / "trips.csv"
    plain.write_bytes(b"".join(write_trips(2_000, seed=1)))
    if form == "csv":
        return plain
    file = folder / f"trips.{form}"
    if form == "gzip":
        file.write_bytes(gzip.compress(plain.read_bytes()))
    else:
        duckdb.read_csv(str(plain)).write_parquet(str(file))
    return file


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("form", ["csv", "gzip", "parquet"])
def test_finished_import_is_complete(tmp_path: Path, form: str) -> None:
    record = create_import("trips", str(write_source(tmp_path, form)))
    run_import(record.pk)
    record.refresh_from_db()

    checks = check_import(record)

    assert (record.status, record.form) == (Status.FINISHED, form)
    assert {check.name: check.is_good for check in checks} == {
        "Bytes": True,
        "Chunks": True,
        "Records": True,
    }


@pytest.mark.django_db
def test_what_does_not_hold_is_named() -> None:
    record = ImportFactory(bytes_done=99, bytes_total=100, rows_loaded=1, expected_sha256="0" * 64)
    ChunkFactory(import_record=record, byte_start=0, byte_end=50)
    ChunkFactory(import_record=record, byte_start=60, byte_end=100)

    checks = check_import(record)

    assert {check.name: check.is_good for check in checks} == {
        "Bytes": False,
        "Chunks": False,
        "Records": False,
        "Checksum": True,
    }
    assert "1 gap" in checks[1].detail


@pytest.mark.django_db
def test_first_chunk_must_begin_where_the_rows_do() -> None:
    record = ImportFactory(rows_start=10)
    ChunkFactory(import_record=record, byte_start=20, byte_end=50)

    assert [check.is_good for check in check_import(record) if check.name == "Chunks"] == [False]


@pytest.mark.django_db
@pytest.mark.parametrize("status", [Status.RUNNING, Status.PUBLISHING, Status.FAILED])
def test_nothing_is_judged_before_the_end(status: Status) -> None:
    record: Import = ImportFactory(
        queued=True,
        status=status,
        error_code="x" if status == Status.FAILED else "",
        **({"ended_at": "2024-01-01T00:00Z"} if status == Status.FAILED else {}),
    )

    assert {check.is_good for check in check_import(record)} == {None}


@pytest.mark.django_db
@pytest.mark.parametrize("status", [Status.CANCELLED, Status.UNCHANGED])
def test_what_is_not_seen_has_no_ledger(status: Status) -> None:
    assert check_import(ImportFactory(status=status)) == []
