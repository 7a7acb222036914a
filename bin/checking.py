"""What `bin/test` does: sets up as `bin/up` does, apart from it, and runs every check."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from campaigns import list_modules
from environment import DEFAULTS, clean_environment
from figures import fill, read_page
from machine import (
    CHECKOUT,
    Needs,
    Workshop,
    check_disk,
    collect_static,
    ensure_packages,
    find_browser,
    hold_lock,
    make_private_folder,
    step,
    sync_npm,
    sync_python,
)
from reliability import MARKER, PAGE, Run, publish, read_results
from running import guard, prepare_home
from stores import (
    RECKLESS_SETTINGS,
    Home,
    choose_home,
    end_stale_postgres,
    make_enterable,
    start_postgres,
    start_redis,
)
from supervisor import Program, Supervisor, describe_exit, kill_leftovers, say

LOCAL = CHECKOUT / ".local/test"
# Kept when the cluster goes: they tell why a check failed.
LOGS = CHECKOUT / ".local/log/test"
# What a developer has set for bin/up must not decide whether the tests pass.
UNSET = (
    "ANONYMOUS_ACCESS",
    "CORS_ALLOWED_ORIGINS",
    "DROPZONE_BUCKET",
    "DROPZONE_BUCKET_REGION",
    "DROPZONE_BUCKET_URL",
    "FOOTPRINTS_SOURCE",
    "IMPORT_ALLOWED_NETWORKS",
    "IMPORTS_PER_USER",
    "IMPORT_LOADERS",
    "IMPORT_MAX_BYTES",
    "JWT_SIGNING_KEY",
    "LOG_FORMAT",
    "MAP_STYLE_URL",
    "METRICS_TOKEN",
    "NUM_PROXIES",
    "PUBLIC_URL",
    "RATE_LIMITS",
)
PRODUCTION = {
    "DEBUG": "0",
    "PUBLIC_URL": "https://catchment.example",
    "ALLOWED_HOSTS": "catchment.example",
    "ANONYMOUS_ACCESS": "",
}
# import-linter cannot be run as a module, and its script names the folder .venv was made in.
LINT_IMPORTS = "from importlinter.cli import lint_imports_command as lint; lint()"


@dataclass(frozen=True)
class Check:
    """A command for the project's Python; its name is the heading and stands in the summary."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


CHECKS = (
    Check("ruff check", ("-m", "ruff", "check", ".")),
    Check("ruff format", ("-m", "ruff", "format", "--check", ".")),
    Check("mypy", ("-m", "mypy", ".")),
    Check("lint-imports", ("-c", LINT_IMPORTS)),
    Check("djlint --lint", ("-m", "djlint", "templates", "--lint")),
    Check("djlint --check", ("-m", "djlint", "templates", "--check")),
    Check("makemigrations --check", ("manage.py", "makemigrations", "--check", "--dry-run")),
    Check(
        "check --deploy",
        ("manage.py", "check", "--deploy", "--fail-level", "WARNING"),
        PRODUCTION,
    ),
    Check("pip-audit", ("bin/advisories.py", "python")),
    Check("npm audit", ("bin/advisories.py", "npm")),
)
# One process for each core, and a slow test never keeps the others waiting.
SIDE_BY_SIDE = ("-n", "auto", "--dist", "worksteal", "--durations=20")
COVERAGE = ("--cov", "--cov-report=term-missing:skip-covered")
FAULTS = "faults"  # the large campaigns of tests/faults
SIZES = {"FAULT_ROUNDS", "FAULT_ROWS", "FAULT_POINTS", "FAULT_LEASE_SECONDS"}
RESULTS = LOGS / "faults.xml"
# Campaigns wait for leases and for processes to start most of the time: three keep two cores busy.
THREE_SIDE_BY_SIDE = ("-n", "3", "--dist", "worksteal", "--durations=20")


def main(arguments: Sequence[str]) -> int:
    return guard(lambda: run(arguments))


def run(arguments: Sequence[str]) -> int:
    if arguments[:1] == [FAULTS]:
        fill(read_page(PAGE), MARKER, "")  # fails before the work, not after it
    make_enterable(CHECKOUT / ".local")
    make_private_folder(LOGS.parent)
    lock = hold_lock(CHECKOUT / ".local/test.lock", "bin/test")
    # The cleaning comes last, when the supervisor has ended what works in the folders.
    with lock, ExitStack() as cleaning, Supervisor(LOCAL) as supervisor:
        check_disk(CHECKOUT)
        kill_leftovers(LOCAL)
        workshop = Workshop(supervisor, LOGS, clean_environment(os.environ))
        ensure_packages(Needs(browser=True, curl=True), workshop)
        sync_python(workshop)
        home = make_fresh_home()
        cleaning.callback(remove_home, home)
        workshop = Workshop(supervisor, LOGS, make_environment(home))
        prepare(workshop, home)
        if arguments[:1] == [FAULTS]:
            return run_campaigns(workshop, arguments[1:])
        if arguments:
            return run_check(workshop, Check("pytest", ("-m", "pytest", *arguments)))
        return run_all(workshop)


def make_fresh_home() -> Home:
    make_enterable(LOCAL)
    home = choose_home(CHECKOUT, LOCAL)
    end_stale_postgres(home.cluster)
    remove_home(home)
    make_enterable(LOCAL)
    return prepare_home(LOCAL)


def remove_home(home: Home) -> None:
    for folder in (home.sockets, home.data, LOCAL):
        shutil.rmtree(folder, ignore_errors=True)


def make_environment(home: Home) -> dict[str, str]:
    return {
        **clean_environment(os.environ),
        **DEFAULTS,
        **dict.fromkeys(UNSET, ""),
        "DATABASE_URL": home.database_url,
        "READER_DATABASE_URL": home.reader_url,
        "REDIS_URL": home.redis_url,
        "SECRET_KEY": secrets.token_urlsafe(50),
        "COVERAGE_FILE": str(LOCAL / "coverage"),
        "CHROMIUM": find_browser() or "",
    }


def prepare(workshop: Workshop, home: Home) -> None:
    with step("PostgreSQL"):
        start_postgres(workshop.supervisor, home, LOGS, RECKLESS_SETTINGS)
    with step("Redis"):
        start_redis(workshop.supervisor, home, LOGS)
    sync_npm(workshop)
    collect_static(workshop)


def run_all(workshop: Workshop) -> int:
    """Runs every check whatever the others say; pytest is last, so that its summary ends it all."""
    failed = [check.name for check in CHECKS if run_check(workshop, check) != 0]
    say(f"\nFailed before pytest: {', '.join(failed)}" if failed else "\nAll passed before pytest.")
    code = run_check(workshop, Check("pytest", ("-m", "pytest", *SIDE_BY_SIDE, *COVERAGE)))
    return code or min(len(failed), 1)


def run_check(workshop: Workshop, check: Check) -> int:
    say(f"\n== {check.name}")
    command = (workshop.python, *check.arguments)
    environment = {**workshop.environment, **check.environment}
    program = Program(check.name, command, environment, workshop.checkout)
    code = workshop.supervisor.run(program)
    if code < 0:
        say(f"{check.name}: {describe_exit(code)}")
    return abs(code)


def run_campaigns(workshop: Workshop, arguments: Sequence[str]) -> int:
    """The large campaigns of tests/faults, and what came of them."""
    changes = sorted(f"{name}={os.environ[name]}" for name in os.environ if name in SIZES)
    files = [f"tests/faults/{module}.py" for module in list_modules()]
    command = ("-m", "pytest", *files, *THREE_SIDE_BY_SIDE, f"--junitxml={RESULTS}", *arguments)
    RESULTS.unlink(missing_ok=True)
    began = time.monotonic()
    code = run_check(workshop, Check("pytest", command, {"FAULTS": "large"}))
    minutes = (time.monotonic() - began) / 60
    return publish(Run(read_results(RESULTS), code, minutes, (*changes, MARKER, *arguments)))
