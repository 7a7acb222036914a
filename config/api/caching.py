"""Answers that need not be sent again while nothing has changed."""

from collections.abc import Callable
from hashlib import sha256

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from rest_framework.request import Request

# To be raised when answers are written in another way than before.
FORM = 1


def answer_unless_known(
    request: Request,
    version: str,
    make: Callable[[], HttpResponseBase],
    *,
    content_type: str,
    max_age: int = 0,
) -> HttpResponseBase:
    """304 where the client has the answer to this address of this `version` of the data, else what
    `make` makes; without a body where only the head is asked for. For `max_age` seconds a client
    need not even ask.

    The ETag is weak: sums of the same numbers may differ in their last digits.
    """
    address = f"{request.get_full_path()} {request.accepted_media_type}"
    digest = sha256(f"{FORM} {version} {address}".encode())
    etag = f'W/"{digest.hexdigest()[:32]}"'
    known = get_conditional_response(request, etag=etag)
    response = known or _make(request, make, content_type)
    response.headers["ETag"] = etag
    patch_vary_headers(response, ["Accept", "Authorization", "Cookie"])
    is_public = "read" in settings.ANONYMOUS_ACCESS
    audience = {"public": True} if is_public else {"private": True}
    patch_cache_control(response, max_age=max_age, must_revalidate=True, **audience)
    return response


def _make(
    request: Request, make: Callable[[], HttpResponseBase], content_type: str
) -> HttpResponseBase:
    """Nobody would read what is made for HEAD, and a query would wait for its reader."""
    return HttpResponse(content_type=content_type) if request.method == "HEAD" else make()
