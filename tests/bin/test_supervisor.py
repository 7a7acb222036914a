import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from supervisor import (
    LOG_LIMIT_BYTES,
    Child,
    Program,
    descendants,
    describe_exit,
    kill_leftovers,
    last_lines,
    open_log,
    read_stat,
)

BIN = Path(__file__).parents[2] / "bin"
SECONDS = 15.0

# Each line is "name: pid", so that the tests know whom to look for.
SUPERVISED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from supervisor import Program, StopRequested, Supervisor
folder = Path(sys.argv[2])
with Supervisor(folder) as supervisor:
    for path in sorted(folder.glob("*.py")):
        command = (sys.executable, str(path))
        is_store = path.stem.startswith("store")
        program = Program(path.stem, command, {}, folder, folder / f"{path.stem}.log",
                          is_store=is_store)
        supervisor.keep_running(program)
    try:
        supervisor.watch()
    except StopRequested:
        pass
"""
PRINT_PID = "import os, signal, time\nprint('pid', os.getpid(), flush=True)\n"
OBEDIENT = PRINT_PID + "time.sleep(60)\n"
# As RQ's worker does: its job is in a process group of its own and outlives the first request.
WORKER = (
    PRINT_PID
    + """
if os.fork() == 0:
    os.setpgrp()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print('pid', os.getpid(), flush=True)
    time.sleep(60)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.wait()
"""
)


Supervise = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    """Runs a supervisor over the given scripts, in a process of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**scripts: str) -> subprocess.Popen[bytes]:
        for name, text in scripts.items():
            (tmp_path / f"{name}.py").write_text(text)
        command = [sys.executable, "-c", SUPERVISED, str(BIN), str(tmp_path)]
        with (tmp_path / "output").open("w") as output:
            started.append(subprocess.Popen(command, stdout=output))
        return started[-1]

    yield start

    for process in started:
        process.kill()
        process.wait()
    kill_leftovers(tmp_path)


def read_pids(folder: Path, name: str) -> list[int]:
    log = folder / f"{name}.log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [int(line.removeprefix("pid ")) for line in lines if line.startswith("pid ")]


def wait_for_pids(folder: Path, name: str, count: int) -> list[int]:
    wait_for(lambda: len(read_pids(folder, name)) >= count)
    return read_pids(folder, name)


def wait_for(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    return read_stat(pid)[:1] not in ([], ["Z"])


def test_a_program_that_dies_is_started_again(tmp_path: Path, supervise: Supervise) -> None:
    process = supervise(web=OBEDIENT)
    [first] = wait_for_pids(tmp_path, "web", 1)

    os.kill(first, signal.SIGKILL)

    second = wait_for_pids(tmp_path, "web", 2)[1]
    assert is_alive(second)
    assert process.poll() is None
    output = (tmp_path / "output").read_text()
    assert "web ended (killed by signal 9), again in 0.5 s" in output


def test_orphans_of_a_program_that_died_are_ended(tmp_path: Path, supervise: Supervise) -> None:
    supervise(worker=WORKER)
    parent, orphan = wait_for_pids(tmp_path, "worker", 2)

    os.kill(parent, signal.SIGKILL)

    wait_for(lambda: not is_alive(orphan))
    wait_for_pids(tmp_path, "worker", 4)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_everything(
    tmp_path: Path, supervise: Supervise, number: signal.Signals
) -> None:
    process = supervise(web=OBEDIENT, store=OBEDIENT)
    pids = wait_for_pids(tmp_path, "web", 1) + wait_for_pids(tmp_path, "store", 1)

    process.send_signal(number)

    assert process.wait(SECONDS) == 0
    assert not any(is_alive(pid) for pid in pids)


def test_a_stubborn_grandchild_is_ended_within_ten_seconds(
    tmp_path: Path, supervise: Supervise
) -> None:
    process = supervise(worker=WORKER)
    pids = wait_for_pids(tmp_path, "worker", 2)
    started_at = time.monotonic()

    process.send_signal(signal.SIGTERM)
    process.wait(SECONDS)

    assert time.monotonic() - started_at < 10
    assert not any(is_alive(pid) for pid in pids)


def test_a_killed_supervisor_leaves_no_child(tmp_path: Path, supervise: Supervise) -> None:
    process = supervise(web=OBEDIENT, store=OBEDIENT)
    pids = wait_for_pids(tmp_path, "web", 1) + wait_for_pids(tmp_path, "store", 1)

    process.kill()

    wait_for(lambda: not any(is_alive(pid) for pid in pids))


def test_leftovers_of_a_killed_supervisor_are_ended(tmp_path: Path, supervise: Supervise) -> None:
    process = supervise(worker=WORKER)
    pids = wait_for_pids(tmp_path, "worker", 2)
    process.kill()
    process.wait()

    kill_leftovers(tmp_path)

    assert not any(is_alive(pid) for pid in pids)


def make_child(tmp_path: Path) -> Child:
    return Child(Program("web", ("true",), {}, tmp_path), restarts=True)


def test_restarts_wait_longer_while_lives_are_short(tmp_path: Path) -> None:
    child = make_child(tmp_path)
    child.started_at = time.monotonic()
    delays = []
    for _death in range(7):
        child.schedule_restart()
        delays.append(child.delay_seconds)

    assert delays == [0.5, 1, 2, 4, 8, 10, 10]


def test_a_long_life_starts_the_delays_anew(tmp_path: Path) -> None:
    child = make_child(tmp_path)
    child.delay_seconds = 8
    child.started_at = time.monotonic() - 11

    child.schedule_restart()

    assert child.delay_seconds == 0.5


def test_descendants_of_several_generations() -> None:
    assert descendants({1}, {2: 1, 3: 2, 4: 3, 5: 9}) == {2, 3, 4}


def test_a_large_log_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    path.touch()
    os.truncate(path, LOG_LIMIT_BYTES + 1)

    open_log(path).close()

    assert path.stat().st_size == 0
    assert (tmp_path / "web.log.1").stat().st_size == LOG_LIMIT_BYTES + 1


def test_last_lines_are_indented(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("one\ntwo\nthree\n")

    assert last_lines(path, 2) == "  two\n  three"
    assert last_lines(tmp_path / "absent") == ""


@pytest.mark.parametrize(("code", "text"), [(0, "exit code 0"), (-9, "killed by signal 9")])
def test_describe_exit(code: int, text: str) -> None:
    assert describe_exit(code) == text
