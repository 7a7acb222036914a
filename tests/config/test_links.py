"""Documents lead somewhere: every relative link is a file, and every anchor a heading of it."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ELSEWHERE = ("https://", "http://", "mailto:")


def list_links(page: Path) -> Iterator[str]:
    text = CODE.sub("", page.read_text())
    return (link for link in LINK.findall(text) if not link.startswith(ELSEWHERE))


def list_anchors(page: Path) -> Iterator[str]:
    """As GitHub makes them of headings."""
    seen: Counter[str] = Counter()
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for heading in HEADING.findall(text):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", shown.strip().lower()).replace(" ", "-")
        yield f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor
        seen[anchor] += 1


def leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    return target.exists() and (not anchor or anchor in list_anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert [link for link in list_links(page) if not leads_somewhere(page, link)] == []


def test_link_to_what_is_not_there_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# It's `here`\n\n[a](#its-here) [b](#there) [c](gone.md) `[d](code.md)`\n")

    broken = [link for link in list_links(page) if not leads_somewhere(page, link)]

    assert broken == ["#there", "gone.md"]


def test_index_names_every_page_or_its_folder() -> None:
    index = ROOT / "docs" / "README.md"
    names = {link.partition("#")[0] for link in list_links(index)} - {""}
    named = {(index.parent / name).resolve() for name in names}

    missing = {page for page in PAGES if not {page, page.parent} & named}

    assert missing == {index}
