"""A Redis and PostgreSQL clusters of a test's own, which can be killed, stopped and restarted."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stores import (
    POSTGRES_USER,
    Home,
    PostgresServer,
    answers_ping,
    choose_server,
    choose_sockets,
    find_postgres_servers,
    find_redis_server,
    make_cluster,
    make_folders,
    make_owned,
    read_pid_file,
    server_environment,
    write_configuration,
)
from supervisor import Program, Supervisor, last_lines

from tests.faults.processes import PATIENCE_SECONDS, ROOT


class RedisServer:
    """A Redis of the test's own, behind a Unix socket."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder, choose_sockets(folder / "run", None), None)
        self.socket = self.home.sockets / "redis.sock"
        self.process: subprocess.Popen[bytes]
        make_owned(self.home.sockets, None)
        self.start()

    def start(self) -> None:
        options = ("--port", "0", "--unixsocket", str(self.socket), "--save", "")
        command = (find_redis_server() or "redis-server", *options)
        program = Program("Redis", command, {}, self.home.data, stop_signal=signal.SIGKILL)
        self.process = subprocess.Popen(
            program.prefixed_command(),
            cwd=self.home.data,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        end = time.monotonic() + 10
        while not answers_ping(self.socket):
            assert time.monotonic() < end, "Redis did not start"
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def send_signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        self.kill()
        shutil.rmtree(self.home.sockets, ignore_errors=True)


class _Maker(Supervisor):
    """Runs what makes a cluster; unlike a supervisor's, its process is not the test's own."""

    def __init__(self) -> None:
        pass

    def run(self, program: Program) -> int:
        assert program.log is not None
        with program.log.open("ab") as log:
            return subprocess.run(
                program.prefixed_command(),
                cwd=program.folder,
                env=program.environment,
                stdout=log,
                stderr=log,
            ).returncode


class Cluster:
    """A PostgreSQL cluster of the test's own, which can be restarted as if it had crashed."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.home = Home(folder, folder / "run", POSTGRES_USER if os.geteuid() == 0 else None)
        self.log = log
        self.server: PostgresServer = choose_server(find_postgres_servers(), self.home.cluster)
        make_folders(self.home)
        make_cluster(self.server, self.home, log, _Maker())
        # What a commit has promised must outlive a crash of the server, though not of the machine.
        write_configuration(self.home, {"fsync": "off"})
        self.process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        command = (str(self.server.binaries / "postgres"), "-D", str(self.home.cluster))
        program = Program(
            "PostgreSQL",
            command,
            server_environment(),
            Path("/"),
            stop_signal=signal.SIGQUIT,
            user=self.home.user,
        )
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                program.prefixed_command(),
                cwd=program.folder,
                env=program.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        end = time.monotonic() + PATIENCE_SECONDS
        while not self.is_ready():
            assert time.monotonic() < end, last_lines(self.log)
            time.sleep(0.02)

    def is_ready(self) -> bool:
        lines = read_pid_file(self.home.cluster)
        return len(lines) >= 8 and (lines[0], lines[7].strip()) == (str(self.process.pid), "ready")

    def stop(self) -> None:
        """At once and without a checkpoint, as `pg_ctl stop -m immediate` does."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(PATIENCE_SECONDS)

    def restart(self) -> None:
        self.stop()
        self.start()


@contextmanager
def run_cluster(log: Path) -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="catchment-"))
    folder.chmod(0o711)
    cluster = None
    try:
        cluster = Cluster(folder, log)
        yield cluster
    finally:
        if cluster is not None:
            cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def migrate(home: Home) -> None:
    environment: Mapping[str, str] = {
        **os.environ,
        "DATABASE_URL": home.database_url,
        "READER_DATABASE_URL": home.reader_url,
    }
    for command in (("migrate", "--noinput", "--verbosity", "0"), ("make_reader",)):
        manage = [sys.executable, "manage.py", *command]
        subprocess.run(manage, cwd=ROOT, env=environment, check=True, timeout=120)
