"""The misbehaving server itself."""

import http.client
from urllib.parse import urlsplit

import pytest

from explorer.samples import HEADER
from tests.faults.generated import (
    BARE,
    BODY,
    DATE,
    ETAG,
    HALF,
    WHOLE,
)
from tests.faults.sources import (
    Page,
    Sources,
    Step,
    Stream,
    cut,
    drip,
    reset,
    run_sources,
    send,
    stream_endlessly,
)


def fetch(url: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("GET", f"{parts.path}?{parts.query}".rstrip("?"), headers=names)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("page", "asked", "condition", "status", "part"),
    [
        (WHOLE, "bytes=10-", ETAG, 206, BODY[10:]),
        (WHOLE, "bytes=10-19", ETAG, 206, BODY[10:20]),
        (WHOLE, "bytes=10-", '"second"', 200, BODY),
        (WHOLE, f"bytes={len(BODY)}-", ETAG, 416, b""),
        (Page(BODY, etag='W/"1"'), "bytes=10-", 'W/"1"', 200, BODY),
        (Page(BODY, last_modified=DATE), "bytes=10-", DATE, 206, BODY[10:]),
        (Page(BODY, heeds_if_range=False), "bytes=10-", ETAG, 206, BODY[10:]),
        (Page(BODY, announces="chunked", etag=ETAG), "bytes=10-", ETAG, 206, BODY[10:]),
        (BARE, "bytes=10-", ETAG, 200, BODY),
    ],
)
def test_server_answers_ranges(  # noqa: PLR0913 - a table's columns
    sources: Sources, page: Page, asked: str, condition: str, status: int, part: bytes
) -> None:
    response, body = fetch(sources.serve("/x", page), Range=asked, If_Range=condition)

    assert (response.status, body) == (status, part)
    assert (sources.requests[0].range, sources.requests[0].if_range) == (asked, condition)


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (cut(HALF), http.client.IncompleteRead),
        (reset(HALF), ConnectionResetError),
        (cut(HALF, Page(BODY, announces="chunked")), http.client.IncompleteRead),
        (cut(len(BODY), Page(BODY, announces="chunked")), http.client.IncompleteRead),
        (send(Page(BODY, announces=len(BODY) + 1)), http.client.IncompleteRead),
    ],
)
def test_server_breaks_off_and_then_goes_on(
    sources: Sources, step: Step, error: type[Exception]
) -> None:
    url = sources.serve("/x", WHOLE, step, send())

    with pytest.raises(error):
        fetch(url)

    assert fetch(url)[1] == BODY


def test_server_gives_any_part_of_a_body_that_nobody_could_store(sources: Sources) -> None:
    block = BODY[len(HEADER) :]
    stream = Stream.grow(HEADER, block, at_least=290 * 10**9)
    start = len(HEADER) + len(block) * (stream.repeats - 1)

    response, body = fetch(sources.serve("/x", Page(stream, etag=ETAG)), Range=f"bytes={start}-")

    assert body == block
    assert stream.size - len(block) < 290 * 10**9 <= stream.size
    assert response.headers["Content-Range"] == f"bytes {start}-{stream.size - 1}/{stream.size}"


def test_server_ends_while_it_drips_and_streams() -> None:
    with run_sources() as sources:
        sockets = [
            http.client.HTTPConnection(urlsplit(sources.url).netloc, timeout=10) for _ in range(3)
        ]
        sources.serve("/0", WHOLE, drip(0))
        sources.serve("/1", WHOLE, drip(10))
        sources.serve("/2", Page(stream_endlessly(HEADER, b"x" * 2**16), announces="chunked"))
        for number, connection in enumerate(sockets):
            connection.request("GET", f"/{number}")
            assert connection.getresponse().status == 200

    for connection in sockets:
        connection.close()
