"""Requests as they are read here: UTF-8, with a length."""

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.deprecation import MiddlewareMixin


class Utf8Request(WSGIRequest):
    """A request whose query and body are UTF-8, whatever `charset` it claims.

    Django takes any codec of Python's for one, among them those that make bytes of bytes, and
    fails where nothing catches it. JSON is UTF-8 in any case (RFC 8259, 8.1).
    """

    @property
    def encoding(self) -> str | None:
        """None: the default, which is UTF-8."""
        return None

    @encoding.setter
    def encoding(self, charset: str | None) -> None:
        return


class Utf8Handler(WSGIHandler):
    """The WSGI application of such requests."""

    request_class = Utf8Request


class LengthRequiredMiddleware(MiddlewareMixin):
    """A body in chunks would be taken for an empty one."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        if "HTTP_TRANSFER_ENCODING" not in request.META:
            return None
        detail = "A body needs a Content-Length; chunked transfer is not read."
        error = {"code": "length_required", "detail": detail, "attr": None}
        return JsonResponse({"type": "client_error", "errors": [error]}, status=411)
