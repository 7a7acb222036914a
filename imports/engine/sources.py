"""A source of bytes, and the kind that is a file of this machine."""

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote_to_bytes, urlsplit

from imports.engine.records import ImportFailure

BLOCK_BYTES = 2**18
LOCAL_HOSTS = frozenset({"", "localhost"})


@dataclass(frozen=True)
class Validators:
    """What tells whether a source is still the one that it was."""

    etag: str = ""
    last_modified: str = ""
    total_bytes: int | None = None

    @property
    def condition(self) -> str:
        """What `If-Range` may hold; a weak ETag says nothing of single bytes."""
        is_strong = not self.etag.startswith("W/")
        return (self.etag if is_strong else "") or ("" if self.etag else self.last_modified)

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

    @abstractmethod
    def close(self) -> None:
        """Frees what it holds; it may not have been opened."""

    def abort(self) -> None:  # noqa: B027 - most sources answer soon
        """Ends a read that another thread may be waiting in."""


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
        self.validators = _describe(self._file)
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
        self.validators.check(_describe(self._file))  # somebody may still be writing

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _find_path(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in LOCAL_HOSTS:
        raise ImportFailure("url_denied", f"{url} names another machine's file")
    return Path(os.fsdecode(unquote_to_bytes(parts.path)))


def _describe(file: IO[bytes]) -> Validators:
    """By its time of change and its length: to read it for a checksum would take as long as to
    load it."""
    status = os.fstat(file.fileno())
    etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
    return Validators(etag=etag, total_bytes=status.st_size)
