"""Places where tests end or stop this process, named by the environment; in service, nothing.

`CATCHMENT_FAULTS="after_copy@3=kill,before_commit=stop"`: the third time that `after_copy` is
reached the process kills itself, and the first time that `before_commit` is, it stops.
"""

import os
import signal
import threading
from collections import Counter

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def _read_armed(text: str) -> dict[tuple[str, int], str]:
    armed = {}
    for word in filter(None, text.split(",")):
        place, _, action = word.partition("=")
        name, _, count = place.partition("@")
        armed[name, int(count or 1)] = action
    return armed


_armed = _read_armed(os.environ.get("CATCHMENT_FAULTS", ""))
_reached: Counter[str] = Counter()
_lock = threading.Lock()


def fault(name: str) -> None:
    """Marks a place by its name."""
    if not _armed:
        return
    with _lock:
        _reached[name] += 1
        action = _armed.get((name, _reached[name]))
    if action:
        os.kill(os.getpid(), SIGNALS[action])
