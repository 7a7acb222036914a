"""Whether this server is alive, and whether it can answer."""

from datetime import timedelta
from typing import Any

import django_rq
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponsePermanentRedirect, JsonResponse
from django.middleware.common import CommonMiddleware
from django.utils.timezone import now
from redis.exceptions import RedisError
from rq import Worker
from rq.worker import BaseWorker

from config.api.reading import READER
from explorer.models import TaxiZone

# Workers wait for jobs in rounds of 45 s (`--worker-ttl 60`), and say so after each.
SIGN_OF_LIFE = timedelta(seconds=60)
# What tells of the workers of each queue.
WORKERS = {"workers": "imports", "payload_workers": "payloads"}


class HostMiddleware(CommonMiddleware):
    """Django's, which refuses hosts that are not among ALLOWED_HOSTS; but containers, balancers and
    Prometheus ask from inside, by an address. Each check would be a fault in the log."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        if request.path_info in settings.ASKED_FROM_INSIDE:
            return None
        return super().process_request(request)


def show_alive(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers at all."""
    return JsonResponse({"status": "alive"})


def show_ready(request: HttpRequest) -> JsonResponse:
    """503 only where the database is gone: without Redis or a worker everything still gets done,
    by the sweeper, and a server that can answer must not be taken out of service."""
    is_database_up = check_database()
    state = {
        "database": "up" if is_database_up else "down",
        "reader": "up" if is_database_up and check_reader() else "down",
        **check_workers(),
    }
    is_whole = "down" not in state.values() and all(state[name] for name in WORKERS)
    status = "ready" if is_whole else "degraded" if is_database_up else "unavailable"
    return JsonResponse({"status": status, **state}, status=200 if is_database_up else 503)


def check_database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def check_reader() -> bool:
    """Whether the explorer can read its tables with the role that it has for that."""
    try:
        TaxiZone.objects.using(READER).exists()
    except DatabaseError:
        return False
    return True


def check_workers() -> dict[str, Any]:
    """Whether Redis answers, and how many workers have given it a sign of life lately."""
    try:
        counts = {name: count_workers(queue) for name, queue in WORKERS.items()}
    except RedisError:
        return {"redis": "down", **dict.fromkeys(WORKERS, 0)}
    return {"redis": "up", **counts}


def count_workers(queue: str) -> int:
    return sum(map(is_alive, Worker.all(queue=django_rq.get_queue(queue))))


def is_alive(worker: BaseWorker) -> bool:
    """A worker that was killed stays in Redis' list until its key expires."""
    beat = worker.last_heartbeat
    return beat is not None and now() - beat < SIGN_OF_LIFE
