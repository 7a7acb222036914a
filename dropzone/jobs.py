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
from dropzone.draining import drain_batch
from dropzone.models import Payload

QUEUE = "payloads"
# After a failure none kicks for so long: who sends must not wait for a Redis that hangs.
PAUSE_SECONDS = 5.0
# To ask Redis for each payload would take a quarter of its time. Whoever begins after a kick looks
# for the last time when nobody is quiet any more because of it.
QUIET_SECONDS = 0.05
LINGER_SECONDS = 0.06
# Then a job makes room for the next: a worker tells only between jobs that it is alive.
LONGEST_SECONDS = 15.0
# A payload that nobody came for is kicked for once more, and then drained by the sweeper.
KICK_PATIENCE = timedelta(seconds=5)
PATIENCE = timedelta(seconds=10)


class Kicker:
    """Kicks the workers where no job waits already, and pauses where Redis does not answer."""

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
            if not self.queue.count:
                self.queue.enqueue(drain, job_timeout=-1, result_ttl=0)
        except RedisError:
            self.quiet_until = time.monotonic() + PAUSE_SECONDS


kicker = Kicker()


def drain() -> int:
    """Processes what waits, until there is nothing more, or for long enough; tells how many."""
    close_old_connections()
    began = time.monotonic()
    total = 0
    while (looked_after := time.monotonic() - began) < LONGEST_SECONDS:
        count = drain_batch()
        total += count
        if not count and looked_after >= LINGER_SECONDS:
            return total
        if not count:
            time.sleep(LINGER_SECONDS)
    kicker.quiet_until = 0.0
    kicker.kick()
    return total


def has_unanswered(patience: timedelta) -> bool:
    """Whether a payload waits for longer than that, though it could be processed."""
    due = Payload.objects.filter(state=State.RECEIVED, next_attempt_at__lt=Now() - patience)
    return due.exists()
