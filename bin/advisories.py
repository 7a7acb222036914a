"""Known faults in what the two locks name. Where nobody can be asked, it says so and passes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
LONGEST_SECONDS = 120
SOCKET_SECONDS = 5


class NotAsked(Exception):
    """The service could not be reached, or does not know what it is asked about."""


def main(arguments: Sequence[str]) -> int:
    ask = {"python": ask_for_python, "npm": ask_for_npm}[arguments[0]]
    try:
        known = ask()
    except NotAsked as error:
        print(f"skipped: {error}")
        return 0
    print("\n".join(known) or "no advisory for what the lock names")
    return min(len(known), 1)


def ask_for_python() -> list[str]:
    """An advisory a line. Raises NotAsked."""
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        uv = str(CHECKOUT / ".local/uv/bin/uv")
        export = (uv, "export", "--frozen", "--no-emit-project", "--quiet")
        run(*export, "--output-file", str(requirements)).check_returncode()
        options = ("--disable-pip", "--require-hashes", "--progress-spinner", "off")
        audit = (sys.executable, "-m", "pip_audit", "-r", str(requirements), *options)
        done = run(*audit, "--format", "json", "--timeout", str(SOCKET_SECONDS))
    return read_pip_audit(done.stdout, done.stderr)


def read_pip_audit(stdout: str, stderr: str) -> list[str]:
    """Raises NotAsked, also where the service knows none of the packages: pip-audit calls that
    `No known vulnerabilities`."""
    packages = read_json(stdout, stderr)["dependencies"]
    if packages and all("skip_reason" in package for package in packages):
        raise NotAsked(f"the service knows none of {len(packages)} packages")
    return [
        f"{package['name']} {package['version']}: {fault['id']},"
        f" mended in {', '.join(fault['fix_versions']) or 'no version yet'}"
        for package in packages
        for fault in package.get("vulns", ())
    ]


def ask_for_npm() -> list[str]:
    """A package with advisories a line. Raises NotAsked."""
    patience = (f"--fetch-timeout={SOCKET_SECONDS * 1000}", "--fetch-retries=0")
    try:
        done = run("npm", "audit", "--omit=dev", "--json", *patience)
    except FileNotFoundError as error:
        raise NotAsked("npm is missing here") from error
    return read_npm_audit(done.stdout, done.stderr)


def read_npm_audit(stdout: str, stderr: str) -> list[str]:
    """Raises NotAsked."""
    answer = read_json(stdout, stderr)
    if "vulnerabilities" not in answer:
        raise NotAsked(str(answer.get("message") or answer.get("error")))
    return [f"{name}: {found['severity']}" for name, found in answer["vulnerabilities"].items()]


def read_json(stdout: str, stderr: str) -> Any:
    try:
        return json.loads(stdout)
    except ValueError:
        lines = stderr.strip().splitlines()
        raise NotAsked(lines[-1] if lines else "no answer") from None


def run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, cwd=CHECKOUT, capture_output=True, text=True, timeout=LONGEST_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise NotAsked(f"no answer within {LONGEST_SECONDS} s") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
