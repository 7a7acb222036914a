"""What the answers of a web server say: whether they are of use, and of which source they are."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import urllib3

from imports.engine.guarding import check_url
from imports.engine.records import ImportFailure
from imports.engine.sources import Validators

MAX_LENGTH_DIGITS = 18
MAX_RETRY_AFTER = 300.0
TRANSIENT = frozenset({408, 425, 429})
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", re.ASCII)


class Transient(Exception):
    """Worth another attempt, after `pause` seconds where the server asks for them."""

    def __init__(self, detail: str, *, pause: float = 0.0) -> None:
        super().__init__(detail)
        self.pause = pause


@dataclass(frozen=True)
class Part:
    """Where the bytes of a 206 start, and of how many they are, where that is told."""

    start: int
    total_bytes: int | None


def judge_status(response: urllib3.BaseHTTPResponse) -> Exception:
    """What an answer without bytes of the source is: Transient, or the ImportFailure it ends in."""
    status = response.status
    detail = f"the server answered {status} {response.reason or ''}".rstrip()
    if status == 416:
        return ImportFailure("source_changed", "it is shorter than it was")
    if status in TRANSIENT or status >= 500 or status < 300:
        return Transient(detail, pause=read_retry_after(response.headers.get("Retry-After", "")))
    return ImportFailure(f"http_{status}", detail)


def read_part(response: urllib3.BaseHTTPResponse) -> Part | None:
    """None where its Content-Range does not tell."""
    match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None:
        return None
    return Part(int(match[1]), None if match[2] == "*" else int(match[2]))


def read_validators(response: urllib3.BaseHTTPResponse) -> Validators:
    return Validators(
        drop_nul(response.headers.get("ETag", "")),
        drop_nul(response.headers.get("Last-Modified", "")),
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


def drop_nul(text: str) -> str:
    """A header's text as PostgreSQL can hold it."""
    return text.replace("\0", "").encode(errors="replace").decode()


def follow_redirect(url: str, location: str) -> str:
    """The address that `url` sends us to. Raises ImportFailure where we do not go there."""
    host = name_host(url)
    if not location:
        raise ImportFailure("url_denied", f"{host} redirects to nowhere")
    try:
        target = urljoin(url, location)
    except ValueError as error:
        raise ImportFailure("url_denied", f"{host} redirects to what is no URL") from error
    check_url(target)
    if url.lower().startswith("https:") and not target.lower().startswith("https:"):
        detail = f"{host} redirects to {name_host(target)}, and not over https"
        raise ImportFailure("url_denied", detail)
    return target


def name_host(url: str) -> str:
    """All that an error may tell of a URL: the rest may hold a signature or a key."""
    return urlsplit(url).hostname or ""
