"""What must hold for every page: no fault in the console, none of axe, and nothing sticks out."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from playwright.sync_api import Browser, Page

AXE = Path(settings.BASE_DIR) / "node_modules/axe-core/axe.min.js"
DRIVER = "GL Driver Message"  # of drawing without a graphics card, not of the page
SIZES = ((360, 740), (1400, 900))
FIND_FAULTS = """
async () => {
    const { violations } = await axe.run();
    return violations
        .filter(({ impact }) => ["serious", "critical"].includes(impact))
        .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
}
"""
STICKS_OUT = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


def watch(page: Page) -> list[str]:
    """What the page complains of, of a breach of the policy for its content in particular."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: (
            problems.append(message.text)
            if message.type in {"error", "warning"} and DRIVER not in message.text
            else None
        ),
    )
    return problems


@contextmanager
def open_page(
    browser: Browser, url: str, *, width: int = 1400, height: int = 900, scheme: str = "light"
) -> Iterator[Page]:
    """The page, once nothing is fetched any more. Whatever it complains of while it is open
    fails the test."""
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type] # "light" or "dark"
    )
    problems = watch(page)
    try:
        page.goto(url, wait_until="networkidle")
        yield page
    finally:
        page.close()
    assert problems == []


def check_looks(browser: Browser, url: str) -> None:
    """At both sizes, in light and in dark."""
    for width, height in SIZES:
        for scheme in ("light", "dark"):
            with open_page(browser, url, width=width, height=height, scheme=scheme) as page:
                assert not page.evaluate(STICKS_OUT), f"{url} sticks out at {width} px"
                page.evaluate(AXE.read_text())
                faults = page.evaluate(FIND_FAULTS)
                assert faults == [], f"{url} at {width} px, {scheme}: {faults}"
