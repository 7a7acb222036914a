"""What `bin/up` does: prepares everything, then keeps the project running in the foreground."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from environment import (
    read_env_file,
    read_port,
    read_secret_key,
    read_settings,
    write_private,
)
from machine import (
    CHECKOUT,
    Needs,
    Workshop,
    check_disk,
    check_port,
    collect_static,
    ensure_packages,
    hold_lock,
    make_private_folder,
    step,
    sync_npm,
    sync_python,
)
from stores import Home, choose_home, make_enterable, make_folders, start_postgres, start_redis
from supervisor import (
    Child,
    Refusal,
    StopRequested,
    Supervisor,
    kill_leftovers,
    say,
)

LOCAL = CHECKOUT / ".local"
LOGS = LOCAL / "log"
WRITTEN = (
    "DATABASE_URL",
    "READER_DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "ALLOWED_HOSTS",
    "ANONYMOUS_ACCESS",
    "DEBUG",
    "LOG_FORMAT",
)
WEB_START_SECONDS = 60.0


def main(arguments: Sequence[str]) -> int:
    if arguments:
        say("bin/up takes no arguments; it is configured by the environment and by .env.")
        return 2
    return guard(up)


def guard(body: Callable[[], int]) -> int:
    """Turns what can be expected to go wrong into one sentence."""
    try:
        return body()
    except Refusal as refusal:
        say(str(refusal))
    except StopRequested as stop:
        return 128 + stop.signal_number
    except OSError as error:
        say(f"{error.filename or 'This machine'}: {error.strerror or error}.")
    return 1


def up() -> int:
    settings = read_settings(CHECKOUT)
    port = read_port(settings)
    make_enterable(LOCAL)
    make_private_folder(LOGS)
    with hold_lock(LOCAL / "up.lock", "bin/up"), Supervisor(LOCAL) as supervisor:
        kill_leftovers(LOCAL)
        check_port(port)
        check_disk(LOCAL)
        serve(prepare(supervisor, settings), port)
        return stay(supervisor)


def prepare(supervisor: Supervisor, settings: Mapping[str, str]) -> Workshop:
    """Returns the workshop whose environment the project's processes see."""
    needs = Needs(postgres=not settings.get("DATABASE_URL"), redis=not settings.get("REDIS_URL"))
    workshop = Workshop(supervisor, LOGS, settings)
    ensure_packages(needs, workshop)
    sync_python(workshop, "--no-dev", "--inexact")
    settings = with_secret_key(start_stores(supervisor, settings, needs))
    write_settings(settings)
    workshop = Workshop(supervisor, LOGS, settings)
    sync_npm(workshop)
    collect_static(workshop)
    with step("Database schema"):
        command = (workshop.python, "manage.py", "migrate", "--noinput")
        workshop.run(workshop.program("migrate", *command))
    return workshop


def with_secret_key(settings: Mapping[str, str]) -> dict[str, str]:
    key = settings.get("SECRET_KEY") or read_secret_key(LOCAL / "secret_key")
    return {**settings, "SECRET_KEY": key}


def write_settings(settings: Mapping[str, str]) -> None:
    """What nobody set, for a manage.py that is run by hand."""
    given = {**read_env_file(CHECKOUT / ".env"), **os.environ}
    chosen = {n: settings[n] for n in WRITTEN if n in settings and not given.get(n)}
    write_private(LOCAL / "env", "".join(f"{name}={value}\n" for name, value in chosen.items()))


def start_stores(
    supervisor: Supervisor, settings: Mapping[str, str], needs: Needs
) -> dict[str, str]:
    found = dict(settings)
    if not (needs.postgres or needs.redis):
        return found
    home = prepare_home(LOCAL)
    if needs.postgres:
        with step("PostgreSQL"):
            start_postgres(supervisor, home, LOGS)
        found["DATABASE_URL"] = home.database_url
        found["READER_DATABASE_URL"] = found.get("READER_DATABASE_URL") or home.reader_url
    if needs.redis:
        with step("Redis"):
            start_redis(supervisor, home, LOGS)
        found["REDIS_URL"] = home.redis_url
    return found


def prepare_home(local: Path) -> Home:
    home = choose_home(CHECKOUT, local)
    make_folders(home)
    check_disk(home.data)
    if home.data != local:
        say(f"The user {home.user} cannot enter {local}: the database is in {home.data}.")
    return home


def bootstrap(workshop: Workshop) -> None:
    """Its output holds the password of a new admin user: for the terminal, never for a log."""
    started_at = time.monotonic()
    program = workshop.program("bootstrap", workshop.python, "manage.py", "bootstrap")
    workshop.run(replace(program, shows_output=True))
    say(f"Admin user and sample data ... {time.monotonic() - started_at:.1f} s")


def serve(workshop: Workshop, port: int) -> None:
    """The worker and the sweeper come last: on a small machine they slow the others' start."""
    python = workshop.python
    supervisor = workshop.supervisor
    web = supervisor.keep_running(workshop.program("web", *web_command(python, port)))
    bootstrap(workshop)
    with step("Web server"):
        supervisor.wait_until(lambda: answers_health(port), web, WEB_START_SECONDS)
    start_importers(workshop)
    start_drainers(workshop)
    send_samples(workshop, port)
    say_where_to_look(port)


def send_samples(workshop: Workshop, port: int) -> None:
    """Where there is nothing yet; a server that lets nobody send goes without them."""
    started_at = time.monotonic()
    site = f"http://127.0.0.1:{port}"
    command = (workshop.python, "manage.py", "send_samples", "--url", site)
    program = workshop.program("send_samples", *command)
    is_sent = workshop.supervisor.run(program) == 0
    took = f"{time.monotonic() - started_at:.1f} s" if is_sent else f"none, see {program.log}"
    say(f"Sample fixes and payloads ... {took}")


def start_importers(workshop: Workshop) -> list[Child]:
    """Two, so that a long import does not delay the next; beyond that the sweeper lends a hand."""
    command = worker_command(workshop.python, "imports")
    return [
        workshop.supervisor.keep_running(workshop.program(name, *command))
        for name in ("worker", "worker-2")
    ]


def start_drainers(workshop: Workshop) -> tuple[Child, Child]:
    """The worker for payloads, and the sweeper."""
    command = worker_command(workshop.python, "payloads", *PAYLOAD_OPTIONS)
    worker = workshop.supervisor.keep_running(workshop.program("payload-worker", *command))
    sweep = workshop.program("sweeper", *sweep_command(workshop.python))
    return worker, workshop.supervisor.keep_running(sweep)


# Of a kind that needs no process for each job: there are many, and short ones.
PAYLOAD_OPTIONS = ("--worker-class", "rq.worker.SimpleWorker")


# The checks load all that the web server has: 44 MB for nothing, where it made them already.
LEAN = "--skip-checks"


def worker_command(python: str, queue: str, *options: str) -> tuple[str, ...]:
    return (
        *(python, "manage.py", "rqworker", queue, *options, LEAN),
        *("--serializer", "rq.serializers.JSONSerializer", "--worker-ttl", "60"),
    )


def sweep_command(python: str, *options: str) -> tuple[str, ...]:
    return (python, "manage.py", "sweep", LEAN, *options)


# More of them wait for each other rather than for the database.
WEB_THREADS = 6


def web_command(
    python: str, port: int, *, host: str = "127.0.0.1", processes: int = 2
) -> tuple[str, ...]:
    # As a module: the scripts in .venv name the folder in which it was made.
    return (
        *(python, "-m", "granian", "--interface", "wsgi", "config.wsgi:application"),
        *("--host", host, "--port", str(port), "--workers", str(processes)),
        # HTTP/2 may leave out the length of a body, which would be taken for an empty one.
        *("--http", "1"),
        *("--blocking-threads", str(WEB_THREADS), "--log-config", "config/granian.json"),
        *("--respawn-failed-workers", "--respawn-interval", "1", "--workers-kill-timeout", "5"),
    )


def answers_health(port: int) -> bool:
    """Any answer but a server error: `bin/bench` also asks servers without such an address."""
    request = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    try:
        # Not by http.client, which takes 6 MB as long as this process lives.
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(request.encode())
            status = connection.recv(len("HTTP/1.1 200"))
    except OSError:
        return False
    return status.startswith(b"HTTP/1.") and status[9:10] < b"5"


def say_where_to_look(port: int) -> None:
    site = f"http://127.0.0.1:{port}"
    say("")
    say(f"Overview  {site}/")
    say(f"API       {site}/api/docs/")
    say(f"Admin     {site}/admin/")
    say(f"Heatmap   {site}/api/v1/footprints/heatmap/")
    say(f"Logs      {LOCAL / 'log'}")
    say("")
    say("Ctrl-C stops everything.")


def stay(supervisor: Supervisor) -> int:
    """A signal is the ordinary end of a run that got this far."""
    try:
        supervisor.watch()
    except StopRequested:
        say("Stopping ...")
        supervisor.stop()
        say("Stopped.")
    return 0
