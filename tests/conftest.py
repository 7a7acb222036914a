"""What all tests share: the API as an anonymous reader sees it, and the real files.

What goes through the database alias `reader` is seen there once it is committed: such tests say
`@pytest.mark.django_db(databases=["default", "reader"])`, and either commit rows of their own, with
`transaction=True`, or only read what their module has committed.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import django_rq
import hypothesis
import pytest
from django.conf import settings as django_settings
from django.db import connection, connections
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker, Settings
from rest_framework.test import APIClient

from config.api.limits import limiter, login_limiter
from config.api.reading import READER
from config.variables import read_redis
from explorer.reading import make_reader

REAL_DATA = Path(
    os.environ.get("CATCHMENT_REAL_DATA", Path(__file__).parents[2] / "shared" / "data")
)


# A busy machine is no fault of a test.
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy")

# Written by migrations; PostGIS's own tables are none of Django's.
KEPT_TABLES = frozenset(
    {"auth_permission", "auth_group", "auth_group_permissions", "django_content_type"}
)


@pytest.fixture(scope="session", autouse=True)
def _own_redis(worker_id: str) -> None:
    """Tests that run side by side have a Redis database each, and so have the processes that they
    start."""
    if worker_id != "master":
        number = worker_id.removeprefix("gw")
        os.environ["REDIS_URL"] = os.environ["REDIS_URL"].replace("db=0", f"db={number}")
        for queue in django_settings.RQ_QUEUES.values():
            queue["URL"] = read_redis("REDIS_URL")
        django_settings.LIMIT_REDIS_URL = read_redis("REDIS_URL")
        django_settings.LOGIN_REDIS_URL = read_redis("REDIS_URL", seconds=1)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The role that only reads is one for all databases, its grants are those of each."""
    with django_db_blocker.unblock():
        make_reader()
    yield
    connections[READER].close()  # a database that somebody is connected to cannot be dropped


@pytest.fixture(scope="session", autouse=True)
def _quick_emptying() -> Iterator[None]:
    """Tests that commit leave empty tables behind, and neither partitions nor staging tables.

    Django's own way makes permissions and content types anew after each test, for a tenth of a
    second, and keeps the partitions, which makes it slower and slower.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_tables)
        yield


def empty_tables(case: TransactionTestCase | None = None, *, restart: bool = False) -> None:
    """With `restart` the next rows begin at 1 again, but for those of tables that are kept."""
    identity = "RESTART IDENTITY" if restart else ""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT inhrelid::regclass::text FROM pg_inherits
             WHERE inhparent = 'explorer_trip'::regclass
             UNION ALL
            SELECT format('staging.%I', tablename) FROM pg_tables WHERE schemaname = 'staging'
            """
        )
        gone = ", ".join(name for (name,) in cursor.fetchall())
        tables = set(connection.introspection.django_table_names(include_views=False)) - KEPT_TABLES
        cursor.execute(
            f"{gone and f'DROP TABLE {gone};'}"
            f"TRUNCATE {', '.join(sorted(tables))} {identity} CASCADE"
        )


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    """What earlier tests asked for is not counted."""
    limiter.down_until = login_limiter.down_until = 0.0
    limiter.shared.reset()


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
