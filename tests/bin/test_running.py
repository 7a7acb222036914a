import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import running
from checking import UNSET, make_environment
from running import answers_health, guard, main, write_settings
from stores import Home
from supervisor import Refusal, StopRequested


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers everything with one status, which the tests change."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def fail(error: Exception) -> int:
    raise error


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (Refusal("No room."), 1, "No room.\n"),
        (OSError(13, "Permission denied", "/srv"), 1, "/srv: Permission denied.\n"),
        (StopRequested(15), 143, ""),
    ],
)
def test_guard_turns_trouble_into_a_sentence(
    capsys: pytest.CaptureFixture[str], error: Exception, code: int, sentence: str
) -> None:
    assert guard(lambda: fail(error)) == code
    assert capsys.readouterr().out == sentence


def test_up_takes_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 2
    assert "takes no arguments" in capsys.readouterr().out


@pytest.mark.parametrize(("status", "is_healthy"), [(200, True), (301, True), (503, False)])
def test_answers_health(
    port: int, monkeypatch: pytest.MonkeyPatch, status: int, is_healthy: bool
) -> None:
    monkeypatch.setattr(Answering, "status", status)

    assert answers_health(port) == is_healthy


def test_answers_health_where_nobody_listens() -> None:
    assert not answers_health(1)


def test_write_settings_leaves_out_what_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "LOCAL", tmp_path)
    monkeypatch.setattr(running, "CHECKOUT", tmp_path)
    for name in running.WRITTEN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DEBUG", "1")
    (tmp_path / ".env").write_text("SECRET_KEY=mine\n")
    settings = dict.fromkeys(running.WRITTEN, "value")

    write_settings(settings)

    written = (tmp_path / "env").read_text()
    assert {"DATABASE_URL=value", "READER_DATABASE_URL=value"} <= set(written.splitlines())
    assert "SECRET_KEY" not in written
    assert "DEBUG" not in written
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600


def test_write_settings_knows_no_reader_of_a_database_that_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "LOCAL", tmp_path)
    monkeypatch.setattr(running, "CHECKOUT", tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://mine")
    monkeypatch.delenv("READER_DATABASE_URL", raising=False)

    write_settings({"DATABASE_URL": "postgresql://mine", "REDIS_URL": "redis://mine"})

    assert "DATABASE_URL" not in (tmp_path / "env").read_text()


def test_checks_see_nothing_of_a_developers_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://mine.example")
    monkeypatch.setenv("DATABASE_URL", "postgresql://mine")

    environment = make_environment(Home(Path("/data"), Path("/run"), None))

    assert all(environment[name] == "" for name in UNSET)
    assert environment["DATABASE_URL"].endswith("?host=%2Frun")
    assert environment["READER_DATABASE_URL"].startswith("postgresql://catchment_reader@/")
