"""Answers that need not be sent again while nothing has changed."""

from collections.abc import Callable
from hashlib import sha256

from django.conf import settings
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.http import quote_etag
from rest_framework.request import Request


def answer_unless_known(
    request: Request, version: str, make: Callable[[], HttpResponseBase], *, max_age: int = 0
) -> HttpResponseBase:
    """304 where the client has the answer to this address of this `version` of the data, else what
    `make` makes, with an ETag. For `max_age` seconds it need not even ask."""
    digest = sha256(f"{version} {request.get_full_path()} {request.accepted_media_type}".encode())
    etag = quote_etag(digest.hexdigest()[:32])
    response = get_conditional_response(request, etag=etag) or make()
    response.headers["ETag"] = etag
    patch_vary_headers(response, ["Accept", "Authorization", "Cookie"])
    is_public = "read" in settings.ANONYMOUS_ACCESS
    audience = {"public": True} if is_public else {"private": True}
    patch_cache_control(response, max_age=max_age, must_revalidate=True, **audience)
    return response
