"""Made-up trips: the same bytes for ever, and as broken as was asked for."""

import csv
import hashlib
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from explorer.models import Trip
from explorer.samples import BAD_KINDS, HEADER, write_trips
from imports.choices import Status
from imports.jobs import create_import, run_import
from imports.models import Import, Reject


def load(file: Path, body: bytes) -> Import:
    file.write_bytes(body)
    record = create_import("trips", str(file))
    run_import(record.pk)
    record.refresh_from_db()
    return record


def read_rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(content.decode().splitlines()))


def test_write_trips_gives_the_same_bytes_for_ever() -> None:
    content = b"".join(write_trips(20_000, seed=1, bad=0.1))

    assert (
        hashlib.sha256(content).hexdigest()
        == "b6c7aed33e45839e044488d501e68eb8e55007e18d55aed3db6d5f2439287823"
    )


def test_write_trips_differs_by_seed() -> None:
    assert list(write_trips(5, seed=1)) != list(write_trips(5, seed=2))


@pytest.mark.parametrize("rows", [0, 1, 4_999, 5_000, 5_001])
def test_write_trips_gives_as_many_rows_as_asked(rows: int) -> None:
    content = b"".join(write_trips(rows, seed=3))

    assert content.startswith(HEADER)
    assert content.count(b"\n") == rows + 1


def test_write_trips_yields_small_blocks_of_an_endless_file() -> None:
    blocks = list(islice(write_trips(10**12, seed=4), 4))

    assert max(map(len, blocks)) < 4_000_000


def test_shorter_file_is_the_beginning_of_a_longer_one() -> None:
    short, long = (b"".join(write_trips(rows, seed=5, bad=0.1)) for rows in (70, 100))

    assert long.startswith(short)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 1.0])
def test_share_of_bad_rows_is_kept(share: float) -> None:
    good = b"".join(write_trips(0, seed=6)).count(b"\n")
    lines = b"".join(write_trips(10_000, seed=6, bad=share)).splitlines()[good:]

    bad = sum(map(is_bad, lines))

    assert len(lines) == 10_000
    assert 0.8 * share <= bad / 10_000 <= 1.2 * share


def is_bad(line: bytes) -> bool:
    fields = line.split(b",")
    return (
        len(fields) != 24
        or b"\xff" in line
        or not fields[5]
        or fields[10] == b"1.5"
        or b"1e3" in fields
        or b"n/a" in fields
        or b"2024-02-30 10:00:00" in fields
    )


def test_rows_look_like_the_real_file(real_data: Path) -> None:
    real = (real_data / "trips" / "fhvhv_tripdata_2024-01_head.csv").read_bytes()
    header, *rows = read_rows(real)
    made_header, *made = read_rows(b"".join(write_trips(15_000, seed=7)))

    assert made_header == header
    for column in range(19, 24):
        assert {row[column] for row in made} <= {row[column] for row in rows} | {"Y", "N", " "}
    assert {len(row) for row in made} == {24}
    empty, made_empty = (
        Counter(i for r in table for i in range(24) if not r[i]) for table in (rows, made)
    )
    assert set(made_empty) == set(empty)
    assert 0.8 < sum(map(len, map(",".join, made))) / 15_000 / (len(real) / len(rows)) < 1.2


@pytest.mark.django_db(transaction=True)
def test_good_rows_are_all_loaded(tmp_path: Path) -> None:
    record = load(tmp_path / "trips.csv", b"".join(write_trips(20_000, seed=8)))

    assert (record.status, record.rows_rejected) == (Status.FINISHED, 0)
    assert record.rows_loaded == Trip.objects.count() == 20_000


@pytest.mark.django_db(transaction=True)
def test_every_kind_of_bad_row_occurs_and_is_refused(tmp_path: Path) -> None:
    record = load(tmp_path / "trips.csv", b"".join(write_trips(20_000, seed=9, bad=0.03)))

    faults = Counter(Reject.objects.values_list("column", "code"))
    assert record.status == Status.FINISHED
    assert record.rows_loaded + record.rows_rejected == 20_000
    assert len(faults) == len(BAD_KINDS) == 8
    assert min(faults.values()) > 30
    assert 0.02 < record.rows_rejected / 20_000 < 0.04
