"""Sources are opened in one place, from a real server that misbehaves."""

import fcntl
import itertools
import os
import socket
import struct
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

import pytest

from footprints.models import Footprint
from imports.choices import Status
from imports.engine import fetching
from imports.engine.answers import MAX_RETRY_AFTER, read_length, read_retry_after
from imports.engine.fetching import Policy, find_source
from imports.engine.records import ImportFailure
from imports.engine.sources import Rewound, Source, SourceAborted, Validators
from imports.jobs import create_import, run_import
from imports.models import Import
from tests.faults.sources import Page, cut, run_sources, send
from tests.files import write_file, write_square
from tests.servers import Site, run_site

pytestmark = pytest.mark.usefixtures("loopback")

BODY = write_file(write_square(n) for n in range(30))
POLICY = Policy((ip_network("127.0.0.0/8"),))
ETAG = '"first"'


@pytest.fixture
def site() -> Iterator[Site]:
    with run_site() as site:
        yield site


def open_source(
    url: str, policy: Policy, *, start: int = 0, known: Validators | None = None
) -> Source:
    source = find_source(url, policy, start=start, known=known)
    source.open()
    return source


def load(url: str) -> Import:
    record = create_import("footprints", url)
    run_import(record.pk)
    record.refresh_from_db()
    return record


@pytest.mark.parametrize("start", [0, 1, 100, len(BODY) - 1, len(BODY)])
def test_file_is_read_from_where_it_is_asked(tmp_path: Path, start: int) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(BODY)

    with closing(open_source(file.as_uri(), POLICY, start=start)) as source:
        assert source.position == start
        assert b"".join(source.blocks()) == BODY[start:]
        assert (source.position, source.validators.total_bytes) == (len(BODY), len(BODY))


@pytest.mark.parametrize("start", [0, 1, 100, len(BODY) - 1])
@pytest.mark.parametrize(
    ("known", "can_skip"),
    [
        (Validators(etag=ETAG, total_bytes=len(BODY)), True),
        (Validators(etag=ETAG), True),
        (Validators(total_bytes=len(BODY)), False),
        (None, False),
    ],
)
def test_url_is_read_from_where_it_is_asked_under_a_condition(
    start: int, known: Validators | None, *, can_skip: bool
) -> None:
    with run_sources() as sources:
        page = Page(BODY, etag=ETAG if known and known.etag else "")
        url = sources.serve("/file.csv", page)

        with closing(open_source(url, POLICY, start=start, known=known)) as source:
            first = source.position
            body = b"".join(source.blocks())

    assert first == (start if can_skip else 0)
    assert body == BODY[first:]


def test_source_that_can_only_be_read_from_its_beginning_says_so() -> None:
    half = len(BODY) // 2
    with run_sources() as sources:
        url = sources.serve("/file.csv", Page(BODY, has_ranges=False), cut(half), send())
        with closing(open_source(url, POLICY)) as source:
            with pytest.raises(Rewound):
                list(source.blocks())

            assert source.position == 0
            assert b"".join(source.blocks()) == BODY


def test_aborted_source_is_not_taken_for_one_that_ended() -> None:
    with run_sources() as sources:
        url = sources.serve("/file.csv", Page(BODY * 100))
        with closing(open_source(url, POLICY)) as source:
            blocks = source.blocks()
            next(blocks)

            source.abort()

            with pytest.raises(SourceAborted):
                list(blocks)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (Validators(), Validators()),
        (Validators(ETAG, "x", 5), Validators(ETAG, "x", 5)),
        (Validators(ETAG, total_bytes=5), Validators(ETAG)),
        (Validators(ETAG), Validators(ETAG, total_bytes=5)),
    ],
)
def test_source_is_the_same_where_nothing_says_otherwise(
    before: Validators, now: Validators
) -> None:
    before.check(now)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (Validators(ETAG), Validators('"second"')),
        (Validators(ETAG), Validators()),
        (Validators(last_modified="x"), Validators(last_modified="y")),
        (Validators(total_bytes=5), Validators(total_bytes=6)),
    ],
)
def test_source_has_changed_where_anything_says_so(before: Validators, now: Validators) -> None:
    with pytest.raises(ImportFailure) as caught:
        before.check(now)

    assert caught.value.code == "source_changed"


@pytest.mark.django_db(transaction=True)
def test_last_row_needs_no_newline() -> None:
    """Whether the server keeps the connection open or ends it."""
    body = BODY.removesuffix(b"\n")
    with run_sources() as sources, run_site() as closing_site:
        urls = [sources.serve("/a", Page(body)), closing_site.serve("/b", body)]
        records = [load(url) for url in urls]

    assert [(r.status, r.error_detail, r.rows_loaded) for r in records] == [
        (Status.FINISHED, "", 30)
    ] * 2


@pytest.mark.parametrize(
    ("validators", "condition"),
    [
        (Validators(), ""),
        (Validators(ETAG, "x"), ETAG),
        (Validators('W/"1"', "x"), ""),
        (Validators("", "x"), "x"),
    ],
)
def test_condition_of_a_range_is_never_weak(validators: Validators, condition: str) -> None:
    assert validators.condition == condition


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("17", 17),
        ("9" * 30, None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("\u0663", None),
        ("5, 5", None),
    ],
)
def test_length_is_a_plain_number(text: str, expected: int | None) -> None:
    assert read_length(text) == expected


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("0", 0, 0),
        ("7", 7, 7),
        ("9" * 30, MAX_RETRY_AFTER, MAX_RETRY_AFTER),
        ("", 0, 0),
        ("soon", 0, 0),
        ("-5", 0, 0),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 0, 0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", MAX_RETRY_AFTER, MAX_RETRY_AFTER),
        ("Mon, 32 Jan 2024 00:00:00 GMT", 0, 0),
    ],
)
def test_pause_that_a_server_asks_for_is_bounded(text: str, least: float, most: float) -> None:
    assert least <= read_retry_after(text) <= most


@pytest.mark.django_db(transaction=True)
def test_url_is_imported(site: Site) -> None:
    record = load(site.serve("/file.csv?x=1", BODY))

    assert (record.status, record.rows_loaded) == (Status.FINISHED, 30)
    assert record.bytes_total == len(BODY)


@pytest.mark.django_db(transaction=True)
def test_source_that_does_not_tell_its_length_is_imported(site: Site) -> None:
    record = load(site.serve("/file.csv", BODY, length=None))

    assert (record.status, record.rows_loaded, record.bytes_total) == (Status.FINISHED, 30, None)


@pytest.mark.django_db(transaction=True)
def test_body_that_only_lacks_its_formal_end_is_imported() -> None:
    """All of it came: the range behind its last byte is answered with 416."""
    page = Page(BODY, announces="chunked", etag=ETAG)
    with run_sources() as sources:
        record = load(sources.serve("/file.csv", page, cut(len(BODY)), send()))

    assert (record.status, record.error_code) == (Status.FINISHED, "")
    assert record.rows_loaded == 30


@pytest.mark.django_db(transaction=True)
def test_redirect_is_followed(site: Site) -> None:
    site.serve("/there.csv", BODY)

    assert load(site.redirect("/here", "/there.csv")).status == Status.FINISHED


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "http_403"),
        (404, "http_404"),
        (410, "http_410"),
        (500, "source_unreliable"),
        (204, "source_unreliable"),
        (206, "source_unreliable"),
    ],
)
def test_answer_other_than_200_ends_the_import(site: Site, status: int, code: str) -> None:
    record = load(site.serve("/file.csv", b"", status=status))

    assert (record.status, record.error_code) == (Status.FAILED, code)


@pytest.mark.django_db(transaction=True)
def test_short_body_is_never_taken_for_the_whole(site: Site) -> None:
    record = load(site.serve("/file.csv", BODY[:-300], length=len(BODY)))

    assert (record.status, record.error_code) == (Status.FAILED, "source_unreliable")
    assert Footprint.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_redirect_loop_ends_the_import(site: Site) -> None:
    record = load(site.redirect("/loop", "/loop"))

    assert (record.status, record.error_code) == (Status.FAILED, "url_denied")
    assert len(site.requests) <= 7


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("target", ["http://[::1", "file:///etc/passwd", "ftp://x/y", "//"])
def test_redirect_to_what_cannot_be_opened_ends_the_import(site: Site, target: str) -> None:
    record = load(site.redirect("/here", target))

    assert (record.status, record.error_code) == (Status.FAILED, "url_denied")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("status", [429, 503])
def test_server_that_asks_for_patience_is_not_asked_for_ever(site: Site, status: int) -> None:
    record = load(site.serve("/file.csv", b"", status=status, headers={"Retry-After": "0"}))

    assert record.error_code == "source_unreliable"
    assert len(site.requests) == 1 + len(fetching.RETRY_PAUSES)


@pytest.mark.django_db(transaction=True)
def test_absurd_length_ends_the_import(site: Site) -> None:
    record = load(site.serve("/file.csv", BODY, length=10**30))

    assert (record.status, record.error_code) == (Status.FAILED, "source_unreliable")


@pytest.mark.django_db(transaction=True)
def test_validator_that_postgresql_cannot_hold_is_kept_without_it(site: Site) -> None:
    record = load(site.serve("/file.csv", BODY, headers={"ETag": '"a\0b"'}))

    assert (record.status, record.etag) == (Status.FINISHED, '"ab"')


@pytest.mark.django_db(transaction=True)
def test_pipe_is_refused_before_it_blocks(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    assert load(pipe.as_uri()).error_code == "source_unreadable"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://files.example/x.csv", "url_denied"),
        ("gopher://x", "url_denied"),
        ("http://", "url_denied"),
        ("http://[::1", "url_denied"),
        ("http://127.0.0.1:1/x.csv", "source_unreliable"),
        ("file:///nowhere/x.csv", "source_unreadable"),
        ("file:///", "source_unreadable"),
        ("file://elsewhere/x.csv", "url_denied"),
    ],
)
def test_source_that_cannot_be_opened_ends_the_import(url: str, code: str) -> None:
    record = load(url)

    assert (record.status, record.error_code) == (Status.FAILED, code)


def test_scheme_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(ImportFailure) as caught:
        open_source("data:,x", POLICY)

    assert caught.value.code == "url_denied"


# Servers that are no web servers


@contextmanager
def run_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server whose every connection is answered by `answer`, from its first request on."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # whoever asked went away
                self.request.recv(2**16)
                answer(self.request)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/file.csv"
        finally:
            server.shutdown()
            thread.join()


def read_whole(url: str) -> bytes:
    with closing(find_source(url, POLICY)) as source:
        source.open()
        while True:
            try:
                return b"".join(source.blocks())
            except Rewound:
                continue


def send_for_ever(head: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(drop)
            time.sleep(0.01)

    return answer


def send_and_reset(data: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(data)
        while fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)) != bytes(4):
            time.sleep(0.001)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(send_for_ever(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"), id="head"),
        pytest.param(send_for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="continue"),
        pytest.param(
            send_for_ever(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", b"X: y\r\n"
            ),
            id="trailers",
        ),
        pytest.param(
            send_for_ever(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
            id="length of a chunk",
        ),
    ],
)
def test_server_that_sends_on_and_on_without_a_body_is_given_up(
    answer: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "STALL_SECONDS", 0.1)
    with run_server(answer) as url, pytest.raises(ImportFailure) as caught:
        read_whole(url)

    assert caught.value.code == "source_unreliable"


def test_server_that_gives_one_byte_a_connection_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetching, "RETRY_PAUSES", (0.01,) * 3)
    with run_sources() as sources:
        url = sources.serve("/file.csv", Page(BODY, etag=ETAG), cut(1))
        with closing(open_source(url, POLICY)) as source, pytest.raises(ImportFailure) as caught:
            list(source.blocks())

    assert caught.value.code == "source_unreliable"


def test_reset_behind_the_last_byte_is_no_fault() -> None:
    body = BODY.rstrip(b"\n")
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    with run_server(send_and_reset(head + body)) as url:
        assert read_whole(url) == body


@pytest.mark.parametrize("total", [b"%d" % len(BODY), b"*"], ids=["known", "unknown"])
def test_part_that_is_shorter_than_asked_for_is_not_the_end(total: bytes) -> None:
    """Of a source whose length nobody told at first."""
    starts = [0, 500, 900, len(BODY)]
    ends = dict(itertools.pairwise(starts))

    def answer(connection: socket.socket) -> None:
        start = starts.pop(0)
        if start == 0:
            head = b'HTTP/1.1 200 OK\r\nETag: "1"\r\nTransfer-Encoding: chunked\r\n\r\n'
            connection.sendall(head + b"%x\r\n" % 1000 + BODY[:500])
            return
        if start == len(BODY):
            connection.sendall(
                b"HTTP/1.1 416 No\r\nContent-Range: bytes */%d\r\nContent-Length: 0\r\n\r\n" % start
            )
            return
        end = ends[start]
        connection.sendall(
            b'HTTP/1.1 206 Part\r\nETag: "1"\r\nContent-Range: bytes %d-%d/%s\r\n'
            b"Content-Length: %d\r\n\r\n" % (start, end - 1, total, end - start) + BODY[start:end]
        )

    with run_server(answer) as url:
        assert read_whole(url) == BODY


def test_source_of_unknown_length_is_gone_on_with_at_its_end() -> None:
    """Its owner was killed when all was loaded."""
    with run_sources() as sources:
        url = sources.serve("/file.csv", Page(BODY, etag=ETAG, announces="chunked"))
        known = Validators(etag=ETAG)
        with closing(open_source(url, POLICY, start=len(BODY), known=known)) as source:
            assert list(source.blocks()) == []
            assert source.validators == known


def test_file_that_grows_while_it_is_read_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(BODY)
    with closing(open_source(file.as_uri(), POLICY)) as source:
        blocks = source.blocks()
        next(blocks)
        with file.open("ab") as end:
            end.write(b"1")

        with pytest.raises(ImportFailure) as caught:
            list(blocks)

    assert caught.value.code == "source_changed"


def test_refused_redirect_tells_no_secret_of_the_url() -> None:
    with run_sources() as sources:
        url = sources.redirect("/file.csv?signature=secret", "ftp://example.org/secret")
        with closing(find_source(url, POLICY)) as source, pytest.raises(ImportFailure) as caught:
            source.open()

    assert "secret" not in caught.value.detail


def test_answer_that_is_cut_within_its_head_is_asked_for_again() -> None:
    heads = iter([b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\n\r\na,b\n"])
    with run_server(lambda connection: connection.sendall(next(heads))) as url:
        assert read_whole(url) == b"a,b\n"
