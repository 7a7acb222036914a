"""Brings a machine to the point where the project can run: packages, Python, npm, disk, port."""

from __future__ import annotations

import ctypes.util
import fcntl
import hashlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from stores import find_postgres_servers, find_redis_server
from supervisor import Program, Refusal, Supervisor, describe_exit, last_lines, say

CHECKOUT = Path(__file__).resolve().parent.parent
UV_VERSION = "0.13.8"
LEAST_FREE_BYTES = 1_000_000_000
# Of which apt's packages take 2.2 GB where even the browser is missing.
LEAST_FREE_BYTES_TO_INSTALL = 3_000_000_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# What decides, besides the files themselves, what collectstatic finds.
STATIC_SOURCES = ("uv.lock", "package-lock.json", "config/settings.py")
GENERATED = {"__pycache__"}
GENERATED_AT_TOP = GENERATED | {"docs", "node_modules", "static", "tests"}

# As one script, so that sudo asks once and the guard against starting services always goes away.
# A guard that carries our mark was left by a run that was killed: it is ours to remove.
INSTALL_SCRIPT = r"""
set -e
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 UCF_FORCE_CONFFOLD=1
guard=/usr/sbin/policy-rc.d mark='Made by bin/up of Catchment for the time of an installation'
install() {
  apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

# Two checkouts take turns: the first would remove the guard under the second.
exec 9< /var/lib/dpkg
flock 9
case " $* " in *" postgresql "*)
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
  fi
esac
if [ ! -e $guard ] || grep -q "$mark" $guard; then
  trap 'rm -f $guard' EXIT
  trap 'exit 130' INT TERM HUP
  printf '#!/bin/sh\n# %s.\nexit 101\n' "$mark" > $guard
  chmod 755 $guard
fi
# A new machine may be updating its lists by itself, and apt does not wait for that lock.
for pause in 5 10 20 0; do
  apt-get update && break
  sleep $pause
done
if [ -n "$(dpkg --audit)" ]; then
  dpkg --force-confdef --force-confold --configure -a || true
fi
install --download-only "$@"
# From here Ctrl-C would leave packages half-configured.
trap '' INT TERM HUP
install "$@"
case " $* " in *" redis-server "*) update-rc.d redis-server disable || true; esac
"""


@dataclass(frozen=True)
class Needs:
    """What this machine must offer; a server that the user named elsewhere is not needed here."""

    postgres: bool = True
    redis: bool = True
    browser: bool = False
    curl: bool = False


@dataclass(frozen=True)
class Workshop:
    """Where the steps run, what they see, and who watches them."""

    supervisor: Supervisor
    logs: Path
    environment: Mapping[str, str]
    checkout: Path = CHECKOUT

    @property
    def python(self) -> str:
        return str(self.checkout / ".venv/bin/python")

    def program(self, name: str, *command: str, **extra: str) -> Program:
        environment = {**self.environment, **extra}
        return Program(name, command, environment, self.checkout, self.logs / f"{name}.log")

    def run(self, program: Program) -> None:
        """Raises Refusal with the last lines of the log when the program fails."""
        code = self.supervisor.run(program)
        if code != 0:
            how, log = describe_exit(code), program.log
            raise Refusal(f"{program.name} failed ({how}); see {log}:\n{last_lines(log)}")


@dataclass(frozen=True)
class Stamp:
    """Notes which input a generated folder was made from."""

    path: Path
    result: Path

    def stands_for(self, digest: str) -> bool:
        is_made = self.path.exists() and self.result.exists()
        return is_made and self.path.read_text() == digest

    def write(self, digest: str) -> None:
        self.path.write_text(digest)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Prints one line: the name while it runs, then its seconds."""
    say(f"{name} ... ", end="")
    started_at = time.monotonic()
    try:
        yield
    except BaseException:
        say("stopped")
        raise
    say(f"{time.monotonic() - started_at:.1f} s")


def hold_lock(path: Path, what: str) -> TextIO:
    """The lock lasts as long as the returned file is open; the kernel frees it with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise Refusal(f"{what} is already running in {CHECKOUT}.") from None
    return file


def make_private_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)


def check_disk(folder: Path, least_bytes: int = LEAST_FREE_BYTES) -> None:
    free = shutil.disk_usage(folder).free
    if free < least_bytes:
        least = f"{least_bytes / 1e9:.0f} GB is the least"
        raise Refusal(f"{folder} has {free / 1e6:.0f} MB of free disk space; {least}.")


def check_port(port: int) -> None:
    with socket.socket() as probe:
        # As servers do: connections of an earlier run that linger in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Refusal(
                f"Port {port} of 127.0.0.1 cannot be used ({os.strerror(error.errno or 0)}):"
                " set PORT to another one."
            ) from None


def find_browser() -> str | None:
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def missing_packages(needs: Needs) -> list[str]:
    """Decided by the files that a package brings: asking apt takes seconds."""
    packages = []
    if importlib.util.find_spec("ensurepip") is None:
        packages.append(f"python3.{sys.version_info.minor}-venv")
    if needs.postgres and not find_postgres_servers():
        packages += ["postgresql", "postgresql-postgis"]
    if needs.redis and find_redis_server() is None:
        packages.append("redis-server")
    if ctypes.util.find_library("gdal") is None:
        packages.append("gdal-bin")
    if (CHECKOUT / "package.json").exists() and shutil.which("npm") is None:
        packages += ["nodejs", "npm"]
    if needs.browser and find_browser() is None:
        packages.append("chromium")
    if needs.curl and shutil.which("curl") is None:
        packages.append("curl")
    return packages


def unfinished_packages(note: Path) -> list[str]:
    """What a killed installation was to bring: their files may be there, but not set up."""
    if not note.exists():
        return []
    audit = subprocess.run(["dpkg", "--audit"], stdout=subprocess.PIPE)
    return note.read_text().split() if audit.stdout else []


def install_packages(packages: Sequence[str], log: Path, note: Path) -> None:
    """The note lasts until all packages are set up."""
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        has_compose = (CHECKOUT / "docker-compose.yml").exists()
        instead = ", or use `docker compose up` instead" if has_compose else ""
        raise Refusal(f"apt-get is missing here; install what Debian calls {names}{instead}.")
    if os.geteuid() != 0 and shutil.which("sudo") is None:
        raise Refusal(f"Installing needs root or sudo; as root run: apt-get install {names}")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    command = [*sudo, "sh", "-c", INSTALL_SCRIPT, "sh", *packages]
    note.write_text(names)
    with log.open("ab") as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    if done.returncode != 0:
        raise Refusal(f"Installing {names} failed; see {log}:\n{last_lines(log)}")
    note.unlink()
    importlib.invalidate_caches()


def ensure_packages(needs: Needs, workshop: Workshop) -> None:
    note = workshop.checkout / ".local/installing"
    packages = list(dict.fromkeys([*missing_packages(needs), *unfinished_packages(note)]))
    if not packages:
        return
    check_disk(Path("/"), LEAST_FREE_BYTES_TO_INSTALL)
    with step(f"Installing {', '.join(packages)}"):
        workshop.logs.mkdir(parents=True, exist_ok=True)
        try:
            install_packages(packages, workshop.logs / "packages.log", note)
        finally:
            # Whoever pressed Ctrl-C needs no explanation of why apt stopped.
            workshop.supervisor.pump(0)


def base_python() -> str:
    """The interpreter itself, also when this script runs inside a virtual environment."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base = Path(sys.base_prefix) / "bin" / name
    return str(base) if base.exists() else sys.executable


def ensure_uv(workshop: Workshop) -> Path:
    """Lives beside the other private folders of the checkout, shared by up and test."""
    folder = workshop.checkout / ".local/uv"
    uv = folder / "bin/uv"
    stamp = folder / "version"
    if not (uv.exists() and stamp.exists() and stamp.read_text() == UV_VERSION):
        venv = ("-m", "venv", "--clear", str(folder))
        install = ("-m", "pip", "install", "--quiet", f"uv=={UV_VERSION}")
        workshop.run(workshop.program("uv", base_python(), *venv))
        workshop.run(workshop.program("uv", str(folder / "bin/python"), *install))
        stamp.write_text(UV_VERSION)
    return uv


def sync_python(workshop: Workshop, *options: str) -> None:
    """Makes or updates `.venv` from the lock."""
    with step("Python packages"):
        uv = str(ensure_uv(workshop))
        sync = workshop.program(
            "uv",
            *(uv, "sync", "--frozen", "--no-managed-python", "--python", base_python()),
            *("--project", str(workshop.checkout), *options),
            UV_PROJECT_ENVIRONMENT=str(workshop.checkout / ".venv"),
            UV_PYTHON_DOWNLOADS="never",
        )
        workshop.run(sync)


def sync_npm(workshop: Workshop) -> None:
    """Runs only when the lock has changed since the last time."""
    lock = workshop.checkout / "package-lock.json"
    if not (lock.exists() and (workshop.checkout / "package.json").exists()):
        return
    stamp = Stamp(workshop.checkout / ".local/npm.sha256", workshop.checkout / "node_modules")
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.stands_for(digest):
        with step("npm packages"):
            workshop.run(workshop.program("npm", "npm", "ci", "--no-audit", "--no-fund"))
        stamp.write(digest)


def collect_static(workshop: Workshop) -> None:
    """Runs only when something changed: compressing the files takes seconds each time."""
    stamp = Stamp(workshop.checkout / ".local/static.sha256", workshop.checkout / "static")
    digest = fingerprint_static(workshop.checkout)
    if not stamp.stands_for(digest):
        command = ("manage.py", "collectstatic", "--noinput", "-v0")
        with step("Static files"):
            workshop.run(workshop.program("collectstatic", workshop.python, *command))
        stamp.write(digest)


def fingerprint_static(checkout: Path) -> str:
    """Names, sizes and times of all that may be a static file or decide where they come from."""
    digest = hashlib.sha256()
    for name in STATIC_SOURCES:
        digest.update((checkout / name).read_bytes() if (checkout / name).exists() else b"")
    for path in sorted(find_assets(checkout)):
        found = path.stat()
        digest.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def find_assets(checkout: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(checkout):
        at_top = Path(folder) == checkout
        skipped = GENERATED_AT_TOP if at_top else GENERATED
        folders[:] = [name for name in folders if name not in skipped and name[0] != "."]
        if not at_top:
            yield from (Path(folder, name) for name in names if not name.endswith(".py"))
