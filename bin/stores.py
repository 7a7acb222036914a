"""A PostgreSQL cluster and a Redis of the checkout's own, reached through Unix sockets only."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from supervisor import (
    Child,
    Program,
    Refusal,
    Supervisor,
    kill_all,
    last_lines,
    read_parents,
    send,
)

POSTGRES_USER = "postgres"
ROLE = "catchment"
READER_ROLE = "catchment_reader"  # made by manage.py make_reader
OLDEST_POSTGRES = 15
FALLBACK = Path("/var/lib/catchment")
LONGEST_SOCKET_PATH_BYTES = 107
POSTGRES_SOCKET = ".s.PGSQL.5432"
REDIS_SOCKET = "redis.sock"
START_SECONDS = 120.0

SERVER_PATTERNS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
EXTENSION_FOLDERS = (
    "/usr/share/postgresql/{major}/extension",
    "{prefix}/share/extension",
    "{prefix}/share/postgresql/extension",
    "/usr/share/pgsql/extension",
)

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "max_connections": "100",
    # One import is one partition, and a query over all of them locks each with its indexes.
    "max_locks_per_transaction": "2048",
}
# Only for a cluster that is thrown away.
RECKLESS_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class PostgresServer:
    """An installed PostgreSQL that has PostGIS."""

    major: int
    binaries: Path


@dataclass(frozen=True)
class Home:
    """Where the data and the sockets are, and who owns them (None: whoever runs the script)."""

    data: Path
    sockets: Path
    user: str | None

    @property
    def cluster(self) -> Path:
        return self.data / "postgres"

    @property
    def database_url(self) -> str:
        return self.login_url(ROLE)

    @property
    def reader_url(self) -> str:
        return self.login_url(READER_ROLE)

    def login_url(self, role: str) -> str:
        return f"postgresql://{role}@/{ROLE}?host={quote(str(self.sockets), safe='')}"

    @property
    def redis_url(self) -> str:
        return f"unix://{quote(str(self.sockets / REDIS_SOCKET))}?db=0"


def find_redis_server() -> str | None:
    return shutil.which("redis-server") or shutil.which("valkey-server")


def find_postgres_servers() -> list[PostgresServer]:
    """Newest last; only those that are new enough and have PostGIS."""
    folders = [f for pattern in SERVER_PATTERNS for f in Path("/").glob(pattern.lstrip("/"))]
    on_path = shutil.which("postgres")
    if on_path is not None:
        folders.append(Path(on_path).resolve().parent)
    servers = {server for folder in folders if (server := inspect_server(folder)) is not None}
    return sorted(servers, key=lambda server: server.major)


def inspect_server(binaries: Path) -> PostgresServer | None:
    if not (binaries / "postgres").exists():
        return None
    major = read_major(binaries)
    places = (p.format(major=major, prefix=binaries.parent) for p in EXTENSION_FOLDERS)
    has_postgis = any((Path(place) / "postgis.control").exists() for place in places)
    return PostgresServer(major, binaries) if has_postgis and major >= OLDEST_POSTGRES else None


def read_major(binaries: Path) -> int:
    """The folder's name tells on Debian and Red Hat; elsewhere the server is asked."""
    named = re.search(r"(?:postgresql/|pgsql-)(\d+)/bin$", str(binaries))
    if named is not None:
        return int(named[1])
    answer = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True)
    told = re.search(r"\) (\d+)", answer.stdout)
    return int(told[1]) if told is not None else 0


def choose_server(servers: Sequence[PostgresServer], cluster: Path) -> PostgresServer:
    """The newest for a new cluster, else the one that made the cluster."""
    if not servers:
        raise Refusal(f"PostgreSQL {OLDEST_POSTGRES} or newer with PostGIS is not installed.")
    made_by = cluster / "PG_VERSION"
    if not made_by.exists():
        return servers[-1]
    major = int(made_by.read_text())
    for server in servers:
        if server.major == major:
            return server
    raise Refusal(
        f"The data in {cluster} were made by PostgreSQL {major}, which is not installed:"
        f" install postgresql-{major} and postgresql-{major}-postgis-3."
    )


def short_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]


def choose_home(checkout: Path, local: Path) -> Home:
    """PostgreSQL refuses root, and its user may not be able to enter the checkout."""
    if os.geteuid() != 0:
        return Home(local, choose_sockets(local / "run", None), None)
    if not has_user(POSTGRES_USER):
        raise Refusal(f"PostgreSQL refuses to run as root and the user {POSTGRES_USER} is missing.")
    data = choose_data_folder(checkout, local)
    return Home(data, choose_sockets(data / "run", POSTGRES_USER), POSTGRES_USER)


def has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def choose_data_folder(checkout: Path, local: Path) -> Path:
    """Data that exist already stay where they are, whatever the modes of the folders are today."""
    within = local.relative_to(checkout / ".local")
    fallback = FALLBACK / f"{checkout.name}-{short_hash(checkout)}" / within
    is_reachable = can_enter(local, POSTGRES_USER)
    if (local / "postgres/PG_VERSION").exists():
        if not is_reachable:
            raise Refusal(f"The user {POSTGRES_USER} can no longer enter {local}.")
        return local
    return fallback if (fallback / "postgres").exists() or not is_reachable else local


def can_enter(folder: Path, user: str) -> bool:
    group = str(pwd.getpwnam(user).pw_gid)
    identity = ["setpriv", "--reuid", user, "--regid", group, "--init-groups"]
    return subprocess.run([*identity, "test", "-x", folder], cwd="/").returncode == 0


def choose_sockets(preferred: Path, user: str | None) -> Path:
    """libpq reads a comma as the start of another host."""
    longest = len(os.fsencode(preferred / POSTGRES_SOCKET))
    if longest <= LONGEST_SOCKET_PATH_BYTES and "," not in str(preferred):
        return preferred
    owner = os.geteuid() if user is None else pwd.getpwnam(user).pw_uid
    return Path("/tmp") / f"catchment-{short_hash(preferred)}-{owner}"  # noqa: S108


def make_folders(home: Home) -> None:
    make_enterable(home.data)
    make_owned(home.sockets, home.user)


def make_enterable(folder: Path) -> None:
    """Whatever the umask: the user of PostgreSQL passes through, and may list nothing."""
    missing = [f for f in (folder, *folder.parents) if not f.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        path.chmod(0o711)


def make_owned(folder: Path, user: str | None) -> None:
    """Refuses a folder that somebody else put there first: /tmp is open to all."""
    owner = os.geteuid() if user is None else pwd.getpwnam(user).pw_uid
    try:
        folder.mkdir(mode=0o700)
        os.chown(folder, owner, -1)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner:
            raise Refusal(f"{folder} exists and belongs to somebody else.") from None
    folder.chmod(0o700)


def make_cluster(server: PostgresServer, home: Home, log: Path, supervisor: Supervisor) -> None:
    """Made under another name: an interrupted initdb leaves nothing that looks finished."""
    unfinished = home.data / "postgres.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    make_owned(unfinished, home.user)
    options = ["--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", f"--username={ROLE}"]
    initdb = (str(server.binaries / "initdb"), *options, "-D", str(unfinished))
    create = f'echo \'CREATE DATABASE {ROLE}\' | "$0" --single -D "$1" postgres'
    create_database = ("sh", "-ec", create, str(server.binaries / "postgres"), str(unfinished))
    for command in (initdb, create_database):
        program = Program("initdb", command, server_environment(), Path("/"), log, user=home.user)
        if supervisor.run(program) != 0:
            raise Refusal(f"Making the database cluster failed; see {log}:\n{last_lines(log)}")
    with (unfinished / "postgresql.conf").open("a") as configuration:
        configuration.write("include = 'catchment.conf'\n")
    unfinished.rename(home.cluster)


def server_environment() -> dict[str, str]:
    """Fixed, so that nobody's locale or PG variables change a cluster."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


def write_configuration(home: Home, extra: Mapping[str, str]) -> None:
    settings = {**SETTINGS, "unix_socket_directories": f'"{home.sockets}"', **extra}
    lines = [f"{name} = '{quote_setting(value)}'\n" for name, value in settings.items()]
    file = home.cluster / "catchment.conf"
    file.write_text("".join(lines))
    file.chmod(0o644)  # whatever root's umask: another user's server reads it


def quote_setting(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")


def start_postgres(
    supervisor: Supervisor, home: Home, logs: Path, extra: Mapping[str, str] | None = None
) -> None:
    server = choose_server(find_postgres_servers(), home.cluster)
    end_stale_postgres(home.cluster)
    if not home.cluster.exists():
        make_cluster(server, home, logs / "initdb.log", supervisor)
    write_configuration(home, extra or {})
    program = Program(
        "PostgreSQL",
        (str(server.binaries / "postgres"), "-D", str(home.cluster)),
        server_environment(),
        Path("/"),
        logs / "postgres.log",
        stop_signal=signal.SIGINT,
        is_store=True,
        user=home.user,
        before_start=lambda: clear_postgres(home),
    )
    child = supervisor.keep_running(program)
    supervisor.wait_until(lambda: is_postgres_ready(home.cluster, child), child, START_SECONDS)


def is_postgres_ready(cluster: Path, child: Child) -> bool:
    """The server writes its state into the eighth line of its pid file."""
    lines = read_pid_file(cluster)
    return len(lines) >= 8 and lines[0] == str(child.pid) and lines[7].strip() == "ready"


def read_pid_file(cluster: Path) -> list[str]:
    try:
        return (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def end_stale_postgres(cluster: Path) -> None:
    """Ends a server that outlived its supervisor: fast, then by force, its backends too."""
    postmaster = next(iter(read_pid_file(cluster)), "")
    if postmaster.isdigit() and int(postmaster) in find_processes_in(cluster):
        send(int(postmaster), signal.SIGINT)
        deadline = time.monotonic() + 5
        while find_processes_in(cluster) and time.monotonic() < deadline:
            time.sleep(0.05)
    kill_all(lambda: find_processes_in(cluster))


def find_processes_in(folder: Path) -> set[int]:
    """PostgreSQL's processes work in the data folder; a pid alone may by now be anybody's."""
    return {pid for pid in read_parents() if works_in(pid, folder)}


def works_in(pid: int, folder: Path) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/cwd") == str(folder)
    except OSError:
        return False


def clear_postgres(home: Home) -> None:
    """A pid file whose number now belongs to another process keeps the server from starting.

    While any process still works in the cluster the file is its protection and stays.
    """
    end_stale_postgres(home.cluster)
    if not find_processes_in(home.cluster):
        (home.cluster / "postmaster.pid").unlink(missing_ok=True)
        for name in (POSTGRES_SOCKET, f"{POSTGRES_SOCKET}.lock"):
            (home.sockets / name).unlink(missing_ok=True)


def start_redis(supervisor: Supervisor, home: Home, logs: Path) -> None:
    path = home.sockets / REDIS_SOCKET
    folder = home.data / "redis"
    folder.mkdir(exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        "dir": str(folder),
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    command = (find_redis_server() or "redis-server", *words)
    environment = server_environment()
    log = logs / "redis.log"
    program = Program("Redis", command, environment, folder, log, is_store=True)
    child = supervisor.keep_running(program)
    supervisor.wait_until(lambda: answers_ping(path), child, START_SECONDS)


def answers_ping(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
    except OSError:
        return False
