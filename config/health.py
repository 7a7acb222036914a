"""Whether this server is alive, and whether it can answer."""

from typing import Any

import django_rq
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from redis.exceptions import RedisError
from rq import Worker


def show_alive(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers at all."""
    return JsonResponse({"status": "alive"})


def show_ready(request: HttpRequest) -> JsonResponse:
    """503 only where the database is gone: without Redis or a worker everything still gets done,
    by the sweeper, and a server that can answer must not be taken out of service."""
    is_database_up = check_database()
    state = {"database": "up" if is_database_up else "down", **check_workers()}
    is_whole = is_database_up and state["redis"] == "up" and state["workers"]
    status = "ready" if is_whole else "degraded" if is_database_up else "unavailable"
    return JsonResponse({"status": status, **state}, status=200 if is_database_up else 503)


def check_database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def check_workers() -> dict[str, Any]:
    """Whether Redis answers, and how many workers have given a sign of life to it lately."""
    try:
        workers = Worker.count(connection=django_rq.get_connection("imports"))
    except RedisError:
        return {"redis": "down", "workers": 0}
    return {"redis": "up", "workers": workers}
