"""Where payloads are sent, and a bucket for their bytes, which is a real server on loopback."""

import socket
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from django.test import Client
from moto.server import ThreadedMotoServer
from pytest_django import Settings

from tests.dropzone.buckets import NAME, configure


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Where buckets are."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")


@pytest.fixture
def bucket(settings: Settings, server: str, _credentials: None) -> Any:
    """An empty bucket, which is configured; as a client of its own sees it."""
    client = boto3.resource("s3", endpoint_url=server, region_name="eu-central-1")
    found = client.Bucket(NAME)
    place: Any = {"LocationConstraint": "eu-central-1"}
    if found.creation_date is None:
        found.create(CreateBucketConfiguration=place)
    found.objects.all().delete()
    configure(settings, server)
    return found


@pytest.fixture(params=["postgresql", "bucket"])
def store(request: pytest.FixtureRequest) -> str:
    if request.param == "bucket":
        request.getfixturevalue("bucket")
    return str(request.param)


@pytest.fixture
def sender(settings: Settings) -> Client:
    """Who has not signed in, where anybody may send and read."""
    settings.ANONYMOUS_ACCESS = frozenset({"read", "ingest"})
    return Client(raise_request_exception=False)


@pytest.fixture
def closed() -> str:
    """An address where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
