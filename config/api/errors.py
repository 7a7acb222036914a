"""Errors in one shape, also those that Django raises while a request is being read."""

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse, RawPostDataException
from drf_standardized_errors.handler import ExceptionHandler
from rest_framework.exceptions import APIException, ParseError


class PayloadTooLarge(APIException):
    status_code = 413
    default_detail = "The body is larger than what is accepted here."
    default_code = "too_large"


class Conflict(APIException):
    status_code = 409
    default_detail = "This is not possible in its present state."
    default_code = "conflict"


def show_name(name: str) -> str:
    """A parameter's name as an answer can hold it: JSON may name half of a character."""
    return name.encode(errors="replace").decode()


def show_text(text: str) -> str:
    """A text as PostgreSQL can hold it too."""
    return show_name(text).replace("\0", "\N{REPLACEMENT CHARACTER}")


class RequestExceptionHandler(ExceptionHandler):
    """Too large a body is a 413, too many parameters and the like are a 400: never a 500."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, RequestDataTooBig):
            return PayloadTooLarge()
        if isinstance(exc, RawPostDataException):
            return ParseError("The body was read as a form: send it under another Content-Type.")
        if isinstance(exc, SuspiciousOperation):
            return ParseError(str(exc))
        known: Exception = super().convert_known_exceptions(exc)
        return known


def answer_not_found(request: HttpRequest) -> HttpResponse:
    """The 404 of an address of the API that does not exist."""
    error = {"code": "not_found", "detail": "There is no such address.", "attr": None}
    return JsonResponse({"type": "client_error", "errors": [error]}, status=404)
