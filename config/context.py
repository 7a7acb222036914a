"""What every page shows: where one can go."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

# Their names in the addresses, and for people.
PAGES: tuple[tuple[str, str], ...] = (
    ("explorer", "Explorer"),
    ("map", "Map"),
    ("imports", "Imports"),
    ("dropzone", "Dropzone"),
)


def list_pages(request: HttpRequest) -> dict[str, Any]:
    pages = [(reverse(f"{name}-page"), title) for name, title in PAGES]
    here = next((address for address, _ in pages if request.path.startswith(address)), "")
    return {"pages": [*pages, (reverse("swagger"), "API")], "here": here}
