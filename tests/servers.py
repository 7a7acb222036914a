"""A real HTTP server on loopback that misbehaves on purpose."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import MappingProxyType


@dataclass
class Site:
    """What the server answers, by path; `requests` are the paths that were asked for."""

    url: str
    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def serve(
        self,
        path: str,
        body: bytes,
        *,
        status: int = 200,
        length: int | None = -1,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        """Answers `path` with a body; `length` is what is announced (-1: the truth)."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            if length is not None:
                announced = len(body) if length < 0 else length
                handler.send_header("Content-Length", str(announced))
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.send_header("Connection", "close")
            handler.end_headers()
            handler.wfile.write(body)

        self.answers[path] = answer
        return self.url + path

    def redirect(self, path: str, target: str) -> str:
        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(302)
            handler.send_header("Location", target)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        self.answers[path] = answer
        return self.url + path


@contextmanager
def run_site() -> Iterator[Site]:
    site = Site("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.requests.append(self.path)
            site.answers[self.path](self)

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
