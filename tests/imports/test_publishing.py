"""The last step of an import, and who must not do it."""

import threading
from dataclasses import replace
from typing import Any

import pytest
from psycopg import Cursor

from imports.choices import Status
from imports.datasets import datasets
from imports.engine.leasing import (
    Connection,
    Lease,
    LeaseLost,
    claim_import,
    release_import,
    update_import,
)
from imports.engine.publishing import publish_import
from imports.engine.records import Staging
from imports.jobs import read_connection_parameters
from imports.models import Import


def test_owner_that_was_replaced_builds_no_indexes(session: Connection, staging: Staging) -> None:
    """As one that comes back because its successor ended its connection: both would build the same
    ones, and the successor would fail."""
    Import.objects.update(status=Status.QUEUED, ended_at=None)
    old = claim_import(session, staging.import_id)
    assert old is not None
    update_import(session, old, {"status": "publishing"})
    release_import(session, old)
    assert claim_import(session, staging.import_id) == Lease(staging.import_id, 2, is_loaded=True)
    finished: list[Staging] = []

    def finish(cursor: Cursor[Any], staging: Staging) -> None:
        finished.append(staging)

    with pytest.raises(LeaseLost):
        publish_import(
            read_connection_parameters(),
            old,
            replace(datasets["trips"], finish=finish),
            threading.Event(),
        )

    assert finished == []
