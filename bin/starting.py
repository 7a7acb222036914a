"""What `bin/start` does in a container: plays a role, or runs any other command in its place.

Packages, stores and static files are the image's and the platform's business.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from environment import (
    clean_environment,
    read_env_file,
    read_port,
    read_secret_key,
    write_private,
)
from running import (
    PAYLOAD_OPTIONS,
    guard,
    stay,
    sweep_command,
    web_command,
    worker_command,
)
from supervisor import Program, Refusal, Supervisor

CHECKOUT = Path(__file__).resolve().parent.parent
LOCAL = CHECKOUT / ".local"
PYTHON = "python"
ANYWHERE = "0.0.0.0"  # noqa: S104 (what the container publishes is said outside)
# Nobody answers there: the sweeper does what workers would.
NO_REDIS = "redis://127.0.0.1:1/0"
# What no role can do without; SECRET_KEY is made by `migrate`.
NEEDED = {"DATABASE_URL", "REDIS_URL"}
# Touched by the sweeper after each round.
BEAT = Path(tempfile.gettempdir()) / "sweeper"

Command = tuple[str, ...]


def main(arguments: Sequence[str]) -> int:
    return guard(lambda: start(arguments))


def start(arguments: Sequence[str]) -> int:
    if not arguments:
        raise Refusal(f"bin/start needs a role ({', '.join(ROLES)}) or a command.")
    role = ROLES.get(arguments[0])
    if role is None or len(arguments) > 1:
        become(arguments)
    environment = clean_environment({"PORT": "8000", **os.environ})
    check_variables(environment, NEEDED - ({"REDIS_URL"} if role is start_all else set()))
    return role(environment)


def become(command: Sequence[str]) -> NoReturn:
    name = command[0]
    if not name or shutil.which(name) is None:
        roles = ", ".join(ROLES)
        raise Refusal(f"bin/start: {name!r} is neither a role ({roles}) nor a command.")
    os.execvp(name, list(command))  # noqa: S606


def check_variables(environment: Mapping[str, str], needed: set[str]) -> None:
    """Before anything is started, which would be again and again. Raises Refusal."""
    files = (LOCAL / "env", CHECKOUT / ".env")
    known = {**read_env_file(files[0]), **read_env_file(files[1]), **environment}
    if missing := sorted(name for name in needed if not known.get(name)):
        raise Refusal(f"{' and '.join(missing)} must be set (see the README's table).")


def start_web(environment: Mapping[str, str]) -> int:
    command = web_command(PYTHON, read_port(environment), host=ANYWHERE)
    os.execvpe(command[0], command, environment)  # noqa: S606


def start_worker(environment: Mapping[str, str]) -> int:
    """Two processes, so that a long import holds up no payload."""
    imports = worker_command(PYTHON, "imports")
    payloads = worker_command(PYTHON, "payloads", *PAYLOAD_OPTIONS)
    return keep_running({"worker": imports, "payload-worker": payloads}, environment)


def start_sweeper(environment: Mapping[str, str]) -> int:
    command = sweep_command(PYTHON, "--beat", str(BEAT))
    os.execvpe(command[0], command, environment)  # noqa: S606


def migrate(environment: Mapping[str, str]) -> int:
    """Once, before the other roles: tables, the role that reads, the first user, a sample."""
    share_secret_key(environment)
    with Supervisor(LOCAL) as supervisor:
        for command in ("migrate", "--noinput"), ("bootstrap",):
            command_line = (PYTHON, "manage.py", *command)
            program = Program(command[0], command_line, environment, CHECKOUT)
            if code := supervisor.run(program):
                return code
    return 0


def start_all(environment: Mapping[str, str]) -> int:
    """All of it in one container of 512 MB: one process each, and without Redis no worker."""
    has_redis = bool(environment.get("REDIS_URL"))
    if not has_redis:
        environment = {**environment, "REDIS_URL": NO_REDIS}
    if code := migrate(environment):
        return code
    web = web_command(PYTHON, read_port(environment), host=ANYWHERE, processes=1)
    commands = {"web": web, "sweeper": sweep_command(PYTHON)}
    if has_redis:
        commands["worker"] = worker_command(PYTHON, "payloads", "imports")
    return keep_running(commands, environment)


def share_secret_key(environment: Mapping[str, str]) -> None:
    """Makes one where nobody set it, in the volume where the settings of all roles look."""
    if not environment.get("SECRET_KEY"):
        try:
            key = read_secret_key(LOCAL / "secret_key")
            write_private(LOCAL / "env", f"SECRET_KEY={key}\n")
        except OSError as error:
            raise Refusal(f"Set SECRET_KEY: {LOCAL} keeps none ({error.strerror}).") from error


def keep_running(commands: Mapping[str, Command], environment: Mapping[str, str]) -> int:
    """A worker that is asked to end waits for its job; the supervisor ends the job too, in time."""
    with Supervisor(LOCAL) as supervisor:
        for name, command in commands.items():
            supervisor.keep_running(Program(name, command, environment, CHECKOUT))
        return stay(supervisor)


ROLES: dict[str, Callable[[Mapping[str, str]], int]] = {
    "web": start_web,
    "worker": start_worker,
    "sweeper": start_sweeper,
    "migrate": migrate,
    "all-in-one": start_all,
}
