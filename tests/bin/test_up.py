"""`bin/up` from a clean copy, as a newcomer runs it."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MADE_BY_RUNNING = shutil.ignore_patterns(
    ".git", ".venv", ".local", "node_modules", "static", ".*_cache", "__pycache__", ".coverage*"
)


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Site:
    """What `bin/up` serves."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder = folder
        self.log = log
        self.port = find_free_port()
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        # Of the test's own surroundings, what bin/up decides for itself is left out.
        stores = ("DATABASE_URL", "READER_DATABASE_URL", "REDIS_URL")
        chosen = (*stores, "SECRET_KEY", "ANONYMOUS_ACCESS", "COVERAGE_FILE")
        environment = {name: value for name, value in os.environ.items() if name not in chosen}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [self.folder / "bin/up"],
                env=environment | {"PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
            )

    def read(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def speaks_http1_alone(self) -> bool:
        """HTTP/2 may leave out the length of a body, which would be taken for an empty one."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
            return connection.recv(5) in {b"", b"HTTP/"}

    def count_points(self) -> int:
        status, body = self.read("/api/v1/footprints/heatmap/")
        return len(json.loads(body)["features"]) if status == 200 else -1

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.2)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=15)

    def is_back(self, name: str, killed: set[int]) -> bool:
        return bool(self.find_processes(name) - killed)

    def find_processes(self, name: str = "") -> set[int]:
        """Those that run for the site, whoever started them, with `name` in their command."""
        mark = f"CATCHMENT_LOCAL={self.folder}/.local".encode()
        found = set()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                is_ours = mark in (entry / "environ").read_bytes().split(b"\0")
                if is_ours and name.encode() in (entry / "cmdline").read_bytes():
                    found.add(int(entry.name))
            except OSError:
                continue
        return found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "a clean copy"
    shutil.copytree(ROOT, folder, ignore=MADE_BY_RUNNING)
    site = Site(folder, tmp_path / "up.log")
    site.start()
    try:
        yield site
    finally:
        if site.process.poll() is None:
            site.stop()
        for fallback in Path("/var/lib/catchment").glob(f"{folder.name}-*"):
            shutil.rmtree(fallback)


def test_newcomer_sees_the_sample_and_what_dies_comes_back(site: Site) -> None:
    site.wait_for(lambda: site.count_points() == 200, seconds=300)
    assert site.read("/")[0] == 200
    assert "created the user admin with the password" in site.log.read_text()

    assert site.speaks_http1_alone()

    killed = {name: site.find_processes(name) for name in ("granian", "rqworker", "sweep")}
    for pid in set().union(*killed.values()):
        with suppress(ProcessLookupError):  # a child may have gone with its parent
            os.kill(pid, signal.SIGKILL)
    for name, pids in killed.items():
        site.wait_for(partial(site.is_back, name, pids), seconds=30)
    site.wait_for(lambda: b'"status": "ready"' in site.read("/readyz")[1], seconds=60)

    assert site.count_points() == 200
    site.wait_for(lambda: "Ctrl-C stops everything" in site.log.read_text(), seconds=60)
    assert site.stop() == 0
    assert site.find_processes() == set()

    began = time.monotonic()
    site.start()
    site.wait_for(lambda: site.count_points() == 200, seconds=60)
    site.wait_for(lambda: site.log.read_text().count("Ctrl-C stops everything") == 2, seconds=60)
    print(f"second start: {time.monotonic() - began:.1f} s")
    assert site.log.read_text().count("created the user") == 1
    assert site.stop() == 0
    assert site.find_processes() == set()
