"""Errors in one shape, also those that Django raises while a request is being read."""

from itertools import islice
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpResponse, JsonResponse, RawPostDataException
from drf_standardized_errors.handler import ExceptionHandler
from psycopg.errors import ProgramLimitExceeded, QueryCanceled
from rest_framework.exceptions import APIException, ErrorDetail, ParseError, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from config.api.renderers import GeoJsonRenderer

MOST_FAULTS = 100  # that are told: to write them takes the square of their number


class PayloadTooLarge(APIException):
    status_code = 413
    default_detail = "The body is larger than what is accepted here."
    default_code = "too_large"


class Conflict(APIException):
    status_code = 409
    default_detail = "This is not possible in its present state."
    default_code = "conflict"


class TooManyImports(APIException):
    status_code = 429
    default_detail = "As many imports as one may have at once are active: wait for one to end."
    default_code = "too_many_imports"
    wait = 30  # seconds, as Retry-After


class QueryTooSlow(APIException):
    status_code = 503
    default_code = "query_too_slow"


class QueryTooLarge(APIException):
    status_code = 503
    default_code = "query_too_large"


def show_name(name: str) -> str:
    """A parameter's name as an answer can hold it: JSON may name half of a character."""
    return name.encode(errors="replace").decode()


def show_text(text: str) -> str:
    """A text as PostgreSQL can hold it too."""
    return show_name(text).replace("\0", "\N{REPLACEMENT CHARACTER}")


class RequestExceptionHandler(ExceptionHandler):
    """Too large a body is a 413, too many parameters and the like are a 400: never a 500.

    A query that took too long or too much is a 503 with the view's `advice`.
    """

    def run(self) -> Response | None:
        """Who asked for GeoJSON gets an error under JSON's name: it is no feature."""
        request: Any = self.context["request"]
        if isinstance(getattr(request, "accepted_renderer", None), GeoJsonRenderer):
            request.accepted_renderer = JSONRenderer()
            request.accepted_media_type = JSONRenderer.media_type
        return super().run()

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, RequestDataTooBig):
            return PayloadTooLarge()
        if isinstance(exc, RawPostDataException):
            return ParseError("The body was read as a form: send it under another Content-Type.")
        if isinstance(exc, ValidationError):
            exc.detail = trim(exc.detail)
        if isinstance(exc, SuspiciousOperation):
            return ParseError(str(exc))
        advice = getattr(self.context["view"], "advice", "Narrow it by a filter.")
        if was_cancelled(exc):
            return QueryTooSlow(f"It took longer than {settings.QUERY_SECONDS} seconds. {advice}")
        if is_caused_by(exc, ProgramLimitExceeded):
            return QueryTooLarge(f"It needs more than PostgreSQL can hold. {advice}")
        known: Exception = super().convert_known_exceptions(exc)
        return known


def trim(detail: Any) -> Any:
    """The first faults, of however many a body can have, each as an answer can hold it."""
    if isinstance(detail, dict):
        return {name: trim(part) for name, part in islice(detail.items(), MOST_FAULTS)}
    if isinstance(detail, list):
        return [trim(part) for part in detail[:MOST_FAULTS]]
    return ErrorDetail(show_name(detail), detail.code)


def was_cancelled(error: Exception) -> bool:
    """Whether PostgreSQL gave up a query."""
    return is_caused_by(error, QueryCanceled)


def is_caused_by(error: Exception, kind: type[Exception]) -> bool:
    """Whether PostgreSQL raised it; Django wraps what is not raised within a COPY."""
    return isinstance(error, kind) or isinstance(error.__cause__, kind)


def answer_error(code: str, detail: str, *, status: int) -> HttpResponse:
    """An error of the sender's in the API's shape, where no view of the API answers."""
    error = {"code": code, "detail": detail, "attr": None}
    return JsonResponse({"type": "client_error", "errors": [error]}, status=status)
