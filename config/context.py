"""What every page shows: where one can go."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from config.api.pages import find_page
from config.api.permissions import has_access

# Their names in the addresses, and for people.
PAGES: tuple[tuple[str, str], ...] = (
    ("explorer", "Explorer"),
    ("map", "Map"),
    ("imports", "Imports"),
    ("dropzone", "Dropzone"),
)


def is_shut_out(request: HttpRequest) -> bool:
    """Who has not signed in can still do so; who has, and may not read, would be led astray."""
    user = getattr(request, "user", None)
    return user is not None and user.is_authenticated and not has_access(request, "read")


def list_pages(request: HttpRequest) -> dict[str, Any]:
    asked_page = find_page(request)
    if is_shut_out(request):
        return {"pages": [], "here": "", "asked_page": asked_page}
    pages = [(reverse(f"{name}-page"), title) for name, title in PAGES]
    here = next((address for address, _ in pages if request.path.startswith(address)), "")
    return {"pages": [*pages, (reverse("swagger"), "API")], "here": here, "asked_page": asked_page}
