"""The one place that opens a source: a URL, or a file of this machine as a `file://` URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

import urllib3

from imports.engine.records import ImportFailure

BLOCK_BYTES = 2**18
MAX_REDIRECTS = 5
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
    if parts.scheme != "file" and not parts.hostname:
        raise ImportFailure("url_denied", f"{url} names no host")
    return parts


@contextmanager
def _open_file(path: Path, start: int) -> Iterator[Source]:
    try:
        with path.open("rb") as file:
            total_bytes = path.stat().st_size
            file.seek(start)
            yield Source(iter(lambda: file.read(BLOCK_BYTES), b""), total_bytes)
    except OSError as error:
        raise ImportFailure("source_unreadable", f"{path}: {error.strerror}") from error


@contextmanager
def _open_url(url: str, start: int) -> Iterator[Source]:
    retries = urllib3.Retry(connect=3, read=0, redirect=MAX_REDIRECTS, backoff_factor=0.5)
    headers = {"Accept-Encoding": "identity", "User-Agent": "Catchment"}
    try:
        with urllib3.PoolManager() as pool:
            response = pool.request(
                "GET", url, headers=headers, retries=retries, timeout=TIMEOUT, preload_content=False
            )
            with response:
                yield _read_response(response, start)
    except urllib3.exceptions.LocationParseError as error:
        raise ImportFailure("url_denied", f"{url} is not a URL that can be opened") from error
    except urllib3.exceptions.MaxRetryError as error:
        # Its reason tells the redirects from a server that cannot be reached.
        is_loop = isinstance(error.reason, urllib3.exceptions.ResponseError)
        raise ImportFailure("url_denied" if is_loop else "source_unreliable", str(error)) from error
    except urllib3.exceptions.HTTPError as error:
        raise ImportFailure("source_unreliable", str(error)) from error


def _read_response(response: urllib3.BaseHTTPResponse, start: int) -> Source:
    if response.status != 200:
        detail = f"the server answered {response.status} {response.reason or ''}".rstrip()
        raise ImportFailure(f"http_{response.status}", detail)
    length = response.headers.get("Content-Length", "")
    return Source(
        _skip_bytes(response.stream(BLOCK_BYTES, decode_content=False), start),
        int(length) if length.isdecimal() else None,
        response.headers.get("ETag", ""),
        response.headers.get("Last-Modified", ""),
    )


def _skip_bytes(blocks: Iterator[bytes], count: int) -> Iterator[bytes]:
    for block in blocks:
        if count < len(block):
            yield block[count:]
        count = max(0, count - len(block))
