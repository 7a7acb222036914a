"""The one place that opens a source: a URL, or a file of this machine as a `file://` URL.

A download that breaks off goes on with `Range` and `If-Range` where the server can, and else is
read again from its beginning: its reader is told by `Rewound`, and checks what it has already.
"""

import os
import re
import select
import socket
import ssl
import stat
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urljoin, urlsplit

import urllib3

from imports.engine.guarding import Network, check_url, open_pool
from imports.engine.records import ImportFailure

BLOCK_BYTES = 2**18
MAX_REDIRECTS = 5
MAX_LENGTH_DIGITS = 18
LOCAL_HOSTS = frozenset({"", "localhost"})
CONNECT_SECONDS = 10.0
MOMENT_SECONDS = 0.2
STALL_SECONDS = 60.0
STALL_BYTES_PER_SECOND = 1024
# Between attempts that brought nothing new; after the last the import fails.
RETRY_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
MAX_RETRY_AFTER = 300.0
TRANSIENT = frozenset({408, 425, 429})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", re.ASCII)


@dataclass(frozen=True)
class Policy:
    """What may be fetched: `allowed` networks besides the public ones, and how much."""

    allowed: Sequence[Network] = ()
    max_bytes: int = 2**40


@dataclass(frozen=True)
class Validators:
    """What tells whether a source is still the one that it was."""

    etag: str = ""
    last_modified: str = ""
    total_bytes: int | None = None

    @property
    def strong_etag(self) -> str:
        return "" if self.etag.startswith("W/") else self.etag

    @property
    def condition(self) -> str:
        """What `If-Range` may hold; a weak ETag says nothing of single bytes."""
        return self.strong_etag or ("" if self.etag else self.last_modified)

    def check(self, found: "Validators") -> None:
        """Raises ImportFailure `source_changed`: two sources are never spliced. A length that is
        not told is no other length."""
        for name in ("etag", "last_modified", "total_bytes"):
            before, now = getattr(self, name), getattr(found, name)
            if before != now and None not in {before, now}:
                detail = f"its {name.replace('_', ' ')} was {before!r} at first, now it is {now!r}"
                raise ImportFailure("source_changed", detail)


class Rewound(Exception):
    """The source can only be read from its beginning again: `blocks()` does so from here on."""


class SourceAborted(Exception):
    """The source was closed by `abort()` while it was being read."""


class _Transient(Exception):
    """Worth another attempt, after `pause` seconds where the server asks for them."""

    def __init__(self, detail: str, *, pause: float = 0.0, is_stall: bool = False) -> None:
        super().__init__(detail)
        self.pause = pause
        self.is_stall = is_stall


class Source(ABC):
    """A source of bytes. `position` is how many of them have been read, or skipped at first."""

    validators: Validators
    position: int

    @abstractmethod
    def open(self) -> None:
        """Finds out its validators. Raises ImportFailure where it cannot be opened, or is not what
        it was; SourceAborted."""

    @abstractmethod
    def blocks(self) -> Iterator[bytes]:
        """The bytes from `position` on. Raises ImportFailure, Rewound or SourceAborted."""

    def abort(self) -> None:
        """Ends a read that another thread may be waiting in."""
        return

    def close(self) -> None:
        return


def find_source(
    url: str, policy: Policy, *, start: int = 0, known: Validators | None = None
) -> Source:
    """What `url` names, to be opened at byte `start`, or at 0 where that cannot be. `known` are the
    validators that it had before; without a condition for `If-Range` it is read from its beginning.
    """
    if url.startswith("file:"):
        return FileSource(url, start, known)
    return WebSource(url, policy, start=start if known and known.condition else 0, known=known)


class FileSource(Source):
    """A file of this machine."""

    def __init__(self, url: str, start: int, known: Validators | None) -> None:
        self.url = url
        self.position = start
        self._known = known
        self._file: IO[bytes] | None = None

    def open(self) -> None:
        path = _find_path(self.url)
        try:
            # Before it is opened: a pipe that nobody writes to would block for ever.
            if not stat.S_ISREG(path.stat().st_mode):
                raise ImportFailure("source_unreadable", f"{path} is no regular file")
            self._file = path.open("rb")
        except (OSError, ValueError) as error:
            raise ImportFailure("source_unreadable", f"{path}: {error}") from error
        status = os.fstat(self._file.fileno())
        etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        self.validators = Validators(etag=etag, total_bytes=status.st_size)
        if self._known is not None:
            self._known.check(self.validators)
        self._file.seek(self.position)

    def blocks(self) -> Iterator[bytes]:
        assert self._file is not None  # noqa: S101 (`open` was called)
        try:
            while block := self._file.read(BLOCK_BYTES):
                self.position += len(block)
                yield block
        except OSError as error:
            raise ImportFailure("source_unreadable", str(error)) from error

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _find_path(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in LOCAL_HOSTS:
        raise ImportFailure("url_denied", f"{url} names another machine's file")
    return Path(unquote(parts.path))


@dataclass
class _Attempts:
    """Counts the attempts in a row that brought nothing new."""

    failed: int = 0
    best: int = 0

    def note(self, fault: _Transient, position: int) -> float:
        """The pause before the next attempt; raises ImportFailure where it was the last.

        A trickle is no progress: a source at 10 bytes a second would go on for years.
        """
        if position > self.best and not fault.is_stall:
            self.failed = 0
        self.best = max(self.best, position)
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
        """Raises _Transient where the source has slowed down to nearly nothing."""
        self.seconds += seconds
        self.size += size
        if self.seconds < STALL_SECONDS:
            return
        if self.size < STALL_BYTES_PER_SECOND * self.seconds:
            detail = f"{self.size} bytes came in {self.seconds:.0f} seconds"
            raise _Transient(detail, is_stall=True)
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
        readable, _, _ = select.select([sock], [], [], MOMENT_SECONDS)
        return bool(readable and sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))

    def abort(self) -> None:
        """Repeat it: a socket that is being connected does not hear it."""
        self.is_aborted.set()
        if self._newest is not None:
            with suppress(OSError):
                self._newest.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self._newest is not None and not isinstance(self._newest, ssl.SSLSocket):
            self._newest.close()


class WebSource(Source):
    """A download, resumed where it breaks off."""

    def __init__(self, url: str, policy: Policy, *, start: int, known: Validators | None) -> None:
        self.url = url
        self.policy = policy
        self.position = start
        self._known = known
        self._attempts = _Attempts(best=start)
        self._sockets = _Sockets()
        self._pool = open_pool(policy.allowed, self._sockets.add)
        self._response: urllib3.BaseHTTPResponse | None = None
        self._has_ended = False

    def open(self) -> None:
        self._response = self._open_again()

    def blocks(self) -> Iterator[bytes]:
        while True:
            try:
                yield from self._read_response()
                return
            except _Transient as fault:
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
            except _Transient as fault:
                self._pause(fault)

    def _pause(self, fault: _Transient) -> None:
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
        raise ImportFailure("url_denied", f"more than {MAX_REDIRECTS} redirects, the last to {url}")

    def _get(self, url: str) -> urllib3.BaseHTTPResponse:
        check_url(url)
        headers = {"Accept-Encoding": "identity", "User-Agent": "Catchment", "Accept": "*/*"}
        if self.position:
            assert self._known is not None  # noqa: S101 (only then is there a position)
            headers["Range"] = f"bytes={self.position}-"
            headers["If-Range"] = self._known.condition
        try:
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
            raise ImportFailure("url_denied", f"{url}: {error}") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _Transient(str(error)) from error
        except ValueError as error:  # of what no URL can hold
            raise ImportFailure("url_denied", f"{url}: {error}") from error

    def _take(self, response: urllib3.BaseHTTPResponse) -> None:
        """Judges the answer. Raises _Transient or ImportFailure where it is of no use."""
        if response.status == 206 and self.position:
            self._check_part(response)
            return
        if response.status == 416 and self._is_end(response):
            self._has_ended = True
            return
        if response.status != 200:
            raise _judge_status(response)
        found = read_validators(response)
        if self._known is not None:
            self._known.check(found)
        if (found.total_bytes or 0) > self.policy.max_bytes:
            raise ImportFailure("too_large", f"{found.total_bytes} bytes are announced")
        self._known = self.validators = found
        self.position = 0

    def _is_end(self, response: urllib3.BaseHTTPResponse) -> bool:
        """Whether all had come before it broke off: there is nothing behind the last byte."""
        return response.headers.get("Content-Range", "") == f"bytes */{self.position}"

    def _check_part(self, response: urllib3.BaseHTTPResponse) -> None:
        assert self._known is not None  # noqa: S101 (a part is asked for only then)
        content_range = response.headers.get("Content-Range", "")
        match = CONTENT_RANGE.fullmatch(content_range)
        if match is None or int(match[1]) != self.position:
            raise _Transient(f"bytes from {self.position} were asked for, sent: {content_range!r}")
        total = None if match[2] == "*" else int(match[2])
        found = read_validators(response)
        self._known.check(
            Validators(
                found.etag or self._known.etag,
                found.last_modified or self._known.last_modified,
                total if total is not None else self._known.total_bytes,
            )
        )
        self.validators = self._known

    def _read_response(self) -> Iterator[bytes]:
        """The bytes of the response at hand. Raises _Transient where it breaks off."""
        pace = _Pace()
        while not self._has_ended:
            began = time.monotonic()
            block = self._read_block()
            if not block:
                break
            pace.note(time.monotonic() - began, len(block))
            self.position += len(block)
            self._check_end(block)
            if self.position > self.policy.max_bytes:
                raise ImportFailure("too_large", f"more than {self.policy.max_bytes} bytes")
            yield block
        total = self.validators.total_bytes
        if total is not None and self.position < total:
            raise _Transient(f"{self.position} bytes came where {total} were announced")

    def _check_end(self, block: bytes) -> None:
        """A length that is too small cuts a row, which may look whole without its last digits."""
        is_end = self.position == self.validators.total_bytes and not block.endswith(b"\n")
        if is_end and self._sockets.has_more():
            detail = f"more bytes came than the {self.position} that were announced"
            raise ImportFailure("source_unreliable", detail)

    def _read_block(self) -> bytes:
        assert self._response is not None  # noqa: S101 (`open` was called)
        try:
            block = self._response.read1(BLOCK_BYTES, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if not self._sockets.is_aborted.is_set():
                raise _Transient(str(error)) from error
        if self._sockets.is_aborted.is_set():  # a socket that was shut down reads as ended
            raise SourceAborted
        return block


def follow_redirect(url: str, location: str) -> str:
    """The address that `url` sends us to. Raises ImportFailure where we do not go there."""
    if not location:
        raise ImportFailure("url_denied", f"{url} redirects to nowhere")
    try:
        target = urljoin(url, location)
    except ValueError as error:
        raise ImportFailure("url_denied", f"{url} redirects to what is no URL") from error
    check_url(target)
    if url.lower().startswith("https:") and not target.lower().startswith("https:"):
        raise ImportFailure("url_denied", f"{url} redirects to {target}, which is not encrypted")
    return target


def _judge_status(response: urllib3.BaseHTTPResponse) -> Exception:
    status = response.status
    detail = f"the server answered {status} {response.reason or ''}".rstrip()
    if status == 416:
        return ImportFailure("source_changed", "it is shorter than it was")
    if status in TRANSIENT or status >= 500 or status < 300:
        return _Transient(detail, pause=read_retry_after(response.headers.get("Retry-After", "")))
    return ImportFailure(f"http_{status}", detail)


def read_validators(response: urllib3.BaseHTTPResponse) -> Validators:
    return Validators(
        read_header(response.headers.get("ETag", "")),
        read_header(response.headers.get("Last-Modified", "")),
        read_length(response.headers.get("Content-Length", "")),
    )


def read_length(text: str) -> int | None:
    """The announced bytes; None for what is no length, or more than any file has."""
    is_length = text.isascii() and text.isdecimal() and len(text) <= MAX_LENGTH_DIGITS
    return int(text) if is_length else None


def read_retry_after(text: str) -> float:
    """Seconds to wait, from a number or a date (RFC 9110, 10.2.3); 0 for what is neither."""
    if text.isascii() and text.isdecimal():
        return min(float(text[:MAX_LENGTH_DIGITS]), MAX_RETRY_AFTER)
    try:
        seconds = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, IndexError):
        return 0.0
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def read_header(text: str) -> str:
    """A header's text as PostgreSQL can hold it."""
    return text.replace("\0", "").encode(errors="replace").decode()
