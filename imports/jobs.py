"""Running imports. The worker, the sweeper and the commands all end here."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import django_rq
from django.db import connection
from psycopg import sql
from redis.exceptions import RedisError

from imports.datasets import find_dataset
from imports.engine.leasing import claim_import, connect
from imports.engine.records import ImportFailure
from imports.engine.running import Run, Tally, Task, fail_import
from imports.models import Import

logger = logging.getLogger(__name__)

# What Django adds to the parameters for its own connections.
DJANGO_KEYS = frozenset({"client_encoding", "context", "cursor_factory", "prepare_threshold"})


def create_import(dataset: str, source: str, **fields: Any) -> Import:
    """Queues an import of a URL or of a file's path. The caller kicks it after the commit."""
    return Import.objects.create(dataset=dataset, url=name_source(source), **fields)


def name_source(source: str) -> str:
    """The URL of a source: itself, or that of a file's absolute path."""
    return source if "://" in source else Path(source).resolve().as_uri()


def kick_import(import_id: int) -> None:
    """Asks a worker to run the import. Nothing is lost where Redis does not answer: the sweeper
    finds what was not run."""
    if not Import.objects.mark_kicked(import_id):
        return
    try:
        django_rq.get_queue("imports").enqueue(run_import, import_id, job_id=f"import-{import_id}")
    except RedisError as error:
        logger.warning("import %d was not kicked: %s", import_id, error)


def run_import(import_id: int, on_progress: Callable[[Tally], None] | None = None) -> None:
    """Runs an import to its end, or goes on from its ledger. Safe to call twice: whoever comes
    second finds the lease taken and leaves."""
    database = read_connection_parameters()
    with connect(database, import_id) as owner:
        lease = claim_import(owner, import_id)
        if lease is None:
            return
        record = Import.objects.get(pk=import_id)
        try:
            dataset = find_dataset(record.dataset)
        except ImportFailure as failure:
            fail_import(owner, lease, failure, {})
            return
    validators = (record.etag, record.last_modified, record.bytes_total)
    task = Task(record.url, dataset, tuple(record.header), validators, record.max_rejects)
    Run(database, lease, task).run(on_progress or (lambda tally: None))


def kick_waiting(*, can_run: bool) -> int | None:
    """Kicks every import that waits. Where the caller can run one itself, the first whose kick
    went unanswered is returned to it: with Redis gone for good everything still gets done."""
    unanswered = None
    for record in Import.objects.waiting().order_by("pk"):
        if record.kicked_at is None or not can_run or unanswered is not None:
            kick_import(record.pk)
        elif Import.objects.mark_kicked(record.pk):
            unanswered = record.pk
    return unanswered


def drop_stale_staging() -> None:
    """Drops the staging tables of imports that ended without being resumed in time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'staging'")
        tables = {int(name.rpartition("_")[2]): name for (name,) in cursor.fetchall()}
        kept = Import.objects.holding_staging().filter(pk__in=tables).values_list("pk", flat=True)
        for import_id in tables.keys() - set(kept):
            table = sql.Identifier("staging", tables[import_id])
            cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))


def read_connection_parameters() -> Mapping[str, Any]:
    """What psycopg needs to reach the same database as Django."""
    parameters = connection.get_connection_params()
    return {key: value for key, value in parameters.items() if key not in DJANGO_KEYS}
