"""How many requests there were, and how long they took, by method, route and status."""

import time
from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.contrib.admindocs.views import simplify_regex
from django.http import HttpRequest, HttpResponse
from prometheus_client import Histogram

METHODS = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}
SECONDS = (0.005, 0.025, 0.1, 0.5, 1, 5, 30)

REQUESTS = Histogram(
    "catchment_request_seconds",
    "Time until an answer begins; what is streamed is not waited for.",
    ("method", "route", "status"),
    buckets=SECONDS,
    registry=None,
)


class CountMiddleware:
    """Counts every request, also those that the doors answer: it costs some 2 µs each
    (measured)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.doors = {path for _, path in settings.DOORS}
        self.static = f"/{settings.STATIC_URL.strip('/')}/"

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        seconds = time.perf_counter() - began
        series = find_series(str(request.method), self.find_route(request), response.status_code)
        series.observe(seconds)
        return response

    def find_route(self, request: HttpRequest) -> str:
        """The pattern of an address, as docs/access.md has it: of addresses there is no end."""
        if request.resolver_match is not None:
            return name_route(request.resolver_match.route)
        path = request.path_info.removesuffix("/")
        if path in self.doors:
            return f"{path}/"
        return f"{self.static}…" if request.path_info.startswith(self.static) else "none"


@lru_cache(maxsize=4096)
def find_series(method: str, route: str, status: int) -> Histogram:
    return REQUESTS.labels(method if method in METHODS else "other", route, str(status))


@lru_cache(maxsize=1024)
def name_route(pattern: str) -> str:
    return simplify_regex(pattern)
