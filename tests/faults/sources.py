"""A real HTTP server on loopback that fails on purpose, for a downloader that resumes.

A path is served from a `Page`, by steps: one for each request, the last of them for ever.

    with run_sources() as sources:
        url = sources.serve("/trips.csv", Page(body, etag='"1"'), cut(after=1000), send())
"""

import fcntl
import re
import socket
import struct
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from ssl import SSLContext
from threading import Event, Lock, Thread
from types import MappingProxyType
from typing import Final, Literal, Self

BLOCK_BYTES: Final = 2**16
DRIPS_PER_SECOND: Final = 10
DELIVERY_SECONDS: Final = 2.0
RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)", re.ASCII)
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True)
class Stream:
    """`head`, then `block` over and over: a body of any size, of which no more is stored."""

    head: bytes
    block: bytes = b""
    repeats: int = 0

    @classmethod
    def grow(cls, head: bytes, block: bytes, *, at_least: int) -> Self:
        """Of whole blocks, and so of whole rows where a block has whole rows."""
        return cls(head, block, max(0, -(-(at_least - len(head)) // len(block))))

    @property
    def size(self) -> int:
        return len(self.head) + len(self.block) * self.repeats

    def read(self, start: int, end: int) -> bytes:
        return b"".join(self.cut_pieces(start, end))

    def cut_pieces(
        self, start: int, end: int, limit: int = BLOCK_BYTES
    ) -> Iterator[bytes | memoryview]:
        """The bytes from `start` to `end`, at most `limit` at a time."""
        end = min(end, self.size)
        while start < end:
            piece = self._find_piece(start, min(limit, end - start))
            yield piece
            start += len(piece)

    def _find_piece(self, start: int, limit: int) -> memoryview:
        if start < len(self.head):
            return memoryview(self.head)[start : start + limit]
        offset = (start - len(self.head)) % len(self.block)
        return memoryview(self.block)[offset : offset + limit]


def stream_endlessly(head: bytes, block: bytes) -> Stream:
    return Stream(head, block, 2**60)


@dataclass(frozen=True)
class Page:
    """What a path holds, and what its server tells of it."""

    body: bytes | Stream = b""
    status: int = 200
    etag: str = ""
    last_modified: str = ""
    # A range is answered with 206, or with 416 beyond the end, where its If-Range holds.
    has_ranges: bool = True
    heeds_if_range: bool = True
    range_shift: int = 0  # a range starts so many bytes after the one that was asked for
    # `nothing`: the body ends where the connection does. A number is told as the length.
    announces: Literal["length", "chunked", "nothing"] | int = "length"
    content_type: str = "text/csv"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def stream(self) -> Stream:
        return self.body if isinstance(self.body, Stream) else Stream(self.body)

    @property
    def told_bytes(self) -> int:
        return self.announces if isinstance(self.announces, int) else self.stream.size


@dataclass(frozen=True)
class Step:
    """How one request is answered: with which page, the path's own by default, and how badly."""

    page: Page | None = None
    after: int | None = None  # so many bytes of the answer's body are sent, and the connection ends
    is_reset: bool = False
    bytes_per_second: int | None = None


def send(page: Page | None = None) -> Step:
    """The whole answer."""
    return Step(page)


def cut(after: int, page: Page | None = None) -> Step:
    """An orderly close (FIN), whatever was announced; of a chunked body, before its last chunk."""
    return Step(page, after)


def reset(after: int, page: Page | None = None) -> Step:
    """A reset (RST), once the client's side holds the bytes before it."""
    return Step(page, after, is_reset=True)


def drip(bytes_per_second: int, page: Page | None = None) -> Step:
    """A slow answer; with 0 a head and then silence."""
    return Step(page, bytes_per_second=bytes_per_second)


def answer(status: int, headers: Mapping[str, str] = NO_HEADERS, body: bytes = b"") -> Step:
    return Step(Page(body, status, has_ranges=False, headers=headers))


def redirect(url: str, status: int = 302) -> Step:
    return answer(status, {"Location": url})


@dataclass(frozen=True)
class Request:
    """What was asked for; `range` and `if_range` are empty where the header was not sent."""

    path: str
    range: str
    if_range: str
    headers: Mapping[str, str]


@dataclass
class Sources:
    """The running server: what it serves by path and query, and what it was asked for."""

    url: str
    requests: list[Request] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)  # the server's own
    _pages: dict[str, tuple[Page, list[Step]]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def serve(self, path: str, page: Page, *steps: Step) -> str:
        """Answers `path`, its query included, from now on; returns its URL."""
        self._pages[path] = (page, list(steps or [send()]))
        return self.url + path

    def redirect(self, path: str, *targets: str) -> str:
        """Redirects to one target after the other, the last of them for ever."""
        return self.serve(path, Page(), *map(redirect, targets))

    def list_requests(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def take_step(self, path: str, headers: Message) -> tuple[Page, Step]:
        """Notes a request; returns the page and the step to answer it with."""
        request = Request(
            path, headers.get("Range", ""), headers.get("If-Range", ""), dict(headers.items())
        )
        with self._lock:
            self.requests.append(request)
            own, steps = self._pages.get(path) or (Page(status=404), [send()])
            step = steps.pop(0) if len(steps) > 1 else steps[0]
        return step.page or own, step


@contextmanager
def run_sources(host: str = "127.0.0.1", *, tls: SSLContext | None = None) -> Iterator[Sources]:
    """Serves on a free port until the end, when every connection is ended, however busy."""
    with _Server(host, tls) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.sources
        finally:
            server.shutdown()
            thread.join()
            server.end_connections()
    assert not server.sources.errors, server.sources.errors


@dataclass(frozen=True)
class Part:
    """Which bytes of a page are sent, and how many of how many are told."""

    status: int
    start: int
    end: int
    told_end: int


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def __init__(self, host: str, tls: SSLContext | None) -> None:
        super().__init__((host, 0), _Handler)
        if tls:
            # Not on accept: a client that does not shake hands would block all others.
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self.sources = Sources(f"{'https' if tls else 'http'}://{host}:{self.server_port}")
        self.is_stopping = Event()
        self.connections: set[socket.socket] = set()

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's asks the name server for the host's name
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), port

    def end_connections(self) -> None:
        self.is_stopping.set()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # it ended by itself
                continue

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self.sources.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def log_message(self, *args: object) -> None:
        return

    def do_GET(self) -> None:
        page, step = self.server.sources.take_step(self.path, self.headers)
        part = find_part(page, self.headers)
        self._send_head(page, part)
        for piece in self._pace(page.stream, part, step):
            self._send_piece(page, piece)
        if step.is_reset:
            self._reset()
        elif step.after is not None or page.announces not in {"length", "chunked"}:
            self.close_connection = True
        elif page.announces == "chunked":
            self.wfile.write(b"0\r\n\r\n")

    def _send_head(self, page: Page, part: Part) -> None:
        self.send_response(part.status)
        for name, value in (*list_headers(page), *list_part_headers(page, part)):
            self.send_header(name, value)
        self.end_headers()

    def _pace(self, stream: Stream, part: Part, step: Step) -> Iterator[bytes | memoryview]:
        """The pieces of an answer's body, as many and as fast as the step lets through."""
        end = part.end if step.after is None else min(part.end, part.start + step.after)
        rate = step.bytes_per_second
        if rate is None:
            yield from stream.cut_pieces(part.start, end)
            return
        if rate == 0:
            self.server.is_stopping.wait()
            return
        for piece in stream.cut_pieces(part.start, end, max(1, rate // DRIPS_PER_SECOND)):
            if self.server.is_stopping.wait(len(piece) / rate):
                return
            yield piece

    def _send_piece(self, page: Page, piece: bytes | memoryview) -> None:
        if page.announces == "chunked":
            self.wfile.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
        else:
            self.wfile.write(piece)

    def _reset(self) -> None:
        """Ends the connection with RST. What the other side has not got by then, it never gets."""
        end = time.monotonic() + DELIVERY_SECONDS
        while count_unsent(self.connection) and time.monotonic() < end:
            time.sleep(0.001)
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        # Before anybody shuts it down in order, which would send FIN first.
        socket.close(self.connection.detach())


def find_part(page: Page, headers: Message) -> Part:
    """The range that was asked for where it is heeded, else the whole."""
    asked = RANGE.fullmatch(headers.get("Range", ""))
    condition = headers.get("If-Range", "")
    is_stale = condition and page.heeds_if_range and not is_met(page, condition)
    if not page.has_ranges or asked is None or is_stale:
        return Part(page.status, 0, page.stream.size, page.told_bytes)
    start = int(asked[1]) + page.range_shift
    if start >= page.told_bytes:
        return Part(416, start, start, start)
    if not asked[2] or int(asked[2]) >= page.told_bytes:
        return Part(206, start, page.stream.size, page.told_bytes)
    end = int(asked[2]) + 1
    return Part(206, start, end, end)


def is_met(page: Page, condition: str) -> bool:
    """Whether an If-Range holds: a weak ETag never does (RFC 9110, 13.1.5)."""
    if condition.startswith("W/"):
        return False
    return condition in {page.etag, page.last_modified}


def list_headers(page: Page) -> Iterator[tuple[str, str]]:
    yield "Content-Type", page.content_type
    if page.etag:
        yield "ETag", page.etag
    if page.last_modified:
        yield "Last-Modified", page.last_modified
    if page.has_ranges:
        yield "Accept-Ranges", "bytes"
    yield from page.headers.items()


def list_part_headers(page: Page, part: Part) -> Iterator[tuple[str, str]]:
    if part.status == 206:
        yield "Content-Range", f"bytes {part.start}-{part.told_end - 1}/{page.told_bytes}"
    elif part.status == 416:
        yield "Content-Range", f"bytes */{page.told_bytes}"
    if page.announces == "chunked":
        yield "Transfer-Encoding", "chunked"
    elif page.announces == "nothing":
        yield "Connection", "close"
    else:
        yield "Content-Length", str(part.told_end - part.start)


def count_unsent(connection: socket.socket) -> int:
    """Bytes that the other side has not acknowledged yet."""
    answer = fcntl.ioctl(connection, termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])
