"""What all tests share: the API as an anonymous reader sees it, and the real files."""

import os
from pathlib import Path

import django_rq
import pytest
from django.conf import settings as django_settings
from pytest_django import Settings
from rest_framework.test import APIClient

from config.settings import read_redis

REAL_DATA = Path(
    os.environ.get("CATCHMENT_REAL_DATA", Path(__file__).parents[2] / "shared" / "data")
)


@pytest.fixture(scope="session", autouse=True)
def _own_redis(worker_id: str) -> None:
    """Tests that run side by side have a Redis database each, and so have the processes that they
    start."""
    if worker_id != "master":
        number = worker_id.removeprefix("gw")
        os.environ["REDIS_URL"] = os.environ["REDIS_URL"].replace("db=0", f"db={number}")
        django_settings.RQ_QUEUES["imports"]["URL"] = read_redis("REDIS_URL")


@pytest.fixture
def api(settings: Settings) -> APIClient:
    """A client that has not signed in, where anybody may read."""
    settings.ANONYMOUS_ACCESS = frozenset({"read"})
    return APIClient()


@pytest.fixture
def empty_queue() -> None:
    """Nothing waits in Redis from an earlier test."""
    django_rq.get_queue("imports").empty()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real files, which are not part of the project."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"the real files are not here: {REAL_DATA} does not exist")
    return REAL_DATA
