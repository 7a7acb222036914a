"""The work on imports. The API, the worker, the sweeper and the commands all end here."""

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import django_rq
import psycopg
import structlog
from django.conf import settings
from django.core.files import File
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import QuerySet
from psycopg import errors, sql
from psycopg.rows import dict_row
from redis.exceptions import RedisError
from structlog.contextvars import bound_contextvars

from config.api.auditing import note
from imports.choices import ACTIVE, ENDED, RESUMABLE, Status
from imports.datasets import find_dataset
from imports.engine.cancelling import finish_cancelling, mark_cancelling
from imports.engine.fetching import Policy
from imports.engine.leasing import claim_import, connect_aside
from imports.engine.progress import Tally
from imports.engine.records import ImportFailure, Staging
from imports.engine.running import Limits, Run, Task, fail_import
from imports.engine.sources import Validators
from imports.engine.uploads import BLOCK_BYTES, SCHEME, name_upload
from imports.models import Import, UploadBlock

logger = structlog.get_logger(__name__)

# Rather later than with readers queued up behind the wait.
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '2s'"
# A dataset waits shorter still for who reads its rows, and is asked again after each of these.
DELETE_PAUSES = (0.1, 0.2, 0.4, 0.8)  # seconds
LOCK_PLACES = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
# What Django adds to the parameters for its own connections.
DJANGO_KEYS = frozenset({"client_encoding", "context", "cursor_factory", "prepare_threshold"})
MAX_BARREN_CLAIMS = 10
STAGING_NAME = re.compile(r"[a-z_]+_([0-9]{1,18})", re.ASCII)


class RowsInUse(Exception):
    """Somebody reads, or holds, the rows that are to be changed."""


class NoPlace(Exception):
    """As many imports as IMPORTS_PER_USER allows are active already."""


@contextmanager
def take_place(user_id: int | None) -> Iterator[None]:
    """A transaction in which an import of this user, or of nobody, may become active. Raises
    NoPlace. Others that want a place of the same user wait until it ends, and then count it."""
    with transaction.atomic():
        if settings.IMPORTS_PER_USER:
            with connection.cursor() as cursor:
                cursor.execute(LOCK_PLACES, [f"imports of {user_id}"])
            active = Import.objects.filter(created_by=user_id, status__in=ACTIVE)
            if active.count() >= settings.IMPORTS_PER_USER:
                raise NoPlace
        yield


def create_import(dataset: str, source: str, **fields: Any) -> Import:
    """Queues an import of a URL or of a file's path. The caller kicks it after the commit."""
    with transaction.atomic():
        record = Import.objects.create(dataset=dataset, url=name_source(source), **fields)
        note("create", record, url=record.url)
    tell_creation(record)
    return record


def create_upload(dataset: str, file: File[bytes], **fields: Any) -> Import:
    """Queues an import of an uploaded file, which is kept in the database until it is done."""
    digest = sha256()
    with transaction.atomic():
        record = Import.objects.create(dataset=dataset, url=SCHEME, **fields)
        for start in range(0, max(1, file.size), BLOCK_BYTES):
            block = file.read(BLOCK_BYTES)
            digest.update(block)
            UploadBlock.objects.create(import_record=record, byte_start=start, data=block)
        record.url = name_upload(digest.hexdigest(), Path(file.name or "file").name)
        record.save(update_fields=["url"])
        note("create", record, url=record.url)
    tell_creation(record)
    return record


def tell_creation(record: Import) -> None:
    """The one line that has both the id of the request and the import's."""
    logger.info("import_created", import_id=record.pk, dataset=record.dataset)


def name_source(source: str) -> str:
    """The URL of a source: itself, or that of a file's absolute path."""
    return source if "://" in source else Path(source).resolve().as_uri()


def kick_import(import_id: int) -> None:
    """Asks a worker to run the import. Nothing is lost where Redis does not answer: the sweeper
    finds what was not run."""
    if not Import.objects.mark_kicked(import_id):
        return
    queue, job_id = django_rq.get_queue("imports"), f"import-{import_id}"
    try:
        # Where all workers are busy a kick would else join those that wait already.
        if queue.get_job_position(job_id) is None:
            queue.enqueue(run_import, import_id, job_id=job_id)
    except RedisError as error:
        logger.warning("import_not_kicked", import_id=import_id, reason=str(error))


def run_import(import_id: int, on_progress: Callable[[Tally], None] | None = None) -> None:
    """Runs an import to its end, or goes on from its ledger. Safe to call twice: whoever comes
    second finds the lease taken and leaves. Every line of log that it leads to names the import."""
    with bound_contextvars(import_id=import_id):
        _run_import(import_id, on_progress or (lambda tally: None))


def _run_import(import_id: int, on_progress: Callable[[Tally], None]) -> None:
    database = read_connection_parameters()
    with connect_aside(database) as owner:
        lease = claim_import(owner, import_id)
        if lease is None:
            return
        record = Import.objects.get(pk=import_id)
        logger.info("import_claimed", dataset=record.dataset, lease_token=lease.token)
        try:
            task = read_task(record)
        except ImportFailure as failure:
            fail_import(owner, lease, failure, {})
            return
    limits = Limits(
        Policy(settings.IMPORT_ALLOWED_NETWORKS, settings.IMPORT_MAX_BYTES), settings.IMPORT_LOADERS
    )
    with _end_on_sigterm():
        Run(database, lease, task, limits).run(on_progress)
    tell_state(database, import_id)


def tell_state(database: Mapping[str, Any], import_id: int) -> None:
    """How its owner leaves the import; over a connection that the server cannot have closed
    meanwhile. It is told alone: no import fails for it."""
    query = (
        "SELECT status, error_code, rows_loaded, rows_rejected FROM imports_import WHERE id = %s"
    )
    with suppress(psycopg.Error), connect_aside(database) as aside:
        cursor = aside.cursor(row_factory=dict_row).execute(query, [import_id])
        logger.info("import_left", **(cursor.fetchone() or {"status": "gone"}))


def read_task(record: Import) -> Task:
    """Raises ImportFailure where its dataset is not known (any more), or where it seems to kill
    whoever works on it: it would cost one worker after the other for ever."""
    if record.barren_claims >= MAX_BARREN_CLAIMS:
        detail = f"{record.barren_claims} owners in a row fell silent without loading anything"
        raise ImportFailure("abandoned", detail)
    return Task(
        url=record.url,
        dataset=find_dataset(record.dataset),
        expected_sha256=record.expected_sha256,
        max_rejects=record.max_rejects,
        header=tuple(record.header),
        form=record.form,
        validators=Validators(record.etag, record.last_modified, record.bytes_total),
        bytes_done=record.bytes_done,
    )


@contextmanager
def _end_on_sigterm() -> Iterator[None]:
    """Lets a worker that is told to stop release its lease, instead of falling silent."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def cancel_import(import_id: int) -> bool:
    """Ends an active import: nothing of it is seen, and nothing is left but its figures and its
    rejects. False where it had ended. Raises RowsInUse where somebody holds its row."""
    record = Import.objects.filter(pk=import_id).first()
    if record is None:
        return False
    try:
        with connect_aside(read_connection_parameters()) as aside:
            if not mark_cancelling(aside, import_id):
                return False
    except errors.LockNotAvailable as error:
        raise RowsInUse from error
    note("cancel", record, status=record.status)
    finish_cancelled(Import.objects.filter(pk=import_id))
    return True


def finish_cancelled(imports: QuerySet[Import]) -> None:
    """Clears up after those of the imports that are being cancelled."""
    for record in imports.filter(status=Status.CANCELLING):
        try:
            with connect_aside(read_connection_parameters()) as aside:
                finish_cancelling(aside, name_staging(record))
        except errors.LockNotAvailable:
            logger.warning("staging_in_use", import_id=record.pk)


def resume_import(import_id: int) -> bool:
    """Queues an import that failed, to go on from its ledger, or one that was cancelled, to begin
    anew; False where it is neither, or gone. The caller kicks it after the commit. Raises NoPlace
    where whoever asked for it has as many active ones as they may."""
    with transaction.atomic():
        record = Import.objects.select_for_update().filter(pk=import_id).first()
        if record is None or record.status not in RESUMABLE:
            return False
        with take_place(record.created_by_id):
            if not has_staging(record):
                Import.objects.forget_work(import_id)
            is_queued = Import.objects.requeue(import_id, record.status)
            if is_queued:
                note("resume", record, status=record.status)
            return is_queued


def delete_import(import_id: int) -> bool:
    """Removes an ended import with its rows, its rejects and its ledger; False where it has not
    ended, or is gone. Raises RowsInUse where somebody looks at its rows for more than some seconds,
    ImportFailure where nobody knows (any more) how its dataset's rows are removed."""
    try:
        for pause in DELETE_PAUSES:
            with suppress(errors.LockNotAvailable):
                return _delete(import_id)
            time.sleep(pause)
        return _delete(import_id)
    except (OperationalError, errors.LockNotAvailable) as error:
        raise RowsInUse from error


def _delete(import_id: int) -> bool:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_TIMEOUT)
        record = Import.objects.select_for_update().filter(pk=import_id).first()
        if record is None or record.status not in ENDED:
            return False
        staging = name_staging(record)
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(staging.table))
        if record.status == Status.FINISHED:
            dataset = find_dataset(record.dataset)
            dataset.discard(cursor.cursor, staging)
            if dataset.is_merged:
                Import.objects.doubt_others(record)
        note("delete", record, url=record.url, rows_loaded=record.rows_loaded)
        record.delete()
        return True


def name_staging(record: Import) -> Staging:
    """Also of an import whose dataset is not registered any more."""
    return Staging(record.pk, f"{record.dataset}_{record.pk}")


def has_staging(record: Import) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_regclass(%s) IS NOT NULL", [f"staging.{name_staging(record).name}"]
        )
        [(exists,)] = cursor.fetchall()
        return bool(exists)


def kick_waiting(*, can_run: int) -> list[int]:
    """Kicks every import that waits. Those whose kick went unanswered are returned, as many as the
    caller can run itself: with Redis gone for good, or all workers busy, they still get done."""
    unanswered: list[int] = []
    for record in Import.objects.waiting().order_by("pk"):
        if record.kicked_at is None or len(unanswered) == can_run:
            kick_import(record.pk)
        elif Import.objects.mark_kicked(record.pk):
            unanswered.append(record.pk)
    return unanswered


def drop_stale_staging() -> None:
    """Drops the staging tables of imports that ended without being resumed in time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'staging'")
        found = (STAGING_NAME.fullmatch(name) for (name,) in cursor.fetchall())
    tables = {int(match[1]): match[0] for match in found if match}
    kept = Import.objects.holding_staging().filter(pk__in=tables).values_list("pk", flat=True)
    for import_id in tables.keys() - set(kept):
        try:
            _drop_stale(import_id, tables[import_id])
        except DatabaseError as error:
            logger.warning("staging_not_dropped", import_id=import_id, reason=str(error))


def _drop_stale(import_id: int, table: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_TIMEOUT)
        # Its row is held, so that nobody resumes it between the look and the drop.
        Import.objects.select_for_update().filter(pk=import_id).first()
        if not Import.objects.holding_staging().filter(pk=import_id).exists():
            cursor.execute(
                sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier("staging", table))
            )


def drop_stale_uploads() -> None:
    """Drops uploaded files that nobody will read again."""
    kept = Import.objects.holding_upload().values("pk")
    UploadBlock.objects.exclude(import_record__in=kept).delete()


def read_connection_parameters() -> Mapping[str, Any]:
    """What psycopg needs to reach the same database as Django."""
    parameters = connection.get_connection_params()
    return {key: value for key, value in parameters.items() if key not in DJANGO_KEYS}
