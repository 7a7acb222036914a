"""The one place that opens a source: a URL, or a file of this machine as a `file://` URL."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

import urllib3

from imports.engine.records import ImportFailure

BLOCK_BYTES = 2**18
MAX_REDIRECTS = 5
MAX_LENGTH_DIGITS = 18
LOCAL_HOSTS = frozenset({"", "localhost"})
TIMEOUT = urllib3.Timeout(connect=10, read=60)


@dataclass(frozen=True)
class Source:
    """An open source: its bytes from `start` on, and what is known of the whole of it."""

    blocks: Iterator[bytes]
    total_bytes: int | None
    etag: str = ""
    last_modified: str = ""


@contextmanager
def open_source(url: str, *, start: int = 0) -> Iterator[Source]:
    """Opens `url` and skips its first `start` bytes. Raises ImportFailure where it cannot."""
    parts = _split_url(url)
    if parts.scheme == "file":
        with _open_file(Path(unquote(parts.path)), start) as source:
            yield source
    else:
        with _open_url(url, start) as source:
            yield source


def _split_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ImportFailure("url_denied", f"{url} is not a URL: {error}") from error
    if parts.scheme not in {"file", "http", "https"}:
        raise ImportFailure("url_denied", f"only http and https can be imported: {url}")
    if parts.scheme == "file" and parts.netloc not in LOCAL_HOSTS:
        raise ImportFailure("url_denied", f"{url} names another machine's file")
    if parts.scheme != "file" and not parts.hostname:
        raise ImportFailure("url_denied", f"{url} names no host")
    return parts


@contextmanager
def _open_file(path: Path, start: int) -> Iterator[Source]:
    try:
        # Before it is opened: a pipe that nobody writes to would block for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ImportFailure("source_unreadable", f"{path} is no regular file")
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            file.seek(start)
            blocks = iter(lambda: file.read(BLOCK_BYTES), b"")
            yield Source(blocks, status.st_size, last_modified=str(status.st_mtime_ns))
    except OSError as error:
        raise ImportFailure("source_unreadable", f"{path}: {error.strerror}") from error


@contextmanager
def _open_url(url: str, start: int) -> Iterator[Source]:
    with urllib3.PoolManager() as pool, _request(pool, url) as response:
        try:
            yield _read_response(response, start)
        except urllib3.exceptions.HTTPError as error:  # while the body is being read
            raise ImportFailure("source_unreliable", str(error)) from error


def _request(pool: urllib3.PoolManager, url: str) -> urllib3.BaseHTTPResponse:
    retries = urllib3.Retry(
        connect=3,
        read=0,
        status=0,
        other=0,
        redirect=MAX_REDIRECTS,
        backoff_factor=0.5,
        respect_retry_after_header=False,
    )
    headers = {"Accept-Encoding": "identity", "User-Agent": "Catchment"}
    try:
        return pool.request(
            "GET", url, headers=headers, retries=retries, timeout=TIMEOUT, preload_content=False
        )
    except urllib3.exceptions.MaxRetryError as error:
        # Its reason tells the redirects from a server that cannot be reached.
        is_loop = isinstance(error.reason, urllib3.exceptions.ResponseError)
        raise ImportFailure("url_denied" if is_loop else "source_unreliable", str(error)) from error
    except ValueError as error:  # also urllib3's own for a URL that cannot be opened
        raise ImportFailure("url_denied", f"{url}, or what it redirects to: {error}") from error
    except urllib3.exceptions.HTTPError as error:
        raise ImportFailure("source_unreliable", str(error)) from error


def _read_response(response: urllib3.BaseHTTPResponse, start: int) -> Source:
    if response.status != 200:
        detail = f"the server answered {response.status} {response.reason or ''}".rstrip()
        raise ImportFailure(f"http_{response.status}", detail)
    return Source(
        _skip_bytes(response.stream(BLOCK_BYTES, decode_content=False), start),
        read_length(response.headers.get("Content-Length", "")),
        read_header(response.headers.get("ETag", "")),
        read_header(response.headers.get("Last-Modified", "")),
    )


def read_length(text: str) -> int | None:
    """The announced bytes; None for what is no length, or more than any file has."""
    is_length = text.isascii() and text.isdecimal() and len(text) <= MAX_LENGTH_DIGITS
    return int(text) if is_length else None


def read_header(text: str) -> str:
    """A header's text as PostgreSQL can hold it."""
    return text.replace("\0", "")


def _skip_bytes(blocks: Iterator[bytes], count: int) -> Iterator[bytes]:
    for block in blocks:
        if count < len(block):
            yield block[count:]
        count = max(0, count - len(block))
