"""Every door that reads JSON refuses what is meant to break it, and its memory stays flat."""

import gc
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from config.api.reading import READER
from dropzone.choices import State
from dropzone.jobs import drain
from dropzone.models import Payload
from tests.fuzz.asking import EVERYTHING, OPERATIONS, WRITING
from tests.fuzz.bombs import BOMBS
from tests.fuzz.rows import SUPERUSER, sign_in, store_rows

pytestmark = pytest.mark.django_db(databases=["default", READER], transaction=True)

DOORS = [name for name in WRITING if not name.startswith("delete ")]
# What one body may leave behind in the allocator, ten times over.
MOST_BYTES_GROWN = 100 * 2**20


@pytest.fixture(autouse=True)
def _unlogged() -> Iterator[None]:
    """pytest keeps what is logged, and with each refusal its request and its body."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def read_memory() -> int:
    """Resident bytes of this process."""
    gc.collect()
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def throw(client: Client, name: str, known: dict[str, Any], headers: dict[str, str]) -> set[str]:
    """All of them at one door; those that broke it, or were answered by no JSON."""
    operation = OPERATIONS[name]
    address = operation.path.format(**known)
    return {
        bomb
        for bomb, body in BOMBS.items()
        if not is_sound(
            client.generic(operation.method, address, body, "application/json", headers=headers)
        )
    }


def is_sound(response: Any) -> bool:
    return bool(
        response.status_code < 500 and response.headers["Content-Type"] == "application/json"
    )


def test_there_are_enough() -> None:
    assert len(BOMBS) >= 40
    assert {"put /location/", "post /dropzone/", "post /api/v1/payloads/replay/"} <= set(DOORS)


@pytest.mark.parametrize("name", DOORS)
def test_door_holds(name: str, settings: Settings, empty_queue: None) -> None:
    settings.ANONYMOUS_ACCESS = EVERYTHING
    rows = store_rows()
    client = Client(raise_request_exception=False)
    headers = sign_in(rows.identities[SUPERUSER])
    throw(client, name, rows.find(name), headers)
    before = read_memory()

    broken = throw(client, name, rows.find(name), headers)

    assert broken == set()
    assert read_memory() - before < MOST_BYTES_GROWN


def test_payloads_that_are_bombs_are_processed_to_an_end(
    client: Client, settings: Settings
) -> None:
    settings.ANONYMOUS_ACCESS = EVERYTHING
    for body in BOMBS.values():
        client.post("/dropzone", body, "application/json")

    while drain():  # which makes room for others now and then
        pass

    assert not Payload.objects.filter(state=State.RECEIVED).exists()
    assert not Payload.objects.exclude(fault="").exists()
