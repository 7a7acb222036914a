"""The page that is not there."""

from django.http import HttpRequest, HttpResponse
from django.views.defaults import page_not_found

from config.api.errors import answer_not_found


def show_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A page for people, the one shape of errors for programs."""
    if request.path.startswith("/api/"):
        return answer_not_found(request)
    return page_not_found(request, exception)
