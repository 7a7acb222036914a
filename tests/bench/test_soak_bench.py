import signal
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest
import soak_bench
from django.db import connection
from django.urls import resolve
from sampling import READ_DATABASE, ask_redis, count_bytes, read_used
from soak_bench import (
    BUSY_PATIENCE,
    PAGE_PATHS,
    READ_STORED,
    SIGNALS,
    Restarter,
    Task,
    Workers,
    end_worker,
    read_stored,
)
from soak_checks import Restart, Stored
from soak_importing import COUNT_LEFT
from supervisor import Child, Program, descendants, read_parents

# Ending workers


def test_either_worker_gets_either_signal() -> None:
    turns = Counter((place % 2, number) for place, number in enumerate(SIGNALS))

    assert set(turns.values()) == {1}


def test_worker_is_killed_together_with_its_job() -> None:
    worker = subprocess.Popen(["sh", "-c", "sleep 60 & wait"])
    while not (jobs := descendants({worker.pid}, read_parents())):
        time.sleep(0.01)

    end_worker(worker.pid, signal.SIGKILL)

    assert worker.wait() == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while jobs & set(read_parents()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not jobs & set(read_parents())


def make_child(name: str, pid: int) -> Child:
    process = SimpleNamespace(pid=pid)
    program = Program(name, ("true",), {}, Path("/"))
    return Child(program, restarts=True, process=process)  # type: ignore[arg-type]


def test_worker_of_imports_is_ended_at_work_and_else_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    children = [make_child(name, pid) for pid, name in enumerate(("worker", "worker-2", "drainer"))]
    restarter = Restarter(Workers(children[:2], children[2]))
    parents = {100: 1}  # a job of the second
    monkeypatch.setattr(soak_bench, "read_parents", lambda: parents)
    monkeypatch.setattr(soak_bench, "end_worker", lambda *_: None)
    for seconds in (60.0, 120.0):
        restarter.ask(seconds)
        restarter.look(seconds)
    parents.clear()
    restarter.ask(180.0)

    restarter.look(181.0)
    assert len(restarter.done) == 2
    restarter.look(180.0 + BUSY_PATIENCE + 1)

    assert restarter.done == [
        Restart("worker-2", signal.SIGKILL),
        Restart("drainer", signal.SIGKILL),
        Restart("worker-2", signal.SIGTERM),
    ]


# Looking


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("statement", "row"),
    [(READ_STORED, (0,) * 8), (COUNT_LEFT, (0,)), (READ_DATABASE, (ANY, 0, 0))],
)
def test_statements_read_an_empty_database(statement: str, row: tuple[Any, ...]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)

        assert cursor.fetchall() == [row]


@pytest.mark.parametrize("path", PAGE_PATHS)
def test_pages_that_are_read_are_there(path: str) -> None:
    assert resolve(path)


def test_stored_is_read_in_the_order_of_its_statement() -> None:
    assert read_stored("300|299|198|2|1|197|196|200") == Stored(
        fixes=300,
        averaged=299,
        processed=198,
        rejected=2,
        waiting=1,
        measurements=197,
        lineage=196,
        bodies=200,
    )


def test_task_is_done_once_for_each_span_until_its_end() -> None:
    done: list[float] = []
    task = Task(done.append, every=10.0, until=70.0)

    for seconds in (0.0, 9.9, 10.1, 19.9, 20.0, 55.0, 59.9, 60.0, 70.0):
        task.look(seconds)

    assert done == [0.0, 10.1, 20.0, 55.0, 60.0]


def test_bytes_of_a_folder_are_those_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below/file").write_bytes(b"x" * 10_000)

    assert 10_000 <= count_bytes(tmp_path) < 100_000


def test_redis_is_asked_over_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        thread = Thread(target=answer_once, args=(server,))
        thread.start()
        answer = ask_redis(path, "INFO memory")
        thread.join()

    assert read_used(answer) == 1234


def answer_once(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        assert connection.recv(100) == b"INFO memory\r\nQUIT\r\n"
        connection.sendall(
            b"$40\r\n# Memory\r\nused_memory:1234\r\nused_memory_rss:2\r\n\r\n+OK\r\n"
        )
