"""Real workers, a real sweeper and real stores, which tests end, stop and bring back."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from django.db import OperationalError, connections
from django.db.models.functions import Now
from running import answers_health, web_command
from supervisor import MARK, Program, is_marked, kill_leftovers, last_lines, read_stat
from workbench import find_free_port

from config.api.reading import READER
from imports.choices import ENDED
from imports.jobs import RowsInUse, delete_import
from imports.models import KICK_PATIENCE, Import

ROOT = Path(__file__).resolve().parents[2]
LEASE_SECONDS = 2.0
SWEEP_SECONDS = 0.5
PATIENCE_SECONDS = 60.0
REVIVAL_SECONDS = 2.0  # between two starts of a worker that cannot stay up
SERIALIZER = ("--serializer", "rq.serializers.JSONSerializer", "--worker-ttl", "60")
WORKER_COMMANDS = {
    "imports": ("rqworker", "imports", *SERIALIZER),
    "payloads": (
        *("rqworker", "payloads", "--worker-class", "rq.worker.SimpleWorker"),
        *SERIALIZER,
    ),
}


def send_signal(pid: int, number: signal.Signals) -> bool:
    """False where the process is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def is_alive(pid: int) -> bool:
    return read_stat(pid)[:1] not in ([], ["Z"])


def is_stopped(pid: int) -> bool:
    return read_stat(pid)[:1] == ["T"]


class Crew:
    """Workers and a sweeper on a database and a Redis; workers that die come back.

    `trial` are constants that their processes have instead of a service's (see `sitecustomize`).
    """

    def __init__(self, folder: Path, *, alias: str, redis_url: str, **trial: object) -> None:
        self.folder = folder
        self.alias = alias
        self.log = folder / "crew.log"
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.faults: dict[str, str] = {}
        self.started_at: dict[str, float] = {}
        self.sweeper: subprocess.Popen[bytes] | None = None
        self.web: subprocess.Popen[bytes] | None = None
        self.environment = {
            **os.environ,
            "DATABASE_URL": name_database(alias),
            "READER_DATABASE_URL": name_database(alias, READER),
            "REDIS_URL": redis_url,
            "SECRET_KEY": "of-the-tests" * 5,
            "IMPORT_ALLOWED_NETWORKS": "127.0.0.0/8",
            "ANONYMOUS_ACCESS": "read,ingest,import",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{ROOT}",
            "PYTHONUNBUFFERED": "1",
            "CATCHMENT_TRIAL": json.dumps({"lease_seconds": LEASE_SECONDS, **trial}),
            "CATCHMENT_FAULTS": "",
            MARK: str(folder),
        }

    # Processes

    def start(self, *command: str, faults: str = "") -> subprocess.Popen[bytes]:
        """A command of manage.py."""
        return self.run(sys.executable, str(ROOT / "manage.py"), *command, faults=faults)

    def start_web(self) -> int:
        """Its port, when it answers; it ends with the others."""
        port = find_free_port()
        self.web = self.run(*web_command(sys.executable, port))
        self.wait_for(lambda: answers_health(port))
        return port

    def run(self, *command: str, faults: str = "") -> subprocess.Popen[bytes]:
        program = Program(command[0], command, {}, ROOT, stop_signal=signal.SIGKILL)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                program.prefixed_command(),
                cwd=ROOT,
                env={**self.environment, "CATCHMENT_FAULTS": faults},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_worker(self, name: str = "first", faults: str = "") -> None:
        """A worker that dies is replaced by one with the same faults; one by the name of a queue
        works for that, any other for imports."""
        self.faults[name] = faults
        self.started_at[name] = time.monotonic()
        command = WORKER_COMMANDS.get(name, WORKER_COMMANDS["imports"])
        self.workers[name] = self.start(*command, faults=faults)

    def rearm_worker(self, faults: str, name: str = "first") -> None:
        """Replaces a worker, which must have no work, by one with other faults."""
        if self.workers[name].poll() is not None or self.faults[name] != faults:
            self._retire(self.workers[name])
            self.start_worker(name, faults)

    def is_listening(self, name: str = "first") -> bool:
        """Until a worker has started nobody answers a kick, and the sweeper may start to run the
        import itself."""
        return f"started with PID {self.workers[name].pid}," in self.log.read_text()

    def retire_workers(self) -> None:
        """Those that have no work; they do not come back."""
        while self.workers:
            self._retire(self.workers.popitem()[1])

    def _retire(self, worker: subprocess.Popen[bytes]) -> None:
        worker.terminate()
        try:
            worker.wait(5)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()

    def start_sweeper(self) -> None:
        self.sweeper = self.start("sweep", "--interval", str(SWEEP_SECONDS))

    def revive(self) -> None:
        for name, worker in self.workers.items():
            is_due = time.monotonic() > self.started_at[name] + REVIVAL_SECONDS
            if is_due and worker.poll() is not None:
                self.start_worker(name, self.faults[name])
        if self.sweeper is not None and self.sweeper.poll() is not None:
            self.start_sweeper()

    def end(self) -> None:
        """Ends every process that was started here, and all that they started."""
        kill_leftovers(self.folder)
        for process in (*self.workers.values(), self.sweeper, self.web):
            if process is not None:
                process.kill()
                process.wait()

    def find_owners(self) -> set[int]:
        """The processes that may own an import: work-horses, and what the sweeper runs itself."""
        parents = {worker.pid for worker in self.workers.values()}
        mark = f"{MARK}={self.folder}".encode()
        pids = {int(entry.name) for entry in Path("/proc").glob("[0-9]*")}
        return {
            pid
            for pid in pids - parents
            if is_marked(pid, mark) and is_alive(pid) and is_owner(pid)
        }

    def find_stopped(self) -> int | None:
        return next(filter(is_stopped, self.find_owners()), None)

    def kill(self, pid: int) -> None:
        send_signal(pid, signal.SIGKILL)
        for worker in self.workers.values():
            if worker.pid == pid:
                worker.wait()
        self.wait_for(lambda: not is_alive(pid), seconds=5)

    # Imports

    def queue(self, url: str) -> Import:
        return Import.objects.using(self.alias).create(dataset="trips", url=url)

    def delete(self, record: Import) -> None:
        """Waits for who is still at its rows, as ANALYZE is after the end."""

        def is_deleted() -> bool:
            try:
                delete_import(record.pk)
            except RowsInUse:
                return False
            return True

        self.wait_for(is_deleted)

    def lose_patience(self, record: Import) -> None:
        """Lets an unanswered kick be as old as it must be before the sweeper helps itself."""
        waiting = Import.objects.using(self.alias).filter(pk=record.pk, kicked_at__isnull=False)
        waiting.update(kicked_at=Now() - KICK_PATIENCE)

    def read(self, record: Import) -> Import:
        """The import's row as it is, also where the server was restarted meanwhile."""
        for pause in (0.1, 0.3, 1.0, 3.0):
            try:
                return Import.objects.using(self.alias).get(pk=record.pk)
            except OperationalError:
                connections[self.alias].close()
                time.sleep(pause)
        return Import.objects.using(self.alias).get(pk=record.pk)

    def wait_for(self, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not in {seconds} s:\n{last_lines(self.log, 60)}"
            self.revive()
            time.sleep(0.02)

    def wait_for_token(self, record: Import, token: int) -> bool:
        """Waits for an owner after the one with `token`; False where the import ended instead."""

        def is_taken() -> bool:
            now = self.read(record)
            return now.lease_token > token or now.status in ENDED

        self.wait_for(is_taken)
        return self.read(record).lease_token > token

    def wait_for_end(self, record: Import) -> Import:
        self.wait_for(lambda: self.read(record).status in ENDED)
        return self.read(record)

    def wait_for_stop(self) -> int:
        """Waits for an owner that a fault stopped; returns its process."""
        found: list[int] = []

        def is_found() -> bool:
            found.extend(filter(None, [self.find_stopped()]))
            return bool(found)

        self.wait_for(is_found)
        return found[0]


def is_owner(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"rqworker" in command or b"run_import" in command


def name_database(alias: str, login: str | None = None) -> str:
    """The URL of the database that Django's `alias` means now, of the tests as it is.

    With the role of alias `login`, where that is given.
    """
    role = connections[login or alias].settings_dict
    known = connections[alias].settings_dict | {name: role[name] for name in ("USER", "PASSWORD")}
    names = {key: quote(str(known[key]), safe="") for key in ("USER", "PASSWORD", "NAME", "PORT")}
    login = f"{names['USER']}:{names['PASSWORD']}" if names["PASSWORD"] else names["USER"]
    if known["HOST"].startswith("/"):
        return f"postgresql://{login}@/{names['NAME']}?host={quote(known['HOST'], safe='')}"
    port = f":{names['PORT']}" if names["PORT"] else ""
    return f"postgresql://{login}@{known['HOST']}{port}/{names['NAME']}"
