"""What Prometheus reads: how much was asked, and how imports, payloads and workers are.

Counts only: no name, no address, no row.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from hmac import compare_digest
from typing import Any

import django_rq
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connection
from django.db.models import Count, Sum
from django.http import HttpResponse
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from redis.exceptions import RedisError
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView
from rq import Worker

from config.api.reading import limit_time
from config.counting import REQUESTS
from config.health import WORKERS, is_alive
from config.sharing import VARIABLE
from imports.models import Import

QUERY_SECONDS = 2.0  # for each query of a scrape, which nobody must wait for longer
MOST_PAYLOADS = 100_000  # beyond which those that wait are not counted
WAITING_PAYLOADS = """
    SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(received_at)), 0)
      FROM (SELECT received_at FROM dropzone_payload WHERE state = 'received'
             ORDER BY next_attempt_at, id LIMIT %s) AS waiting
"""


def write_metrics() -> bytes:
    """In Prometheus' text format, also while the database or Redis is down."""
    registry = CollectorRegistry()
    if os.environ.get(VARIABLE):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(REQUESTS)
    registry.register(Figures())
    return generate_latest(registry)


class Figures:
    """What is computed whenever somebody asks; of a store that does not answer, that it is down."""

    def collect(self) -> Iterable[Metric]:
        up = gauge("up", "Whether a store answers.", "store")
        yield from self._ask("database", Error, ask_database, up)
        yield from self._ask("redis", RedisError, ask_redis, up)
        yield up

    def _ask(
        self,
        store: str,
        fault: type[Exception],
        ask: Callable[[], Iterable[Metric]],
        up: GaugeMetricFamily,
    ) -> Iterable[Metric]:
        """Also notes in `up` whether the store answered."""
        try:
            found = list(ask())
        except fault:
            found = []
            up.add_metric([store], 0)
        else:
            up.add_metric([store], 1)
        return found


def gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"catchment_{name}", text, labels=labels)


# The database


def ask_database() -> Iterator[Metric]:
    with limit_time(DEFAULT_DB_ALIAS, QUERY_SECONDS):
        yield from count_imports()
        yield from count_payloads()
        yield measure_database()


def count_imports() -> Iterator[Metric]:
    """Gauges: an import that is deleted takes its figures along."""
    imports = gauge("imports", "Imports there are.", "dataset", "status")
    rows = gauge("import_rows", "Rows that imports have loaded.", "dataset", "status")
    rejects = gauge("import_rejects", "Records that imports refused.", "dataset", "status")
    totals = (
        Import.objects.values_list("dataset", "status")
        .annotate(Count("pk"), Sum("rows_loaded"), Sum("rows_rejected"))
        .order_by()
    )
    for *labels, count, loaded, rejected in totals:
        imports.add_metric(labels, count)
        rows.add_metric(labels, float(loaded))
        rejects.add_metric(labels, float(rejected))
    waiting = gauge("imports_waiting", "Imports that nobody works on yet, or any more.")
    waiting.add_metric([], Import.objects.waiting().count())
    yield from (imports, rows, rejects, waiting)


def count_payloads() -> Iterator[Metric]:
    waiting = gauge("payloads_waiting", f"Payloads to be processed, {MOST_PAYLOADS} at most.")
    oldest = gauge("payloads_oldest_seconds", "How long the oldest of them has waited.")
    with connection.cursor() as cursor:
        cursor.execute(WAITING_PAYLOADS, [MOST_PAYLOADS])
        [(count, seconds)] = cursor.fetchall()
    waiting.add_metric([], count)
    oldest.add_metric([], float(seconds))
    yield from (waiting, oldest)


def measure_database() -> Metric:
    size = gauge("database_bytes", "What the database takes on its disk.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        [(size_bytes,)] = cursor.fetchall()
    size.add_metric([], size_bytes)
    return size


# Redis


def ask_redis() -> Iterator[Metric]:
    jobs = gauge("queue_jobs", "Kicks that no worker took yet.", "queue")
    workers = gauge("workers", "Workers that gave a sign of life within a minute.", "queue")
    beats = gauge("worker_heartbeat_seconds", "Since the latest sign of life of any.", "queue")
    for name in WORKERS.values():
        queue = django_rq.get_queue(name)
        found = Worker.all(queue=queue)
        jobs.add_metric([name], queue.count)
        workers.add_metric([name], sum(map(is_alive, found)))
        signs = [worker.last_heartbeat for worker in found if worker.last_heartbeat]
        if signs:
            beats.add_metric([name], max(0.0, (now() - max(signs)).total_seconds()))
    yield from (jobs, workers, beats)


# Who may read it


class Scraper:
    """Who has METRICS_TOKEN, which is looked up nowhere: it is good without the database too."""

    pk = "metrics-token"
    is_authenticated = is_active = True

    def has_perm(self, permission: str, obj: Any = None) -> bool:
        return permission == "config.read"


class TokenAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Scraper, None] | None:
        expected = settings.METRICS_TOKEN.encode()
        given = str(request.META.get("HTTP_AUTHORIZATION", "")).removeprefix("Bearer ").encode()
        return (Scraper(), None) if expected and compare_digest(given, expected) else None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class PlainNegotiation(BaseContentNegotiation):
    """Whatever is accepted: there is one form, and errors are JSON as everywhere."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return next(iter(parsers), None)

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class DatabaseDown(APIException):
    status_code = 503
    default_detail = "The database does not answer, so nobody can be known but by METRICS_TOKEN."
    default_code = "database_down"


class MetricsView(APIView):
    access = "read"
    http_method_names = ["get", "head"]
    authentication_classes = [TokenAuthentication, *APIView.authentication_classes]
    content_negotiation_class = PlainNegotiation
    renderer_classes = [JSONRenderer]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        headers = {"Cache-Control": "no-store"}
        return HttpResponse(write_metrics(), CONTENT_TYPE_PLAIN_0_0_4, headers=headers)

    def handle_exception(self, exc: Exception) -> Any:
        return super().handle_exception(DatabaseDown() if isinstance(exc, Error) else exc)
