"""The doors that outside clients know by name, answered before anything else is looked at."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin
from django.utils.module_loading import import_string

from config.api.limits import refuse_excess

Take = Callable[[HttpRequest], HttpResponse]


class DoorMiddleware(MiddlewareMixin):
    """Where clients need not sign in to send, answers them before sessions and the like are looked
    at: that takes as long as all else. The view at the same address answers the same.

    `settings.DOORS` maps method and path, without a slash at its end, to the function.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__(get_response)
        self.doors: dict[tuple[str, str], Take] = {
            key: import_string(name) for key, name in settings.DOORS.items()
        }

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        take = self.doors.get((str(request.method), request.path_info.removesuffix("/")))
        if take is None or "ingest" not in settings.ANONYMOUS_ACCESS:
            return None
        if "HTTP_AUTHORIZATION" in request.META:  # the view judges it
            return None
        request.get_host()  # raises DisallowedHost
        response = refuse_excess(request, "ingest") or take(request)
        response.headers["Content-Length"] = str(len(response.content))
        return response
