"""Counts that all processes of a web server share, in files that all of them have mapped.

Nothing of prometheus_client may be imported before this: it decides then how it counts.
"""

import multiprocessing
import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
FOLDER = Path(tempfile.gettempdir())
PREFIX = "catchment-counts"
NAME = re.compile(rf"{PREFIX}-(\d+)-(\d+)", re.ASCII)


def share_counts() -> None:
    """Lets a process of granian's count in a folder of its main process, where nobody chose one.
    Any other process counts for itself."""
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None or os.environ.get(VARIABLE):
        return
    remove_stale_folders()
    folder = name_folder(parent.pid)
    # Its name can be guessed: what is there already must be ours, and nobody else's to change.
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if found.st_uid == os.getuid() and not found.st_mode & 0o077 and folder.is_dir():
        os.environ[VARIABLE] = str(folder)


def name_folder(pid: int) -> Path:
    return FOLDER / f"{PREFIX}-{os.getuid()}-{pid}"


def remove_stale_folders() -> None:
    """Of servers of this user that are no more."""
    for folder in FOLDER.glob(f"{PREFIX}-{os.getuid()}-*"):
        match = NAME.fullmatch(folder.name)
        if match and not is_running(int(match[2])):
            with suppress(OSError):
                shutil.rmtree(folder)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
