"""Reads the settings from the environment and `.env`, and fills in what nobody set."""

from __future__ import annotations

import os
import secrets
import shlex
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from supervisor import Refusal

DEFAULTS = {
    "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]",
    "ANONYMOUS_ACCESS": "read,ingest,import",
    "DEBUG": "0",
    "LOG_FORMAT": "console",
    "PORT": "8000",
}
# These make a command look at another environment or another database than this checkout's.
FOREIGN = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "UV_PYTHON", "UV_PROJECT")
FOREIGN_PREFIX = "PG"


def read_settings(checkout: Path) -> dict[str, str]:
    """The real environment wins over `.env`, and both over the defaults."""
    surroundings = clean_environment(os.environ)
    return {**DEFAULTS, **read_env_file(checkout / ".env"), **surroundings}


def clean_environment(variables: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value
        for name, value in variables.items()
        if name not in FOREIGN and not name.startswith(FOREIGN_PREFIX)
    }
    return kept | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
    }


def read_env_file(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    settings = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        stripped = line.strip().removeprefix("export ").strip()
        if stripped and not stripped.startswith("#"):
            name, separator, value = stripped.partition("=")
            if not separator or not name.strip().isidentifier():
                raise Refusal(f"Line {number} of {path} is not NAME=value.")
            settings[name.strip()] = read_value(value.strip())
    return settings


def read_value(text: str) -> str:
    """A quoted value ends at its quote; a bare one ends at a comment."""
    quote = text[:1]
    if quote in {'"', "'"} and quote in text[1:]:
        return text[1 : text.index(quote, 1)]
    return "" if quote == "#" else text.partition(" #")[0].rstrip()


def read_port(settings: Mapping[str, str]) -> int:
    text = settings["PORT"]
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise Refusal(f"PORT must be a number from 1 to 65535, not {shlex.quote(text)}.")
    return int(text)


def read_secret_key(path: Path) -> str:
    """Made once, also where two make one at the same time: the first stays."""
    if not path.exists():
        own = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        write_private(own, secrets.token_urlsafe(50))
        with suppress(FileExistsError):
            path.hardlink_to(own)
        own.unlink()
    return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Readable by its owner only; the file appears whole or not at all."""
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.replace(unfinished, path)
