"""What `bin/healthy` does: asks whether a role of a container does its work."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.utils import now
from running import answers_health
from starting import BEAT

SILENT_SECONDS = 60  # for which a sweeper may be busy
# Workers wait for jobs in rounds of 45 s, and say so after each.
SIGN_OF_LIFE = timedelta(seconds=60)
QUEUES = ("imports", "payloads")


def main(arguments: Sequence[str]) -> int:
    check = CHECKS.get(" ".join(arguments))
    if check is None:
        sys.stderr.write(f"bin/healthy needs a role: {', '.join(CHECKS)}\n")
        return 2
    return 0 if check() else 1


def has_web() -> bool:
    return answers_health(int(os.environ.get("PORT", "8000")))


def has_workers() -> bool:
    """A worker of this container's for each queue has told Redis lately that it lives."""
    redis = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=2, socket_connect_timeout=2)
    try:
        return all(has_worker(Queue(name, connection=redis)) for name in QUEUES)
    except RedisError:
        return False


def has_worker(queue: Queue) -> bool:
    workers = (worker for worker in Worker.all(queue=queue) if worker.hostname == HOST)
    beats = (worker.last_heartbeat for worker in workers)
    return any(beat is not None and now() - beat < SIGN_OF_LIFE for beat in beats)


def has_sweeper() -> bool:
    return BEAT.exists() and time.time() - BEAT.stat().st_mtime < SILENT_SECONDS


HOST = socket.gethostname()
CHECKS: dict[str, Callable[[], bool]] = {
    "web": has_web,
    "worker": has_workers,
    "sweeper": has_sweeper,
}
