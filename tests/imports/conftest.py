"""What tests of the engine share: a connection like an owner's, and small chunks."""

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_network

import psycopg
import pytest
from psycopg import sql
from pytest_django import Settings

from imports.datasets import datasets
from imports.engine import cutting, fetching
from imports.engine.leasing import Connection, connect
from imports.engine.records import Staging
from imports.jobs import read_connection_parameters
from tests.factories.imports import ImportFactory


@pytest.fixture
def session(transactional_db: None) -> Iterator[Connection]:
    """A connection as loaders have it, that reads times as New York does."""
    with connect(read_connection_parameters(), 0, time_zone="America/New_York") as connection:
        yield connection


@pytest.fixture
def staging(session: Connection) -> Iterator[Staging]:
    """The empty staging table of an import of trips."""
    trips = datasets["trips"]
    staging = trips.staging(ImportFactory(dataset="trips").pk)
    with session.cursor() as cursor:
        trips.create_staging(cursor, staging)
        yield staging
        with suppress(psycopg.errors.UndefinedTable):
            cursor.execute(sql.SQL("DROP TABLE {}").format(staging.table))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Cut small and loaded one after the other, so that they can be counted."""
    monkeypatch.setattr(cutting, "CHUNK_BYTES", 400)
    settings.IMPORT_LOADERS = 1


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Servers on loopback may be fetched from, and those that fail are asked again at once."""
    settings.IMPORT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    monkeypatch.setattr(fetching, "RETRY_PAUSES", (0.0,) * len(fetching.RETRY_PAUSES))
