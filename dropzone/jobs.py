"""Draining as a job: kicked by whoever receives a payload, and by the sweeper."""

import time
from datetime import timedelta

from django.conf import settings
from django.db import close_old_connections
from django.db.models.functions import Now
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer

from dropzone.choices import State
from dropzone.draining import drain_payloads
from dropzone.models import Payload

QUEUE = "payloads"
KICKED = "dropzone:kicked"
# For so long nobody kicks again: whoever was kicked sees all that comes until he begins.
KICK_SECONDS = 5
# After a failure none for so long: who sends must not wait for a Redis that hangs.
PAUSE_SECONDS = 5.0
# A payload whose kick nobody answered for so long is drained by the sweeper.
PATIENCE = timedelta(seconds=5)
# To ask Redis for each payload would take a quarter of its time. Whoever begins after a kick looks
# for the last time when nobody is quiet any more because of it.
QUIET_SECONDS = 0.05
LINGER_SECONDS = 0.06


class Kicker:
    """Kicks the workers, at most once until one begins, and pauses where Redis does not answer."""

    def __init__(self) -> None:
        # Without the retries that it comes with: who sends must not wait for them.
        self.redis = Redis.from_url(settings.KICK_REDIS_URL, retry=Retry(NoBackoff(), 0))
        self.queue = Queue(QUEUE, connection=self.redis, serializer=JSONSerializer)
        self.quiet_until = 0.0

    def kick(self) -> None:
        """Tells the workers that there is work; where that fails, the sweeper does it."""
        if time.monotonic() < self.quiet_until:
            return
        self.quiet_until = time.monotonic() + QUIET_SECONDS
        try:
            if self.redis.set(KICKED, 1, nx=True, ex=KICK_SECONDS):
                self.queue.enqueue(drain, job_timeout=-1, result_ttl=0)
        except RedisError:
            self.quiet_until = time.monotonic() + PAUSE_SECONDS


kicker = Kicker()


def drain() -> int:
    """Processes what waits, until there is nothing more; tells how many."""
    close_old_connections()
    forget_kick()
    began = time.monotonic()
    total = 0
    while True:
        count = drain_payloads()
        total += count
        if not count and time.monotonic() - began >= LINGER_SECONDS:
            return total
        time.sleep(LINGER_SECONDS)


def forget_kick() -> None:
    """What comes from now on is worth another kick."""
    try:
        kicker.redis.delete(KICKED)
    except RedisError:
        return  # it expires by itself


def has_unanswered() -> bool:
    """Whether a payload waits though its kick should have been answered long ago."""
    due = Payload.objects.filter(state=State.RECEIVED, next_attempt_at__lt=Now() - PATIENCE)
    return due.exists()
