"""Keeps a few programs running, and leaves none of their processes behind when it ends."""

from __future__ import annotations

import ctypes
import os
import pwd
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import BinaryIO, Self

PR_SET_CHILD_SUBREAPER = 36
MARK = "CATCHMENT_LOCAL"
LOG_LIMIT_BYTES = 10_000_000

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 10.0
SHORT_LIFE_SECONDS = 10.0

# Counted from the first signal. Together with the stores' own limits they stay below ten seconds.
ASK_EVERY_PROCESS_AFTER_SECONDS = 3.5
KILL_AFTER_SECONDS = 6.5
STORES_GRACE_SECONDS = 2.0
STORES_QUIT_SECONDS = 0.5

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Refusal(Exception):
    """Ends a script with one sentence for the person at the terminal."""


class StopRequested(Exception):
    """A signal asked this process to end."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


@dataclass(frozen=True)
class Program:
    """What to run; without a log its output goes to the terminal."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log: Path | None = None
    shows_output: bool = False
    stop_signal: signal.Signals = signal.SIGTERM
    is_store: bool = False
    user: str | None = None
    before_start: Callable[[], None] | None = None

    def prefixed_command(self) -> tuple[str, ...]:
        """One setpriv does both, as a change of user clears the parent-death signal."""
        options = ["--pdeathsig", self.stop_signal.name.removeprefix("SIG")]
        if self.user is not None:
            group = str(pwd.getpwnam(self.user).pw_gid)
            options += ["--reuid", self.user, "--regid", group, "--init-groups"]
        return ("setpriv", *options, "--", *self.command)


@dataclass
class Child:
    """A program and the process that runs it at the moment."""

    program: Program
    restarts: bool
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    delay_seconds: float = 0.0
    deaths: int = 0
    exit_code: int = 0

    @property
    def pid(self) -> int | None:
        return None if self.process is None else self.process.pid

    def schedule_restart(self) -> None:
        """Waits longer each time when the program cannot stay up."""
        lived_seconds = time.monotonic() - self.started_at
        is_first = self.delay_seconds == 0 or lived_seconds >= SHORT_LIFE_SECONDS
        doubled = min(self.delay_seconds * 2, LONGEST_DELAY_SECONDS)
        self.delay_seconds = FIRST_DELAY_SECONDS if is_first else doubled
        self.due_at = time.monotonic() + self.delay_seconds


class Supervisor:
    """Runs steps and keeps programs alive; as a context manager it stops them all at the end."""

    def __init__(self, local: Path) -> None:
        self.local = local
        self.children: list[Child] = []
        self.requested_signal = 0
        self.is_stopping = False
        self._wakeup = open_wakeup_pipe()
        become_subreaper()
        for number in STOP_SIGNALS:
            # Under nohup a hangup is not meant to end anything.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._note_signal)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _note_signal(self, number: int, _frame: FrameType | None) -> None:
        self.requested_signal = number

    def keep_running(self, program: Program) -> Child:
        child = Child(program, restarts=True)
        self.children.append(child)
        self._spawn(child)
        return child

    def run(self, program: Program) -> int:
        """Runs one program to its end, watching the others meanwhile; returns its exit code."""
        child = Child(program, restarts=False)
        self.children.append(child)
        self._spawn(child)
        while child.process is not None:
            self.pump(1.0)
        self.children.remove(child)
        return child.exit_code

    def wait_until(self, is_ready: Callable[[], bool], child: Child, seconds: float) -> None:
        """Raises Refusal when the child keeps dying or the time is up."""
        deadline = time.monotonic() + seconds
        while not is_ready():
            if child.deaths >= 3 or time.monotonic() > deadline:
                log = child.program.log
                raise Refusal(f"{child.program.name} did not start; see {log}:\n{last_lines(log)}")
            self.pump(0.05)

    def watch(self) -> None:
        """Returns only by StopRequested."""
        while True:
            self.pump(60.0)

    def pump(self, seconds: float) -> None:
        """Waits for a signal, a death or the time; then does what has become due."""
        soonest = min((c.due_at for c in self._resting()), default=float("inf"))
        self._sleep(min(seconds, max(0.0, soonest - time.monotonic())))
        self._reap()
        if self.requested_signal and not self.is_stopping:
            raise StopRequested(self.requested_signal)
        for child in self._resting():
            if child.due_at <= time.monotonic():
                self._restart(child)

    def _resting(self) -> list[Child]:
        if self.is_stopping:
            return []
        return [c for c in self.children if c.restarts and c.process is None]

    def _sleep(self, seconds: float) -> None:
        if select.select([self._wakeup], [], [], seconds)[0]:
            os.read(self._wakeup, 4096)

    def _spawn(self, child: Child) -> None:
        program = child.program
        if program.before_start is not None:
            program.before_start()
        log = None if program.log is None else open_log(program.log)
        try:
            child.process = subprocess.Popen(
                program.prefixed_command(),
                cwd=program.folder,
                env={**program.environment, MARK: str(self.local)},
                stdin=None if log is None else subprocess.DEVNULL,
                stdout=None if program.shows_output else log,
                stderr=log,
                start_new_session=log is not None,
            )
        finally:
            if log is not None:
                log.close()
        child.started_at = time.monotonic()

    def _restart(self, child: Child) -> None:
        try:
            self._spawn(child)
        except (OSError, Refusal) as error:
            say(f"{child.program.name} could not be started again: {error}")
            child.schedule_restart()

    def _reap(self) -> None:
        """Also collects the orphans that became ours."""
        while (pid := next_dead_child()) is not None:
            child = next((c for c in self.children if c.pid == pid), None)
            if child is None or child.process is None:
                os.waitpid(pid, 0)
            else:
                child.exit_code = child.process.wait()
                child.process = None
                self._note_death(child)

    def _note_death(self, child: Child) -> None:
        # A server's leftovers would hold its port, its memory segment or its queue's job.
        for pid in self._orphans():
            send(pid, signal.SIGKILL)
        child.deaths += 1
        if child.restarts and not self.is_stopping:
            child.schedule_restart()
            how = describe_exit(child.exit_code)
            log = child.program.log
            see = f"; see {log}" if log else ""
            say(f"{child.program.name} ended ({how}), again in {child.delay_seconds:g} s{see}")

    def _orphans(self) -> set[int]:
        parents = read_parents()
        known = {c.pid for c in self.children}
        adopted = {p for p, parent in parents.items() if parent == os.getpid() and p not in known}
        return adopted | descendants(adopted, parents)

    def stop(self) -> None:
        """Ends every process below this one: the applications first, then the stores."""
        self.is_stopping = True
        started_at = time.monotonic()
        for child in self.children:
            if not child.program.is_store:
                self._ask(child)
        if not self._wait_for_applications(started_at + ASK_EVERY_PROCESS_AFTER_SECONDS):
            self._ask_the_rest()
        self._wait_for_applications(started_at + KILL_AFTER_SECONDS)
        kill_all(self._application_pids)
        self._stop_stores()
        kill_all(lambda: descendants({os.getpid()}, read_parents()))
        self._reap()

    def _ask(self, child: Child) -> None:
        if child.pid is not None:
            send(child.pid, child.program.stop_signal)

    def _ask_the_rest(self) -> None:
        """A job that outlasts its worker's patience gets a chance to roll back.

        Not the leaders: a second SIGTERM makes an RQ worker kill its job at once.
        """
        leaders = {c.pid for c in self.children}
        for pid in self._application_pids() - leaders:
            send(pid, signal.SIGTERM)

    def _application_pids(self) -> set[int]:
        parents = read_parents()
        stores = {c.pid for c in self.children if c.program.is_store and c.pid is not None}
        everything = descendants({os.getpid()}, parents)
        return everything - stores - descendants(stores, parents)

    def _wait_for_applications(self, deadline: float) -> bool:
        return self._wait_for(lambda: not self._application_pids(), deadline)

    def _wait_for(self, is_done: Callable[[], bool], deadline: float) -> bool:
        while not is_done():
            if time.monotonic() > deadline:
                return False
            self.pump(0.05)
        return True

    def _stop_stores(self) -> None:
        stores = [c for c in self.children if c.program.is_store]
        for child in stores:
            self._ask(child)
        if not self._wait_for_end(stores, STORES_GRACE_SECONDS):
            for child in stores:
                if child.pid is not None:
                    send(child.pid, signal.SIGQUIT)
            self._wait_for_end(stores, STORES_QUIT_SECONDS)

    def _wait_for_end(self, children: Iterable[Child], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        return self._wait_for(lambda: all(c.process is None for c in children), deadline)


def say(text: str, end: str = "\n") -> None:
    """Prints; a terminal that is gone must not keep the script from stopping its children."""
    try:
        print(text, end=end, flush=True)
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115


def open_wakeup_pipe() -> int:
    """Makes every signal end a `select` on the returned file descriptor."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def become_subreaper() -> None:
    """Orphaned grandchildren become children of this process, so that none is lost sight of."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def open_log(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def last_lines(path: Path | None, count: int = 15) -> str:
    if path is None or not path.exists():
        return ""
    text = path.read_bytes()[-20_000:].decode(errors="replace")
    return "\n".join(f"  {line}" for line in text.splitlines()[-count:])


def describe_exit(exit_code: int) -> str:
    return f"exit code {exit_code}" if exit_code >= 0 else f"killed by signal {-exit_code}"


def next_dead_child() -> int | None:
    """Leaves the exit status in place, so that whoever owns the child can read it."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if found is None else found.si_pid


def read_parents() -> dict[int, int]:
    """Every living process and its parent."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = read_stat(int(entry))
            if fields and fields[0] != "Z":
                parents[int(entry)] = int(fields[1])
    return parents


def read_stat(pid: int) -> list[str]:
    """The fields from the state on: a process name may itself hold spaces and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def descendants(ancestors: set[int], parents: Mapping[int, int]) -> set[int]:
    found: set[int] = set()
    generation = ancestors
    while generation:
        generation = {p for p, parent in parents.items() if parent in generation} - found
        found |= generation
    return found


def send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def kill_all(find: Callable[[], set[int]]) -> None:
    """Asks again until nothing is left: a process may fork while the others are being killed."""
    deadline = time.monotonic() + 1.0
    while (pids := find()) and time.monotonic() < deadline:
        for pid in pids:
            send(pid, signal.SIGKILL)
        time.sleep(0.02)


def kill_leftovers(local: Path) -> None:
    """Ends what an earlier run left behind because it was killed itself."""
    mark = f"{MARK}={local}".encode()
    kill_all(lambda: {pid for pid in read_parents() if pid != os.getpid() and is_marked(pid, mark)})


def is_marked(pid: int, mark: bytes) -> bool:
    try:
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
