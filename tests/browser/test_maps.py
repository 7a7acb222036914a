"""The pages of docs/maps.md in a real browser, served by another site than the API."""

import base64
import re
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from django.conf import settings as django_settings
from playwright.sync_api import Browser, Page, Response
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests.factories.footprints import FootprintFactory

pytestmark = pytest.mark.django_db(transaction=True)

DOCS = django_settings.BASE_DIR / "docs/maps.md"
LIBRARY = django_settings.BASE_DIR / "node_modules/maplibre-gl/dist"
DOCUMENTED_SITE = "http://127.0.0.1:8000"
# How many colours there are in a picture.
COUNT_COLOURS = """
async (source) => {
    const image = new Image();
    image.src = source;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    return new Set(new Uint32Array(data.buffer)).size;
}
"""


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a page is served from, with MapLibre beside it."""
    (tmp_path / "maplibre-gl").symlink_to(LIBRARY)
    return tmp_path


@pytest.fixture
def origin(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder))
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def readable(settings: Settings, origin: str, live_server: LiveServer) -> str:
    """The address of an API that anybody may read, and that page in particular."""
    settings.ANONYMOUS_ACCESS = frozenset({"read"})
    settings.CORS_ALLOWED_ORIGINS = [origin]
    return live_server.url


def read_snippet(language: str, site: str) -> str:
    snippets = re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(), re.DOTALL)
    [snippet] = [text.replace(DOCUMENTED_SITE, site) for text in snippets]
    return str(snippet)


def count_colours(page: Page) -> int:
    picture = base64.b64encode(page.screenshot()).decode()
    return int(page.evaluate(COUNT_COLOURS, f"data:image/png;base64,{picture}"))


def draw(browser: Browser, address: str, awaited: str) -> tuple[list[Response], int]:
    """What the page fetched of the API, and how many colours it has once that has come."""
    page = browser.new_page(viewport={"width": 600, "height": 400})
    responses: list[Response] = []
    problems: list[str] = []
    page.on("response", lambda response: responses.append(response))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )
    with page.expect_response(lambda response: awaited in response.url, timeout=30_000):
        page.goto(address)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1_000)
    colours = count_colours(page)
    page.close()
    assert [text for text in problems if "favicon" not in text and "404" not in text] == []
    return responses, colours


def test_maplibre_page_draws_heat_from_tiles(
    browser: Browser, folder: Path, origin: str, readable: str
) -> None:
    for number in range(40):
        FootprintFactory(lon=13.3 + number % 8 / 40, lat=52.4 + number // 8 / 40)
    (folder / "index.html").write_text(read_snippet("html", readable))

    responses, colours = draw(browser, f"{origin}/index.html", ".mvt")

    tiles = [response for response in responses if ".mvt" in response.url]
    assert tiles
    assert {response.status for response in tiles} == {200}
    assert colours > 20  # of a ground in one colour and heat in a ramp of many


def test_page_draws_cells_from_geojson(
    browser: Browser, folder: Path, origin: str, readable: str
) -> None:
    """The second snippet, with MapLibre in the place of Mapbox GL, which wants a token."""
    for number in range(40):
        FootprintFactory(lon=13.3 + number % 8 / 40, lat=52.4 + number // 8 / 40, area_m2=750_000)
    page = f"""
    <!doctype html>
    <link rel="stylesheet" href="maplibre-gl/maplibre-gl.css">
    <div id="map" style="height: 100vh"></div>
    <script type="module">
      import {{ Map }} from "./maplibre-gl/maplibre-gl.mjs";
      const site = "{readable}";
      const map = new Map({{
        container: "map", center: [13.4, 52.5], zoom: 9,
        style: {{ version: 8, sources: {{}}, layers: [] }},
      }});
      {read_snippet("js", readable)}
    </script>
    """
    (folder / "index.html").write_text(page)

    responses, colours = draw(browser, f"{origin}/index.html", "heatmap")

    [heat] = [response for response in responses if "heatmap" in response.url]
    assert heat.status == 200
    assert colours > 20


def test_page_of_a_site_that_is_not_listed_reads_nothing(
    browser: Browser, origin: str, readable: str, settings: Settings
) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://maps.example"]
    page = browser.new_page()
    page.goto(f"{origin}/maplibre-gl/maplibre-gl.css")

    found = page.evaluate(
        "url => fetch(url).then(() => 'read', () => 'refused')",
        f"{readable}/api/v1/footprints/heatmap/",
    )

    page.close()
    assert found == "refused"
