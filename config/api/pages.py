"""Pages are made of what the API answers: they ask it within the same process."""

import json
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from functools import wraps
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from config.api.permissions import has_access

Page = Callable[..., HttpResponseBase]


class PageRequest(HttpRequest):
    """As the middleware for htmx leaves it."""

    htmx: HtmxDetails


@dataclass(frozen=True)
class Answer:
    """What the API answers: its data, or its faults by the parameter that each names."""

    status: int
    data: Any

    @property
    def is_good(self) -> bool:
        return self.status < 400

    @property
    def faults(self) -> dict[str, str]:
        errors = [] if self.is_good else self.data["errors"]
        return {error["attr"] or "": error["detail"] for error in errors}


def needs_token(access: str) -> bool:
    """Whether a program needs a token for it, whoever looks at the page that tells how."""
    return access not in settings.ANONYMOUS_ACCESS


def needs(read: str = "", *, post: str = "") -> Callable[[Page], Page]:
    """A page for those who may do `read` to see it, and `post` to send to it; without either it
    has no such method. Who has not signed in is asked to; who has, and may not, is told."""
    accesses = dict.fromkeys(("GET", "HEAD"), read) | {"POST": post}
    methods = [method for method, access in accesses.items() if access]

    def wrap(page: Page) -> Page:
        @require_http_methods(methods)
        @wraps(page)
        def show(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            access = accesses[str(request.method)]
            if has_access(request, access):
                return page(request, *args, **kwargs)
            if request.user.is_authenticated:
                raise PermissionDenied(f"This needs the permission “{access}”.")
            if request.htmx:  # which would follow a redirect, and put that page into this one
                return HttpResponseClientRedirect(redirect_to_login(find_page(request)).url)
            return redirect_to_login(find_page(request))

        vars(show)["accesses"] = {method: accesses[method] for method in methods}
        return show

    return wrap


def find_page(request: HttpRequest) -> str:
    """The path of the page that the visitor looks at: of what a form or a script sends, the page
    that holds it; `/` where that is none of ours, or cannot be looked at."""
    is_part = is_for_script(request)
    if request.method in {"GET", "HEAD"} and not is_part:
        return request.get_full_path()
    try:
        url = urlsplit(request.headers.get("HX-Current-URL" if is_part else "Referer", ""))
    except ValueError:
        return "/"
    if (url.scheme, url.netloc) != (request.scheme, request.get_host()) or not is_page(url.path):
        return "/"
    return f"{url.path}?{url.query}" if url.query else url.path


def is_for_script(request: HttpRequest) -> bool:
    """Whether htmx asks, on behalf of a page, before its middleware has looked at it too."""
    return request.headers.get("HX-Request") == "true"


def is_page(path: str) -> bool:
    """Whether something of ours is at a path, and can be looked at."""
    try:
        view = resolve(unquote(path)).func
    except Resolver404:
        return False
    return "GET" in getattr(view, "accesses", {"GET": ""})


def ask(view: Page, request: HttpRequest, parameters: QueryDict, **kwargs: Any) -> Answer:
    """What a view of the API answers to these parameters, to whoever asks for the page.

    Numbers keep their digits.
    """
    parameters = parameters.copy()
    parameters.pop("format", None)  # which would ask for anything but JSON
    inner = copy(request)
    inner.method = "GET"
    inner.GET = parameters  # type: ignore[assignment] # immutable, and nobody changes it
    inner.META = {
        **request.META,
        "QUERY_STRING": parameters.urlencode(),
        "REQUEST_METHOD": "GET",
        "HTTP_ACCEPT": "application/json",
    }
    vars(inner).pop("headers", None)  # where somebody has looked at them, those of the page
    response: Any = view(inner, **kwargs)
    response.render()
    return Answer(response.status_code, json.loads(response.content, parse_float=Decimal))


def find_cursor(link: str | None) -> str:
    """That of the API's link to another page of a list; none where there is no such page."""
    return parse_qs(urlsplit(link or "").query).get("cursor", [""])[0]
