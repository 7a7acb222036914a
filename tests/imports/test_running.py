"""An import from its claim to its end, on a real PostGIS."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from footprints.models import Footprint
from imports.choices import Status
from imports.datasets import datasets
from imports.engine import copying, cutting, loading, running
from imports.engine.copying import Committed
from imports.engine.leasing import Lease, claim_import, connect
from imports.engine.progress import Tally
from imports.jobs import cancel_import, create_import, read_connection_parameters, run_import
from imports.models import Chunk, Import, Reject
from tests.files import HEADER, draw_ring, write_file, write_row, write_square

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("small_chunks")]


def load(path: Path, data: bytes, **fields: object) -> Import:
    file = path / "file.csv"
    file.write_bytes(data)
    record = create_import("footprints", str(file), **fields)
    run_import(record.pk)
    record.refresh_from_db()
    return record


def list_staging_tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'staging'")
        return [name for (name,) in cursor.fetchall()]


def test_good_rows_are_loaded_and_the_figures_add_up(tmp_path: Path) -> None:
    data = write_file(write_square(n) for n in range(20))

    record = load(tmp_path, data)

    assert record.status == Status.FINISHED
    assert (record.rows_loaded, record.rows_added, record.rows_rejected) == (20, 20, 0)
    assert record.bytes_done == record.bytes_total == len(data)
    assert sorted(Footprint.objects.values_list("org_id", flat=True)) == list(range(20))
    assert set(Footprint.objects.values_list("import_record_id", flat=True)) == {record.pk}
    assert f"footprints_{record.pk}" not in list_staging_tables()


def test_ledger_covers_the_file_without_a_gap(tmp_path: Path) -> None:
    data = write_file(write_square(n) for n in range(20))

    record = load(tmp_path, data)

    chunks = list(record.chunks.order_by("seq"))
    assert len(chunks) > 3
    assert [chunk.byte_start for chunk in chunks[1:]] == [chunk.byte_end for chunk in chunks[:-1]]
    assert (chunks[0].byte_start, chunks[-1].byte_end) == (len(HEADER), len(data))
    assert sum(chunk.row_count for chunk in chunks) == 20


def test_bad_rows_are_kept_with_place_and_reason_and_the_good_ones_loaded(tmp_path: Path) -> None:
    rows = [
        write_square(1),
        write_square(""),
        write_row(2, "{broken"),
        write_square(3, happened_at="2024-02-30T00:00:00Z"),
        write_square(4),
    ]

    record = load(tmp_path, write_file(rows))

    rejects = list(record.rejects.order_by("line").values_list("line", "column", "code"))
    assert rejects == [
        (3, "org_id", "bad_org_id"),
        (4, "footprints_used", "invalid_json"),
        (5, "source_event_timestamp", "bad_timestamp"),
    ]
    first = record.rejects.get(line=3)
    assert first.raw.encode() + b"\n" == rows[1]
    assert first.byte_offset == len(HEADER) + len(rows[0])
    assert (record.status, record.rows_loaded, record.rows_rejected) == (Status.FINISHED, 2, 3)
    assert sorted(Footprint.objects.values_list("org_id", flat=True)) == [1, 4]


def test_same_file_twice_changes_nothing(tmp_path: Path) -> None:
    data = write_file(write_square(n) for n in range(10))
    load(tmp_path, data)
    before = list(Footprint.objects.order_by("pk").values())

    record = load(tmp_path, data)

    assert (record.rows_loaded, record.rows_added) == (10, 0)
    assert list(Footprint.objects.order_by("pk").values()) == before


def test_same_row_twice_in_a_file_is_one_footprint(tmp_path: Path) -> None:
    record = load(tmp_path, write_file([write_square(1), write_square(1)]))

    assert (record.rows_loaded, record.rows_added) == (2, 1)
    assert Footprint.objects.get().line == 2


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "wrong_header"),
        (b"a,b,c\n1,2,3\n", "wrong_header"),
        (b"\x00\x01\x02\xff" * 5000, "wrong_header"),
        ("org_id,footprints_used\n".encode("utf-16"), "wrong_encoding"),
    ],
)
def test_wrong_file_fails_with_a_clear_error(tmp_path: Path, data: bytes, code: str) -> None:
    record = load(tmp_path, data)

    assert (record.status, record.error_code) == (Status.FAILED, code)
    assert record.ended_at is not None
    assert record.error_detail
    assert Footprint.objects.count() == 0


def test_header_alone_finishes_with_no_rows(tmp_path: Path) -> None:
    record = load(tmp_path, HEADER)

    assert (record.status, record.rows_loaded) == (Status.FINISHED, 0)
    assert f"footprints_{record.pk}" not in list_staging_tables()


def test_missing_file_fails_with_its_name(tmp_path: Path) -> None:
    record = create_import("footprints", str(tmp_path / "gone.csv"))

    run_import(record.pk)

    record.refresh_from_db()
    assert record.error_code == "source_unreadable"
    assert "gone.csv" in record.error_detail


def test_too_many_refused_at_the_beginning_ends_the_import(tmp_path: Path) -> None:
    rows = [write_square("x") for _ in range(150)]

    record = load(tmp_path, write_file([*rows, write_square(1)]))

    assert (record.status, record.error_code) == (Status.FAILED, "too_many_rejects")
    assert record.rejects.count() == record.rows_rejected >= 100
    assert Footprint.objects.count() == 0


def test_max_rejects_is_the_budget_where_it_is_given(tmp_path: Path) -> None:
    rows = [write_square(1), write_square("x"), write_square("y")]

    allowed = load(tmp_path, write_file(rows), max_rejects=2)
    refused = load(tmp_path, write_file(rows), max_rejects=1)

    assert allowed.status == Status.FINISHED
    assert (refused.status, refused.error_code) == (Status.FAILED, "too_many_rejects")


def test_raw_text_that_postgresql_cannot_hold_is_kept_escaped(tmp_path: Path) -> None:
    record = load(tmp_path, write_file([b"1,\xff\x00,x\n", write_square(2)]))

    assert record.rejects.get().raw == "1,\\xff\\x00,x"
    assert record.rows_loaded == 1


def test_successor_goes_on_from_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = interrupt_import(tmp_path / "file.csv", monkeypatch)
    committed = Chunk.objects.filter(import_record=record).count()

    run_import(record.pk)

    record.refresh_from_db()
    assert committed == 2
    assert (record.status, record.rows_loaded, record.rows_added) == (Status.FINISHED, 20, 20)
    assert sorted(Footprint.objects.values_list("org_id", flat=True)) == list(range(20))


@pytest.mark.parametrize("loaders", [1, 3])
def test_owner_that_is_told_to_stop_releases_its_lease_at_once(
    tmp_path: Path, settings: Settings, loaders: int
) -> None:
    settings.IMPORT_LOADERS = loaders
    file = tmp_path / "file.csv"
    file.write_bytes(write_file(write_square(n) for n in range(200)))
    record = create_import("footprints", str(file))

    def stop(tally: Tally) -> None:
        if tally.rows_loaded > 20:
            raise SystemExit

    with pytest.raises(SystemExit):
        run_import(record.pk, stop)
    committed = sum(record.chunks.values_list("row_count", flat=True))
    run_import(record.pk)

    record.refresh_from_db()
    assert 20 < committed < 200
    assert (record.status, record.rows_loaded) == (Status.FINISHED, 200)
    assert record.lease_token == 2
    assert sorted(Footprint.objects.values_list("org_id", flat=True)) == list(range(200))


def test_successor_does_not_splice_another_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = interrupt_import(tmp_path / "file.csv", monkeypatch)
    (tmp_path / "file.csv").write_bytes(write_file(write_square(n) for n in range(100, 120)))

    run_import(record.pk)

    record.refresh_from_db()
    assert (record.status, record.error_code) == (Status.FAILED, "source_changed")
    assert Footprint.objects.count() == 0


def interrupt_import(file: Path, monkeypatch: pytest.MonkeyPatch) -> Import:
    """An import of 20 rows whose owner died, as by a kill, after its second chunk."""
    file.write_bytes(write_file(write_square(n) for n in range(20)))
    record = create_import("footprints", str(file))
    calls: Iterator[int] = iter(range(2))

    def copy_or_die(*args: Any) -> Committed:
        if next(calls, None) is None:
            raise SystemExit
        return copying.copy_chunk(*args)

    with monkeypatch.context() as patched:
        patched.setattr(loading, "copy_chunk", copy_or_die)
        with pytest.raises(SystemExit):
            run_import(record.pk)
    Import.objects.filter(pk=record.pk).update(lease_expires_at="2000-01-01T00:00:00Z")
    return record


def test_owner_that_lost_its_lease_commits_nothing_more(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(write_file(write_square(n) for n in range(200)))
    record = create_import("footprints", str(file))
    counts: list[int] = []

    def steal(tally: Tally) -> None:
        if tally.rows_loaded and not counts:
            Import.objects.filter(pk=record.pk).update(lease_token=99)
            counts.append(record.chunks.count())

    run_import(record.pk, steal)

    record.refresh_from_db()
    assert (record.status, record.lease_token) == (Status.RUNNING, 99)
    assert [record.chunks.count()] == counts
    assert Footprint.objects.count() == 0


def test_cancelled_import_publishes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(write_file(write_square(n) for n in range(20)))
    record = create_import("footprints", str(file))

    def cancel(tally: Tally) -> None:
        cancel_import(record.pk)

    run_import(record.pk, cancel)

    record.refresh_from_db()
    assert record.status == Status.CANCELLED
    assert Footprint.objects.count() == 0
    assert f"footprints_{record.pk}" not in list_staging_tables()


def test_second_runner_leaves_at_once_while_the_lease_holds(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(write_file([write_square(1)]))
    record = create_import("footprints", str(file))
    with connect(read_connection_parameters(), record.pk) as owner:
        lease = claim_import(owner, record.pk)

    run_import(record.pk)

    record.refresh_from_db()
    assert lease == Lease(record.pk, 1)
    assert (record.status, record.lease_token) == (Status.RUNNING, 1)


def test_incomplete_staging_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(write_file(write_square(n) for n in range(4)))
    record = create_import("footprints", str(file))

    def lose_rows(tally: Tally) -> None:
        if tally.rows_loaded == 4:
            with connection.cursor() as cursor:
                cursor.execute(f"DELETE FROM staging.footprints_{record.pk}")  # noqa: S608

    run_import(record.pk, lose_rows)

    record.refresh_from_db()
    assert (record.status, record.error_code) == (Status.FAILED, "incomplete")
    assert Footprint.objects.count() == 0


def test_fault_of_ours_ends_the_import_where_people_see_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**figures: object) -> None:
        raise ZeroDivisionError("no reason")

    monkeypatch.setattr(running, "check_budget", fail)

    record = load(tmp_path, write_file([write_square(1)]))

    assert (record.status, record.error_code) == (Status.FAILED, "internal_error")
    assert "no reason" in record.error_detail


def test_dataset_that_is_gone_ends_the_import(tmp_path: Path) -> None:
    record = create_import("postcards", str(tmp_path / "file.csv"))

    run_import(record.pk)

    record.refresh_from_db()
    assert (record.status, record.error_code) == (Status.FAILED, "unknown_dataset")


def test_hostile_polygons_are_rejects_and_the_others_are_loaded(tmp_path: Path) -> None:
    many = json.dumps({"coordinates": [[[1, 2]] * 2_000_000]}, separators=(",", ":"))
    deep = "[" * 200 + "]" * 200
    rows = [
        write_square(1),
        write_row(2, f'{{"coordinates":{deep}}}'),
        write_row(3, many),
        write_row(4, '{"type":"Point","coordinates":[1,2]}'),
        write_row(5, json.dumps({"coordinates": [draw_ring(lat=95)]})),
        write_square(6),
    ]

    record = load(tmp_path, write_file(rows))

    codes = dict(Reject.objects.values_list("line", "code"))
    assert codes == {
        3: "too_deep",
        4: "too_many_vertices",
        5: "unsupported_type",
        6: "latitude_out_of_range",
    }
    assert record.rejects.get(line=4).raw_bytes == len(rows[2]) - 1
    assert sorted(Footprint.objects.values_list("org_id", flat=True)) == [1, 6]


def test_figures_are_those_of_the_ledger_after_a_failure(tmp_path: Path) -> None:
    rows = [*(write_square(n) for n in range(10)), write_square("x"), write_square("y")]

    record = load(tmp_path, write_file(rows), max_rejects=1)

    chunks = list(record.chunks.values_list("row_count", "reject_count"))
    assert record.status == Status.FAILED
    assert record.rows_loaded == sum(loaded for loaded, _ in chunks)
    assert record.rows_rejected == sum(refused for _, refused in chunks) == record.rejects.count()


@pytest.mark.parametrize("line", [b"\n", b"x\n"])
def test_chunk_of_nothing_but_short_lines_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes
) -> None:
    monkeypatch.setattr(cutting, "CHUNK_BYTES", 4 * 2**20)
    monkeypatch.setattr(loading, "DATABASE_PAUSES", ())
    header = b",".join(column.name.encode() for column in datasets["trips"].columns)
    file = tmp_path / "file.csv"
    file.write_bytes(header + b"\n" + line * (5 * 2**20 // len(line)))
    record = create_import("trips", str(file))

    run_import(record.pk)

    record.refresh_from_db()
    if line == b"\n":
        assert (record.status, record.rows_loaded) == (Status.FINISHED, 0)
    else:
        assert (record.status, record.error_code) == (Status.FAILED, "too_many_rejects")


def test_settings_name_the_test_database(settings: Settings) -> None:
    assert read_connection_parameters()["dbname"] == settings.DATABASES["default"]["NAME"]
