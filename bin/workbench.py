"""Catchment as it is run for measurements: stores, web server, file server and a worker."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hardware
from checking import UNSET
from environment import DEFAULTS, clean_environment
from machine import (
    CHECKOUT,
    Stamp,
    Workshop,
    base_python,
    ensure_uv,
    install_packages,
    step,
)
from running import WEB_START_SECONDS, answers_health, prepare_home, web_command, worker_command
from stores import (
    Home,
    choose_home,
    choose_server,
    end_stale_postgres,
    find_postgres_servers,
    make_enterable,
    start_postgres,
    start_redis,
)
from supervisor import Child, Refusal, Supervisor, send

LOCAL = CHECKOUT / ".local/bench"
LOGS = CHECKOUT / ".local/log/bench"
FILES = LOCAL / "files"
PEERS = CHECKOUT / "tests/bench/peers"

LOOK_SECONDS = 0.05
WORKER_START_SECONDS = 60.0

PRINT_VERSIONS = """
import sys
from importlib.metadata import version
print(", ".join(f"{name} {version(name)}" for name in sys.argv[1:]))
"""


@dataclass(frozen=True)
class Options:
    """Of what size it is measured, how often, and how long each time."""

    rows: int = 0
    rounds: int = 1
    seconds: int = 0
    minutes: int = 0


@dataclass(frozen=True)
class Bench:
    """What is running for the measurements: web server and file server by their ports."""

    workshop: Workshop
    home: Home
    web: int
    files: int

    @property
    def supervisor(self) -> Supervisor:
        return self.workshop.supervisor


# Setting up


def make_fresh_home() -> Home:
    """The generated files stay; the stores of a run that was killed go."""
    make_enterable(LOCAL)
    home = choose_home(CHECKOUT, LOCAL)
    end_stale_postgres(home.cluster)
    remove_stores(home)
    return prepare_home(LOCAL)


def remove_stores(home: Home) -> None:
    for folder in (home.sockets, home.cluster, home.data / "redis"):
        shutil.rmtree(folder, ignore_errors=True)


def make_environment(home: Home) -> dict[str, str]:
    return {
        **clean_environment(os.environ),
        **dict.fromkeys(UNSET, ""),
        **DEFAULTS,
        "DATABASE_URL": home.database_url,
        "READER_DATABASE_URL": home.reader_url,
        "REDIS_URL": home.redis_url,
        "SECRET_KEY": secrets.token_urlsafe(50),
        "IMPORT_ALLOWED_NETWORKS": "127.0.0.0/8",
    }


def start(workshop: Workshop, home: Home) -> Bench:
    supervisor = workshop.supervisor
    FILES.mkdir(exist_ok=True)
    bench = Bench(workshop, home, web=find_free_port(), files=find_free_port())
    with step("PostgreSQL"):
        start_postgres(supervisor, home, LOGS)
    with step("Redis"):
        start_redis(supervisor, home, LOGS)
    with step("Database schema"):
        migrate = (workshop.python, "manage.py", "migrate", "--noinput")
        workshop.run(workshop.program("migrate", *migrate))
        make_reader = (workshop.python, "manage.py", "make_reader")
        workshop.run(workshop.program("make_reader", *make_reader))
    with step("Servers"):
        web = supervisor.keep_running(
            workshop.program("web", *web_command(workshop.python, bench.web))
        )
        serve = (sys.executable, "bin/serving.py", str(FILES), str(bench.files))
        files = supervisor.keep_running(workshop.program("files", *serve))
        supervisor.wait_until(lambda: answers_health(bench.web), web, WEB_START_SECONDS)
        supervisor.wait_until(lambda: answers_health(bench.files), files, WEB_START_SECONDS)
    return bench


def ensure_tool(workshop: Workshop, name: str) -> None:
    """A program that Debian's package of the same name brings; raises Refusal where apt cannot."""
    if shutil.which(name) is not None:
        return
    try:
        with step(f"Installing {name}"):
            install_packages([name], LOGS / "packages.log", CHECKOUT / ".local/installing")
    finally:
        workshop.supervisor.pump(0)


def ensure_environment(workshop: Workshop, name: str, *packages: str) -> str:
    """The Python of an environment of its own with these packages of PyPI, made once."""
    folder = LOCAL / name
    python = folder / "bin/python"
    stamp = Stamp(folder / "packages", python)
    wanted = " ".join(packages)
    if not stamp.stands_for(wanted):
        with step(f"Installing {', '.join(packages)}"):
            uv = str(ensure_uv(workshop))
            venv = ("venv", "-q", "--clear", "--python", base_python(), str(folder))
            install = ("pip", "install", "-q", "--python", str(python), *packages)
            workshop.run(workshop.program(name, uv, *venv))
            workshop.run(workshop.program(name, uv, *install))
        stamp.write(wanted)
    return str(python)


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def run_worker(bench: Bench, loaders: int) -> Iterator[Child]:
    """The one worker, until the block ends; after an error the supervisor ends it with the rest."""
    workshop = bench.workshop
    command = worker_command(workshop.python, "imports")
    program = workshop.program("worker", *command, IMPORT_LOADERS=str(loaders))
    child = bench.supervisor.keep_running(program)
    bench.supervisor.wait_until(lambda: count_workers(bench) == 1, child, WORKER_START_SECONDS)
    yield child
    end_child(bench.supervisor, child)


def end_child(supervisor: Supervisor, child: Child) -> None:
    child.restarts = False
    if child.pid is not None:
        send(child.pid, child.program.stop_signal)
    while child.process is not None:
        supervisor.pump(LOOK_SECONDS)
    supervisor.children.remove(child)


def count_workers(bench: Bench) -> int:
    return int(call(bench, "GET", "/readyz")["workers"])


def read_memory(pid: int, name: str) -> int:
    """Bytes; 0 of a process that is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = next((line for line in status.splitlines() if line.startswith(f"{name}:")), "")
    return int(found.split()[1]) * 1024 if found else 0


# Asking programs, the database and the API


def read_output(bench: Bench, name: str, *command: str) -> str:
    """What a program prints; raises Refusal with what it complains of where it fails."""
    environment = bench.workshop.environment
    done = subprocess.run(command, env=environment, cwd=CHECKOUT, capture_output=True, text=True)
    if done.returncode != 0:
        raise Refusal(f"{name}: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


def find_client(bench: Bench, name: str) -> str:
    """PostgreSQL's program of this name: the server's own where it has one."""
    binaries = choose_server(find_postgres_servers(), bench.home.cluster).binaries
    return str(binaries / name) if (binaries / name).exists() else name


def psql_command(bench: Bench) -> tuple[str, ...]:
    psql = find_client(bench, "psql")
    return (psql, "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", bench.home.database_url)


def query(bench: Bench, statement: str) -> str:
    return read_output(bench, "psql", *psql_command(bench), "-c", statement)


def count_rows(bench: Bench, table: str) -> int:
    return int(query(bench, f"SELECT count(*) FROM {table}"))  # noqa: S608 (a name of ours)


def call(bench: Bench, method: str, path: str, body: object = None) -> dict[str, Any]:
    status, answer = ask_for(bench, method, path, body)
    if status >= 400:
        text = answer[:500].decode(errors="replace")
        raise Refusal(f"{method} {path} answered {status}: {text}")
    found: dict[str, Any] = json.loads(answer or b"{}")
    return found


def ask_for(bench: Bench, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    """The status and the body of any answer."""
    connection = http.client.HTTPConnection("127.0.0.1", bench.web, timeout=60)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


# What was measured with


def describe_machine(bench: Bench) -> str:
    return hardware.describe_machine(
        [f"PostgreSQL {query(bench, 'SHOW server_version').split()[0]}", *find_versions()]
    )


def read_versions(bench: Bench, python: str, *packages: str) -> str:
    """Of packages that this Python has."""
    return read_output(bench, python, python, "-c", PRINT_VERSIONS, *packages)


def find_versions() -> Iterator[str]:
    """Of what can tell."""
    if found := re.search(r"\d[\d.]+", hardware.ask("pgloader", "--version")):
        yield f"pgloader {found[0]}"
