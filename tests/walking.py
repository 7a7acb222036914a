"""From page to page of a list, by its links."""

from urllib.parse import urlsplit

from rest_framework.test import APIClient

MOST_PAGES = 100


def walk(api: APIClient, url: str, link: str) -> tuple[list[list[int]], str]:
    """The keys of each page, which are the first column, and the address of the last page."""
    pages: list[list[int]] = []
    last = url
    while url:
        assert len(pages) < MOST_PAGES, "the walk does not end"
        page = api.get(url).json()
        pages.append([next(iter(row.values())) for row in page["results"]])
        last, url = url, relative(page[link])
    return pages, last


def relative(url: str | None) -> str:
    """A link without its server."""
    parts = urlsplit(url or "")
    return f"{parts.path}?{parts.query}" if url else ""
