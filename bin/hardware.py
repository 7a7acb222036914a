"""What was measured with, as pages with figures tell it."""

from __future__ import annotations

import datetime
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from machine import CHECKOUT


def describe_machine(versions: Sequence[str]) -> str:
    """The date, the machine, and the versions of Python, of these programs and of the project."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    machine = f"{os.cpu_count()} cores of {find_processor()}, {memory_bytes / 1e9:.0f} GB"
    system = f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
    parts = [*versions, f"Python {platform.python_version()}"]
    if commit := find_commit():
        parts.append(f"commit {commit}")
    return f"{datetime.date.today()}: {machine}, {system}; {', '.join(parts)}."


@cache
def find_commit() -> str:
    """As it was at first: the figures that are written meanwhile change the checkout."""
    return ask("git", "describe", "--always", "--dirty").strip()


def ask(*command: str) -> str:
    """What a program prints; nothing where it fails, or is not there."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def find_processor() -> str:
    text = Path("/proc/cpuinfo").read_text()
    names = (line.partition(":")[2] for line in text.splitlines() if line.startswith("model name"))
    return next(names, platform.machine()).strip()
