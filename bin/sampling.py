"""What a running service takes, looked at again and again: memory, connections, queues, disk."""

from __future__ import annotations

import os
import socket
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stores import REDIS_SOCKET
from supervisor import descendants, read_parents
from workbench import LOGS, Bench, query, read_memory

# The programs of `bin/up` that are the project's own.
ROLES = {
    "web": "web server",
    "worker": "import workers",
    "worker-2": "import workers",
    "payload-worker": "payload worker",
    "sweeper": "sweeper",
}
READ_DATABASE = """
    SELECT (SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND backend_type = 'client backend'
               AND pid <> pg_backend_pid()),
           count(*), coalesce(extract(epoch FROM now() - min(received_at)), 0)
      FROM dropzone_payload WHERE state = 'received'
"""
REDIS_BYTES = 2**16


@dataclass(frozen=True)
class Sample:
    seconds: float  # since the begin
    memory: Mapping[str, int]  # bytes by role
    connections: int  # to PostgreSQL
    waiting: int  # payloads
    oldest_seconds: float  # that the oldest of them waits
    redis_bytes: int
    redis_keys: int
    disk_bytes: int


@dataclass(frozen=True)
class Span:
    """The samples between two moments."""

    begin: float
    end: float

    def median(self, samples: Sequence[Sample], read: Callable[[Sample], float]) -> float:
        """0 where there is no sample."""
        found = [read(one) for one in samples if self.begin < one.seconds <= self.end]
        return statistics.median(found) if found else 0.0


def take_sample(bench: Bench, seconds: float) -> Sample:
    connections, waiting, oldest_seconds = query(bench, READ_DATABASE).split("|")
    redis = bench.home.sockets / REDIS_SOCKET
    return Sample(
        seconds=seconds,
        memory=read_roles(bench),
        connections=int(connections),
        waiting=int(waiting),
        oldest_seconds=float(oldest_seconds),
        redis_bytes=read_used(ask_redis(redis, "INFO memory")),
        redis_keys=int(ask_redis(redis, "DBSIZE").strip().removeprefix(":")),
        disk_bytes=count_bytes(bench.home.cluster) + count_bytes(LOGS),
    )


def read_roles(bench: Bench) -> dict[str, int]:
    """What is resident, without the processes of jobs, which end with them."""
    parents = read_parents()
    found = dict.fromkeys(ROLES.values(), 0)
    for child in bench.supervisor.children:
        if child.program.name in ROLES and child.pid is not None:
            below = descendants({child.pid}, parents) if child.program.name == "web" else set()
            pids = {child.pid} | below
            found[ROLES[child.program.name]] += sum(read_memory(pid, "VmRSS") for pid in pids)
    return found


def ask_redis(path: Path, command: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(path))
        client.sendall(f"{command}\r\nQUIT\r\n".encode())
        answer = b""
        while block := client.recv(REDIS_BYTES):
            answer += block
    return answer.decode().removesuffix("+OK\r\n")


def read_used(answer: str) -> int:
    lines = (line for line in answer.splitlines() if line.startswith("used_memory:"))
    return int(next(lines).partition(":")[2])


def count_bytes(folder: Path) -> int:
    """Of the disk; files come and go meanwhile."""
    return sum(
        read_blocks(os.path.join(root, name))
        for root, _, names in os.walk(folder)
        for name in names
    )


def read_blocks(path: str) -> int:
    try:
        return os.lstat(path).st_blocks * 512
    except OSError:
        return 0
