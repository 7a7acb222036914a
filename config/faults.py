"""What is told where a page cannot be shown: to people a page in the frame of all pages, to a
script of ours a line of text, to programs the one shape of errors."""

from django.core.exceptions import DisallowedHost, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.defaults import bad_request, page_not_found, permission_denied

from config.api.errors import answer_error
from config.api.pages import find_page, is_for_script

NOT_READ = "What was sent cannot be read."
TOO_MANY = "There are more parameters than are read at once."
NOT_THERE = "There is no such page."
NOT_ALLOWED = "It needs a permission that you do not have."
TOO_OLD = "This page is older than your sign-in, or cookies are off: reload it, and try again."


def show_bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, DisallowedHost):  # whose pages nobody should be led to
        return bad_request(request, exception)
    reason = TOO_MANY if isinstance(exception, TooManyFieldsSent) else NOT_READ
    if is_of_api(request):
        return answer_error("bad_request", reason, status=400)
    if is_for_script(request):
        return write_line(reason, status=400)
    return render(request, "faults/bad_request.html", {"reason": reason}, status=400)


def show_forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_script(request):
        return write_line(read_reason(exception) or NOT_ALLOWED, status=403)
    return permission_denied(request, exception)


def show_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_of_api(request):
        return answer_error("not_found", "There is no such address.", status=404)
    if is_for_script(request):
        return write_line(read_reason(exception) or NOT_THERE, status=404)
    return page_not_found(request, exception)


def show_stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Its token is not that of the visitor; `reason` is for who develops, and not shown."""
    if is_for_script(request):
        return write_line(TOO_OLD, status=403)
    return render(request, "faults/stale_form.html", {"page": find_page(request)}, status=403)


def is_of_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def read_reason(exception: Exception) -> str:
    """Its sentence; where no address matches, there is none but a list of all addresses."""
    reason = exception.args[0] if exception.args else ""
    return reason if isinstance(reason, str) else ""


def write_line(text: str, *, status: int) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
