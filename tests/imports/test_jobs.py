"""Getting imports done: by a worker, and without one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import django_rq
import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from explorer.models import Trip
from explorer.samples import write_trips
from footprints.models import Footprint
from imports.choices import ACTIVE, Status
from imports.engine import cutting
from imports.engine.leasing import claim_import, connect_aside, release_import
from imports.jobs import (
    MAX_BARREN_CLAIMS,
    RowsInUse,
    cancel_import,
    create_import,
    delete_import,
    drop_stale_staging,
    has_staging,
    kick_import,
    kick_waiting,
    read_connection_parameters,
    resume_import,
    run_import,
)
from imports.models import Chunk, Import, Reject
from tests.commands import run_command, start_command
from tests.factories.imports import ChunkFactory, ImportFactory, RejectFactory
from tests.files import write_file, write_square
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_queue")]


@pytest.fixture
def source(tmp_path: Path) -> str:
    file = tmp_path / "file.csv"
    file.write_bytes(write_file(write_square(n) for n in range(3)))
    return str(file)


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

    first, second = kick_waiting(can_run=1), kick_waiting(can_run=1)
    Import.objects.update(kicked_at=timezone.now() - timedelta(seconds=11))
    third = kick_waiting(can_run=1)

    assert (first, second, third) == ([], [], [record.pk])
    kicked = [job.args[0] for job in django_rq.get_queue("imports").jobs]
    assert kicked == [record.pk, other.pk]


def test_busy_sweeper_kicks_again_instead(source: str) -> None:
    create_import("footprints", source)
    Import.objects.update(kicked_at=timezone.now() - timedelta(seconds=11))

    assert kick_waiting(can_run=0) == []
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


# Ended imports


@pytest.fixture
def trips(tmp_path: Path) -> Path:
    """A file of trips, one in a hundred of them broken."""
    file = tmp_path / "trips.csv"
    file.write_bytes(b"".join(write_trips(1_000, seed=1, bad=0.01)))
    return file


def load(file: Path, dataset: str = "trips", **fields: object) -> Import:
    record = create_import(dataset, str(file), **fields)
    run_import(record.pk)
    record.refresh_from_db()
    return record


def has_partition(record: Import) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [f"public.trips_{record.pk}"])
        [(exists,)] = cursor.fetchall()
        return bool(exists)


def count_trips() -> dict[int, int]:
    """How many trips there are of each import."""
    counts: dict[int, int] = {}
    for (import_id,) in Trip.objects.using("default").values_list("import_record_id"):
        counts[import_id] = counts.get(import_id, 0) + 1
    return counts


@contextmanager
def read_for_a_second() -> Iterator[None]:
    """Somebody reads the trips while the block begins."""
    with psycopg.connect(**read_connection_parameters()) as reader:
        reader.execute("SELECT count(*) FROM explorer_trip")
        timer = threading.Timer(1.0, reader.rollback)
        timer.start()
        yield
        timer.join()


def fail_half_way(file: Path, monkeypatch: pytest.MonkeyPatch) -> Import:
    """An import whose source ends the work when some of it is committed, with more of it to come
    than what loaders may have in hand."""
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    spoilt = b"".join(lines[:300]) + b"x\n" * 10 + b"".join(lines[310:])
    file.write_bytes(spoilt)
    with monkeypatch.context() as patched:
        patched.setattr(cutting, "CHUNK_BYTES", 20_000)
        return load(file, max_rejects=12)


def test_failed_import_goes_on_from_its_ledger(
    trips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fail_half_way(trips, monkeypatch)
    before = set(Chunk.objects.filter(import_record=record).values_list("pk", flat=True))
    loaded = record.rows_loaded
    Import.objects.filter(pk=record.pk).update(max_rejects=1_000)

    assert resume_import(record.pk)
    queued = Import.objects.get(pk=record.pk)
    run_import(record.pk)

    record.refresh_from_db()
    after = set(Chunk.objects.filter(import_record=record).values_list("pk", flat=True))
    assert 0 < loaded < 1_000
    assert (queued.status, queued.rows_loaded, queued.ended_at) == (Status.QUEUED, loaded, None)
    assert before < after
    assert record.status == Status.FINISHED
    assert record.rows_loaded + record.rows_rejected == 1_000
    assert count_trips() == {record.pk: record.rows_loaded}
    assert record.rejects.count() == record.rows_rejected


def test_failed_import_whose_table_is_gone_begins_anew(
    trips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fail_half_way(trips, monkeypatch)
    Import.objects.filter(pk=record.pk).update(
        max_rejects=1_000, ended_at=timezone.now() - timedelta(days=8)
    )
    drop_stale_staging()

    assert resume_import(record.pk)
    queued = Import.objects.get(pk=record.pk)
    run_import(record.pk)

    record.refresh_from_db()
    assert (queued.rows_loaded, queued.rows_rejected, queued.header) == (0, 0, [])
    assert record.status == Status.FINISHED
    assert count_trips() == {record.pk: record.rows_loaded}
    assert record.rejects.count() == record.rows_rejected


def test_cancelled_import_begins_anew(trips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "CHUNK_BYTES", 20_000)
    record = create_import("trips", str(trips))

    def cancel(tally: object) -> None:
        if Reject.objects.exists():
            cancel_import(record.pk)

    run_import(record.pk, cancel)
    cancelled = Import.objects.get(pk=record.pk)

    assert resume_import(record.pk)
    rejects = Reject.objects.count()
    run_import(record.pk)

    record.refresh_from_db()
    assert cancelled.status == Status.CANCELLED
    assert cancelled.rows_rejected > 0
    assert rejects == 0
    assert (record.status, record.error_code) == (Status.FINISHED, "")
    assert record.rows_loaded + record.rows_rejected == 1_000
    assert count_trips() == {record.pk: record.rows_loaded}


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.FAILED, Status.CANCELLED}))
def test_only_what_failed_or_was_cancelled_is_resumed(status: Status) -> None:
    record = ImportFactory(status=status, ended_at=None if status in ACTIVE else timezone.now())

    assert not resume_import(record.pk)

    assert Import.objects.get(pk=record.pk).status == status


def test_deleted_import_goes_with_its_partition(trips: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_bytes(b"".join(write_trips(10, seed=2)))
    record, kept = load(trips), load(other)

    assert delete_import(record.pk)

    assert not has_partition(record)
    assert count_trips() == {kept.pk: 10}
    assert list(Import.objects.all()) == [kept]
    assert not Reject.objects.exists()
    assert not Chunk.objects.exclude(import_record=kept).exists()


def test_deleted_import_of_footprints_goes_with_what_it_was_first_to_bring(
    tmp_path: Path,
) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(write_file(write_square(n) for n in range(3)))
    first = load(file, "footprints")
    file.write_bytes(write_file(write_square(n) for n in range(5)))
    load(file, "footprints")

    assert delete_import(first.pk)

    assert sorted(Footprint.objects.values_list("org_id", flat=True)) == [3, 4]


def test_file_of_footprints_comes_again_after_the_first_to_bring_them_was_deleted(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_bytes(write_file(write_square(n) for n in range(3)))
    second.write_bytes(write_file(write_square(n) for n in range(5)))
    brought_first = load(first, "footprints")
    load(second, "footprints")
    assert load(second, "footprints").status == Status.UNCHANGED
    assert delete_import(brought_first.pk)

    record = load(second, "footprints")

    assert (record.status, record.rows_added) == (Status.FINISHED, 3)
    assert sorted(Footprint.objects.values_list("org_id", flat=True)) == [0, 1, 2, 3, 4]
    assert load(second, "footprints").status == Status.UNCHANGED


def test_deleting_an_import_of_trips_leaves_the_others_whole(trips: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_bytes(b"".join(write_trips(10, seed=3)))
    first = load(trips)

    assert delete_import(load(other).pk)

    assert load(trips).same_as == first


def test_deleted_import_that_failed_goes_with_its_staging_table(
    trips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fail_half_way(trips, monkeypatch)
    assert has_staging(record)

    assert delete_import(record.pk)

    assert not has_staging(record)
    assert not Import.objects.exists()


@pytest.mark.parametrize("status", sorted(ACTIVE))
def test_active_import_is_never_deleted(status: Status) -> None:
    record = ImportFactory(status=status, ended_at=None)
    ChunkFactory(import_record=record)
    RejectFactory(import_record=record)

    assert not delete_import(record.pk)

    assert Import.objects.filter(pk=record.pk).exists()
    assert (Chunk.objects.count(), Reject.objects.count()) == (1, 1)


def test_source_that_is_loaded_already_is_unchanged(trips: Path) -> None:
    first, second = load(trips), load(trips)

    assert (first.status, second.status) == (Status.FINISHED, Status.UNCHANGED)
    assert second.same_as == first
    assert second.rows_loaded == 0
    assert not has_staging(second)
    assert count_trips() == {first.pk: first.rows_loaded}


def test_source_that_was_changed_is_loaded_again(trips: Path) -> None:
    first = load(trips)
    trips.write_bytes(b"".join(write_trips(10, seed=2)))

    second = load(trips)

    assert second.status == Status.FINISHED
    assert count_trips() == {first.pk: first.rows_loaded, second.pk: 10}


def test_forced_import_takes_the_place_of_the_one_before(trips: Path) -> None:
    first = load(trips)

    second = load(trips, force=True)
    third = load(trips)

    first.refresh_from_db()
    assert second.status == Status.FINISHED
    assert (first.replaced_by, second.replaced_by) == (second, None)
    assert (has_partition(first), has_partition(second)) == (False, True)
    assert count_trips() == {second.pk: second.rows_loaded}
    assert (third.status, third.same_as) == (Status.UNCHANGED, second)


def test_forced_import_is_never_seen_beside_the_one_before(
    trips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(trips)
    seen = []

    def look(name: str) -> None:
        if name == "before_publish_commit":
            with psycopg.connect(**read_connection_parameters()) as reader:
                reader.execute("SET lock_timeout = '100ms'")
                try:
                    [(count,)] = reader.execute("SELECT count(*) FROM explorer_trip").fetchall()
                    seen.append(count)
                except psycopg.errors.LockNotAvailable:
                    seen.append("waits")

    monkeypatch.setattr("imports.engine.publishing.fault", look)

    second = load(trips, force=True)

    assert seen == ["waits"]
    assert count_trips() == {second.pk: first.rows_loaded}


def test_forced_import_that_fails_replaces_nothing(trips: Path) -> None:
    first = load(trips)

    second = load(trips, force=True, expected_sha256="0" * 64)

    first.refresh_from_db()
    assert (second.status, second.error_code) == (Status.FAILED, "checksum")
    assert first.replaced_by is None
    assert count_trips() == {first.pk: first.rows_loaded}


def test_forced_import_whose_predecessor_is_looked_at_waits_for_the_reader(
    trips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imports.engine.publishing.LOCK_PAUSES", (0.01,))
    first = load(trips)
    with read_for_a_second():
        second = load(trips, force=True)

    assert (second.status, second.error_code) == (Status.FINISHED, "")
    assert count_trips() == {second.pk: first.rows_loaded}


def test_delete_waits_for_who_reads_the_rows(trips: Path) -> None:
    record = load(trips)
    with read_for_a_second():
        assert delete_import(record.pk)

    assert count_trips() == {}
    assert not has_partition(record)


def test_delete_gives_up_where_the_rows_are_read_for_long(
    trips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imports.jobs.DELETE_PAUSES", (0.01,))
    record = load(trips)
    with psycopg.connect(**read_connection_parameters()) as reader:
        reader.execute("SELECT count(*) FROM explorer_trip")

        with pytest.raises(RowsInUse):
            delete_import(record.pk)

    assert count_trips() == {record.pk: record.rows_loaded}
    assert delete_import(record.pk)


def test_file_is_loaded_again_once_the_import_that_replaced_the_first_is_deleted(
    trips: Path,
) -> None:
    first = load(trips)
    second = load(trips, force=True)
    assert delete_import(second.pk)

    third = load(trips)

    assert (third.status, third.same_as) == (Status.FINISHED, None)
    assert count_trips() == {third.pk: first.rows_loaded}
    assert Import.objects.count_rows() == {"trips": first.rows_loaded}


def test_forced_import_of_merged_rows_replaces_none(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(write_file(write_square(n) for n in range(5)))
    first = load(file, "footprints")
    file.write_bytes(write_file(write_square(n) for n in range(3, 7)))

    second = load(file, "footprints", force=True)

    first.refresh_from_db()
    assert (second.rows_added, first.replaced_by) == (2, None)
    assert Footprint.objects.count() == 7
    assert Import.objects.count_rows() == {"footprints": 7}


def test_expected_checksum_is_checked_of_a_known_source_too(trips: Path) -> None:
    load(trips)

    record = load(trips, expected_sha256="0" * 64)

    assert (record.status, record.error_code) == (Status.FAILED, "checksum")


def test_import_that_only_ends_its_owners_is_given_up(trips: Path) -> None:
    record = create_import("trips", str(trips))
    with connect_aside(read_connection_parameters()) as owner:
        for _ in range(MAX_BARREN_CLAIMS):
            assert claim_import(owner, record.pk)
            Import.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))

    run_import(record.pk)

    record.refresh_from_db()
    assert (record.status, record.error_code) == (Status.FAILED, "abandoned")
    assert resume_import(record.pk)
    run_import(record.pk)
    record.refresh_from_db()
    assert record.status == Status.FINISHED


@pytest.mark.parametrize("is_told_to_stop", [False, True])
def test_owner_that_gets_on_or_is_told_to_stop_is_not_counted(
    trips: Path, *, is_told_to_stop: bool
) -> None:
    record = create_import("trips", str(trips))
    with connect_aside(read_connection_parameters()) as owner:
        for number in range(3):
            lease = claim_import(owner, record.pk)
            assert lease
            if is_told_to_stop:
                release_import(owner, lease)
            else:
                ChunkFactory(import_record=record, byte_start=number, byte_end=number + 1)
                Import.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))

    record.refresh_from_db()
    assert record.barren_claims == 0


def test_second_to_delete_finds_nothing(trips: Path) -> None:
    record = load(trips)

    assert delete_import(record.pk)
    assert not delete_import(record.pk)
    assert not resume_import(record.pk)


def test_strange_table_among_the_staging_tables_is_left_alone() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE staging.trips_backup ()")

    drop_stale_staging()

    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE staging.trips_backup")


def test_file_beyond_the_size_cap_is_refused_before_it_is_read(
    trips: Path, settings: Settings
) -> None:
    settings.IMPORT_MAX_BYTES = trips.stat().st_size - 1

    assert load(trips).error_code == "too_large"


def test_resuming_what_the_budget_refused_publishes_nothing(trips: Path) -> None:
    lines = trips.read_bytes().splitlines(keepends=True)
    trips.write_bytes(b"".join(lines[:200]) + b"broken\n" * 150)
    record = load(trips)
    assert record.error_code == "too_many_rejects"

    assert resume_import(record.pk)
    run_import(record.pk)

    record.refresh_from_db()
    assert (record.status, record.error_code) == (Status.FAILED, "too_many_rejects")
    assert count_trips() == {}
