"""The one place that opens a URL.

A download that breaks off goes on with `Range` and `If-Range` where the server can, and else is
read again from its beginning: its reader is told by `Rewound`, and checks what it has already.
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import urllib3

from imports.engine.answers import (
    Transient,
    follow_redirect,
    judge_status,
    name_host,
    read_part,
    read_validators,
)
from imports.engine.guarding import Network, check_url, open_pool
from imports.engine.records import ImportFailure
from imports.engine.sources import (
    BLOCK_BYTES,
    FileSource,
    Rewound,
    Source,
    SourceAborted,
    Validators,
)

MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
CONNECT_SECONDS = 10.0
MOMENT_SECONDS = 0.2
STALL_SECONDS = 60.0
STALL_BYTES_PER_SECOND = 1024
# Between attempts that brought nothing new; after the last the import fails.
RETRY_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Policy:
    """What may be fetched: `allowed` networks besides the public ones, and how much."""

    allowed: Sequence[Network] = ()
    max_bytes: int = 2**40


def find_source(
    url: str, policy: Policy, *, start: int = 0, known: Validators | None = None
) -> Source:
    """What `url` names, to be opened at byte `start`, or at 0 where that cannot be. `known` are the
    validators that it had before; without a condition for `If-Range` it is read from its beginning.
    """
    if url.startswith("file:"):
        return FileSource(url, start, known)
    return WebSource(url, policy, start=start if known and known.condition else 0, known=known)


@dataclass
class _Attempts:
    """Counts the attempts in a row that brought nothing new.

    A trickle is no progress, in one answer or in one byte each: it would go on for years.
    """

    best: int = 0
    failed: int = 0
    noted: float = field(default_factory=time.monotonic)

    def note(self, fault: Transient, position: int) -> float:
        """The pause before the next attempt; raises ImportFailure where it was the last."""
        now = time.monotonic()
        least = STALL_BYTES_PER_SECOND * min(now - self.noted, STALL_SECONDS)
        if position - self.best > least:
            self.failed = 0
        self.best, self.noted = max(self.best, position), now
        if self.failed == len(RETRY_PAUSES):
            raise ImportFailure("source_unreliable", str(fault)) from fault
        self.failed += 1
        return max(fault.pause, RETRY_PAUSES[self.failed - 1])


@dataclass
class _Pace:
    """Watches the time that is spent waiting for bytes, not the time that others take."""

    seconds: float = 0.0
    size: int = 0

    def note(self, seconds: float, size: int) -> None:
        """Raises Transient where the source has slowed down to nearly nothing."""
        self.seconds += seconds
        self.size += size
        if self.seconds < STALL_SECONDS:
            return
        if self.size < STALL_BYTES_PER_SECOND * self.seconds:
            raise Transient(f"{self.size} bytes came in {self.seconds:.0f} seconds")
        self.seconds, self.size = 0.0, 0


class _Sockets:
    """The newest socket of a download, so that another thread may end it. A duplicate, which
    outlives the response."""

    def __init__(self) -> None:
        self.is_aborted = threading.Event()
        self._newest: socket.socket | None = None

    def add(self, sock: socket.socket) -> None:
        """Raises SourceAborted: a socket that is not connected yet cannot be shut down."""
        self.close()
        # What is encrypted cannot be duplicated.
        self._newest = sock if isinstance(sock, ssl.SSLSocket) else sock.dup()
        if self.is_aborted.is_set():
            raise SourceAborted

    def has_more(self) -> bool:
        """Whether there is something to read, within a moment."""
        sock = self._newest
        if sock is None or isinstance(sock, ssl.SSLSocket):
            return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        with suppress(OSError):  # a connection that was reset has nothing more
            readable, _, _ = select.select([sock], [], [], MOMENT_SECONDS)
            return bool(readable and sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        return False

    def abort(self) -> None:
        """Repeat it: a socket that is being connected does not hear it."""
        self.is_aborted.set()
        self.shut_down()

    def shut_down(self) -> None:
        if self._newest is not None:
            with suppress(OSError):
                self._newest.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self._newest is not None and not isinstance(self._newest, ssl.SSLSocket):
            self._newest.close()


class _Watch(threading.Thread):
    """Ends a wait that a server prolongs by a byte now and then, where no body comes of them: in a
    head, in the trailers of a chunked body. What waits for one byte has a timeout of its own."""

    def __init__(self, sockets: _Sockets) -> None:
        super().__init__(name="watch of a download", daemon=True)
        self._sockets = sockets
        self._is_closed = threading.Event()
        self._began: float | None = None
        self._has_stalled = False

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Raises Transient where the block took too long."""
        self._has_stalled = False
        self._began = time.monotonic()
        try:
            yield
        finally:
            self._began = None
            if self._has_stalled:
                raise Transient(f"nothing of use came in {2 * STALL_SECONDS:.0f} seconds")

    def run(self) -> None:
        while not self._is_closed.wait(STALL_SECONDS / 10):
            began = self._began
            if began is not None and time.monotonic() - began > 2 * STALL_SECONDS:
                self._has_stalled = True
                self._sockets.shut_down()

    def close(self) -> None:
        self._is_closed.set()


class WebSource(Source):
    """A download, resumed where it breaks off."""

    def __init__(self, url: str, policy: Policy, *, start: int, known: Validators | None) -> None:
        self.url = url
        self.policy = policy
        self.position = start
        self._known = known
        self._attempts = _Attempts(best=start)
        self._sockets = _Sockets()
        self._watch = _Watch(self._sockets)
        self._pool = open_pool(policy.allowed, self._sockets.add)
        self._response: urllib3.BaseHTTPResponse | None = None
        self._has_ended = False
        self._may_go_on = False

    def open(self) -> None:
        self._watch.start()
        self._response = self._open_again()

    def blocks(self) -> Iterator[bytes]:
        while True:
            try:
                yield from self._read_response()
                return
            except Transient as fault:
                self._pause(fault)
            wanted = self.position
            if not self.validators.condition:
                self.position = 0
            self._response = self._open_again()
            if self.position != wanted:
                raise Rewound

    def abort(self) -> None:
        self._sockets.abort()

    def close(self) -> None:
        self._watch.close()
        if self._response is not None:
            self._response.close()
        self._pool.clear()
        self._sockets.close()

    def _open_again(self) -> urllib3.BaseHTTPResponse:
        """A response whose bytes start at `position`, which may have become 0."""
        while True:
            try:
                response = self._request()
                self._take(response)
                return response
            except Transient as fault:
                self._pause(fault)

    def _pause(self, fault: Transient) -> None:
        pause = self._attempts.note(fault, self.position)
        if self._sockets.is_aborted.wait(pause):
            raise SourceAborted

    def _request(self) -> urllib3.BaseHTTPResponse:
        url = self.url
        for _ in range(MAX_REDIRECTS + 1):
            response = self._get(url)
            if response.status not in REDIRECTS:
                return response
            response.close()
            url = follow_redirect(url, response.headers.get("Location", ""))
        detail = f"more than {MAX_REDIRECTS} redirects, the last to {name_host(url)}"
        raise ImportFailure("url_denied", detail)

    def _get(self, url: str) -> urllib3.BaseHTTPResponse:
        check_url(url)
        headers = {"Accept-Encoding": "identity", "User-Agent": "Catchment", "Accept": "*/*"}
        if self.position:
            assert self._known is not None  # noqa: S101 (only then is there a position)
            headers["Range"] = f"bytes={self.position}-"
            headers["If-Range"] = self._known.condition
        try:
            with self._watch.waiting():
                return self._pool.request(
                    "GET",
                    url,
                    headers=headers,
                    redirect=False,
                    retries=False,
                    timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=STALL_SECONDS),
                    preload_content=False,
                )
        except urllib3.exceptions.LocationValueError as error:
            raise ImportFailure("url_denied", f"{name_host(url)}: {error}") from error
        except urllib3.exceptions.SSLError as error:
            if not _is_certificate_at_fault(error):
                raise Transient(str(error)) from error
            detail = f"the certificate of {name_host(url)} is not trusted: {error}"
            raise ImportFailure("url_denied", detail) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Transient(str(error)) from error
        except ValueError as error:  # of what no URL can hold
            raise ImportFailure("url_denied", f"{name_host(url)}: {error}") from error

    def _take(self, response: urllib3.BaseHTTPResponse) -> None:
        """Judges the answer. Raises Transient or ImportFailure where it is of no use."""
        self._may_go_on = False
        if response.status == 206 and self.position:
            self._take_part(response)
            return
        if response.status == 416 and self._is_at_end(response):
            assert self._known is not None  # noqa: S101 (only then was there a position)
            self.validators = self._known
            self._has_ended = True
            return
        if response.status != 200:
            raise judge_status(response)
        found = read_validators(response)
        if self._known is not None:
            self._known.check(found)
        self._known = self.validators = found
        self.position = 0

    def _is_at_end(self, response: urllib3.BaseHTTPResponse) -> bool:
        """Whether all had come before it broke off: there is nothing behind the last byte."""
        return response.headers.get("Content-Range", "") == f"bytes */{self.position}"

    def _take_part(self, response: urllib3.BaseHTTPResponse) -> None:
        assert self._known is not None  # noqa: S101 (a part is asked for only then)
        part = read_part(response)
        if part is None or part.start != self.position:
            sent = response.headers.get("Content-Range", "")
            raise Transient(f"bytes from {self.position} were asked for, sent: {sent!r}")
        found = read_validators(response)
        merged = Validators(
            found.etag or self._known.etag,
            found.last_modified or self._known.last_modified,
            self._known.total_bytes if part.total_bytes is None else part.total_bytes,
        )
        self._known.check(merged)
        self._known = self.validators = merged
        # A part may be shorter than what was asked for: where nobody tells the whole length, only
        # another answer tells that there is no more.
        self._may_go_on = merged.total_bytes is None

    def _read_response(self) -> Iterator[bytes]:
        """The bytes of the response at hand. Raises Transient where it breaks off."""
        response = self._response
        assert response is not None  # noqa: S101 (`open` was called)
        pace = _Pace()
        while not self._has_ended:
            began = time.monotonic()
            block = self._read_block(response)
            if not block:
                break
            pace.note(time.monotonic() - began, len(block))
            self.position += len(block)
            self._check_surplus(block)
            if self.position > self.policy.max_bytes:
                raise ImportFailure("too_large", f"more than {self.policy.max_bytes} bytes")
            yield block
        total = self.validators.total_bytes
        if total is not None and self.position < total:
            raise Transient(f"{self.position} bytes came where {total} were announced")
        if total is None and not self.position and not response.chunked:
            # http.client takes the end of a connection for the end of a head.
            raise Transient("the answer ended before its body began")
        if self._may_go_on and not self._has_ended:
            raise Transient(f"a part ended at byte {self.position}, which may not be the last")

    def _check_surplus(self, block: bytes) -> None:
        """A length that is too small cuts a row, which may look whole without its last digits.

        Over plain http only, and not of a body that came in one piece with its head: more of it
        stands in buffers where nobody can look.
        """
        is_end = self.position == self.validators.total_bytes and not block.endswith(b"\n")
        if is_end and self._sockets.has_more():
            detail = f"more bytes came than the {self.position} that were announced"
            raise ImportFailure("source_unreliable", detail)

    def _read_block(self, response: urllib3.BaseHTTPResponse) -> bytes:
        try:
            with self._watch.waiting():
                block = response.read1(BLOCK_BYTES, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if not self._sockets.is_aborted.is_set():
                raise Transient(str(error)) from error
        if self._sockets.is_aborted.is_set():  # a socket that was shut down reads as ended
            raise SourceAborted
        return block


def _is_certificate_at_fault(error: BaseException) -> bool:
    return isinstance(error.args[0] if error.args else None, ssl.SSLCertVerificationError)
