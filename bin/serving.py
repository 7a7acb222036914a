"""A file server for measurements, in a process of its own that leaves the CPU to what is measured.

`/NAME` is a file of its folder; `/repeated/BYTES/NAME` is that file's first line and then its other
lines, again and again, until there are at least so many bytes.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NAME = re.compile(r"/(?:repeated/([1-9][0-9]{0,14})/)?((?:[\w-][\w.-]*/)*[\w-][\w.-]*)", re.ASCII)
RANGE = re.compile(r"bytes=([0-9]{1,18})-", re.ASCII)


@dataclass(frozen=True)
class Repeated:
    """A first line, and then the same lines `count` times: never held in memory as a whole."""

    header: bytes
    block: bytes
    count: int

    @property
    def size(self) -> int:
        return len(self.header) + len(self.block) * self.count

    @property
    def row_count(self) -> int:
        return self.block.count(b"\n") * self.count

    @property
    def etag(self) -> str:
        return f'"{sha256(self.header + self.block).hexdigest()[:16]}-{self.count:x}"'

    def pieces(self, start: int = 0) -> Iterator[memoryview]:
        """The bytes from `start` on."""
        if start < len(self.header):
            yield memoryview(self.header)[start:]
        skipped, offset = divmod(max(start - len(self.header), 0), len(self.block))
        for _ in range(skipped, self.count):
            yield memoryview(self.block)[offset:]
            offset = 0


def repeat(content: bytes, least_bytes: int) -> Repeated:
    """`content` must end with a newline, and have one line at least beside the first."""
    end = content.index(b"\n") + 1
    header, block = content[:end], content[end:]
    return Repeated(header, block, max(1, -(-(least_bytes - len(header)) // len(block))))


@dataclass(frozen=True)
class Stored:
    """A file, sent by the kernel without a copy of it in this process."""

    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @property
    def etag(self) -> str:
        found = self.path.stat()
        return f'"{found.st_mtime_ns:x}-{found.st_size:x}"'


def find_source(folder: Path, path: str) -> Repeated | Stored | None:
    match = NAME.fullmatch(path)
    if match is None or not (folder / match[2]).is_file():
        return None
    file = folder / match[2]
    return repeat(file.read_bytes(), int(match[1])) if match[1] else Stored(file)


def read_start(wanted: str, condition: str, source: Repeated | Stored) -> int:
    """The first byte of `Range: bytes=N-`; 0 where the whole is to be sent."""
    match = RANGE.fullmatch(wanted)
    if match is None or condition not in {"", source.etag} or int(match[1]) >= source.size:
        return 0
    return int(match[1])


class Handler(BaseHTTPRequestHandler):
    """Answers GET."""

    def __init__(self, *arguments: object, folder: Path) -> None:
        self.folder = folder
        super().__init__(*arguments)  # type: ignore[arg-type]  # what the server passes

    def do_GET(self) -> None:
        source = find_source(self.folder, self.path)
        if source is None:
            self.send_error(404)
            return
        start = read_start(self.headers.get("Range", ""), self.headers.get("If-Range", ""), source)
        self._send_head(source, start)
        with suppress(ConnectionError):  # whoever asked went away
            if isinstance(source, Stored):
                self._send_file(source, start)
            else:
                for piece in source.pieces(start):
                    self.connection.sendall(piece)

    def _send_head(self, source: Repeated | Stored, start: int) -> None:
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{source.size - 1}/{source.size}")
        self.send_header("Content-Length", str(source.size - start))
        self.send_header("ETag", source.etag)
        self.end_headers()

    def _send_file(self, source: Stored, start: int) -> None:
        with source.path.open("rb") as file:
            while sent := os.sendfile(self.connection.fileno(), file.fileno(), start, 2**30):
                start += sent

    def log_message(self, *_: object) -> None:
        return


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    return ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, folder=folder))


if __name__ == "__main__":
    make_server(Path(sys.argv[1]), int(sys.argv[2])).serve_forever()
