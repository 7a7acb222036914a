"""What all requests of the fuzzer need."""

from collections.abc import Iterator

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from limits import RateLimitItemPerSecond
from pytest_django import Settings


@pytest.fixture(autouse=True)
def _cheap_passwords(settings: Settings) -> None:
    """Most of the time would go to passwords of nobody."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _patient_login(settings: Settings) -> None:
    """A limit would answer in place of what is looked at."""
    settings.RATE_LIMITS = {"login": RateLimitItemPerSecond(1_000_000)}


@pytest.fixture(autouse=True)
def _keep_connections() -> Iterator[None]:
    """Requests of one test share its connection, as those of Django's own client do."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)
