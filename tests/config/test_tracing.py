"""Request ids, and lines of log: of real processes, and of requests in this one."""

import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import django_structlog
import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings
from structlog.contextvars import bound_contextvars, get_contextvars

from config.logs import describe_logging, make_formatter, serves
from explorer.samples import write_trips
from imports.jobs import create_import, run_import
from tests.factories.imports import ImportFactory

FIX = '{"timestamp": "2024-07-01 12:00:28", "lat": 52.5, "long": 13.4, "accuracy": 12.5,'
FIX += ' "speed": 1.25, "user_id": "ada"}'


class Lines:
    """What is logged, as a program reads it."""

    def __init__(self) -> None:
        self.stream = StringIO()

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def find(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.read() if line["event"] == event]


@pytest.fixture
def lines() -> Iterator[Lines]:
    found = Lines()
    handler = logging.StreamHandler(found.stream)
    handler.setFormatter(make_formatter("json"))
    logging.getLogger().addHandler(handler)
    yield found
    logging.getLogger().removeHandler(handler)


# Ids


@pytest.mark.parametrize("given", ["a", "1-67891233-abcdef012345678912345678", "x" * 128])
def test_id_of_a_request_is_answered(client: Client, given: str) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", 'a"b', "<b>", "é", "-", "a\t", "{}"])
def test_id_that_is_not_sane_is_replaced(client: Client, given: str) -> None:
    answer = client.get("/healthz", headers={"X-Request-Id": given})

    assert len(answer.headers["X-Request-Id"]) == 32
    assert int(answer.headers["X-Request-Id"], 16)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/location", "/dropzone"])
def test_doors_answer_the_id_too(client: Client, settings: Settings, path: str) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"ingest"})
    method = "PUT" if path == "/location" else "POST"

    answer = client.generic(method, path, FIX, headers={"X-Request-Id": "mine"})

    assert answer.status_code < 300
    assert answer.headers["X-Request-Id"] == "mine"
    assert get_contextvars() == {}


# Lines


@pytest.mark.django_db
def test_request_is_one_line(client: Client, lines: Lines) -> None:
    client.get("/api/v1/nothing/?a=1", headers={"X-Request-Id": "mine"})

    [line] = lines.read()
    assert (line["event"], line["level"]) == ("request_finished", "warning")
    assert (line["request_id"], line["code"]) == ("mine", 404)
    assert line["request"] == "GET /api/v1/nothing/?a=1"
    assert line["milliseconds"] >= 0
    assert {"timestamp", "logger"} <= line.keys()
    assert get_contextvars() == {}


@pytest.mark.django_db
def test_request_that_fails_is_one_line_with_its_traceback(
    client: Client, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.health.check_database", lambda: 1 / 0)
    client.raise_request_exception = False

    assert client.get("/readyz", headers={"X-Request-Id": "mine"}).status_code == 500

    [line] = lines.read()
    assert (line["event"], line["level"], line["request_id"]) == ("request_failed", "error", "mine")
    assert "ZeroDivisionError" in line["exception"]


@pytest.mark.django_db
def test_doors_are_told_of_only_where_they_fail(
    client: Client, settings: Settings, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"ingest"})
    assert client.put("/location", FIX).status_code == 200
    assert client.put("/location", "{").status_code == 400
    assert lines.read() == []

    monkeypatch.setattr("locations.views.store_fix", lambda *_: 1 / 0)
    assert client.put("/location", FIX, headers={"X-Request-Id": "mine"}).status_code == 500

    [line] = lines.read()
    assert (line["request_id"], line["level"]) == ("mine", "error")


@pytest.mark.django_db(transaction=True)
def test_lines_of_an_import_name_it(lines: Lines, tmp_path: Path) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text("a,b\n")

    with bound_contextvars(request_id="mine"):
        record = create_import("trips", str(path))
    run_import(record.pk)

    [created] = lines.find("import_created")
    assert (created["import_id"], created["request_id"]) == (record.pk, "mine")
    [left] = lines.find("import_left")
    assert (left["import_id"], left["status"]) == (record.pk, "failed")
    assert left["error_code"] == "wrong_header"
    assert get_contextvars() == {}


@pytest.mark.django_db(transaction=True)
def test_threads_of_an_import_name_it_too(
    lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        logging.getLogger("a thread").warning("broken")
        raise ValueError

    monkeypatch.setattr("imports.engine.loading.copy_chunk", fail)
    path = tmp_path / "trips.csv"
    path.write_bytes(b"".join(write_trips(1, seed=1)))
    record = create_import("trips", str(path))

    run_import(record.pk)

    assert [line["import_id"] for line in lines.find("broken")] == [record.pk]


def test_import_that_is_gone_is_left_without_a_fault(lines: Lines, db: None) -> None:
    run_import(ImportFactory().pk)  # it has ended: nobody claims it

    assert lines.find("import_claimed") == []


def test_documented_events_are_those_that_are_logged() -> None:
    root = Path(django_settings.BASE_DIR)
    apps = ("config", "imports", "footprints", "locations", "dropzone", "explorer")
    code = "".join(page.read_text() for app in apps for page in (root / app).rglob("*.py"))
    library = Path(django_structlog.__file__).with_name("middlewares") / "request.py"
    logs = (root / "docs/watching.md").read_text().partition("## Metrics")[0]

    named = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", logs, re.M))))

    ours = set(re.findall(r'logger\.\w+\(\s*"([a-z_]+)"', code))
    assert ours
    assert ours <= named
    assert {name for name in named - ours if f'"{name}"' not in library.read_text()} == set()


# Forms, and where they go


def test_text_of_any_kind_stays_on_one_line() -> None:
    fault = ValueError("two\nlines")
    information = (ValueError, fault, None)
    record = logging.LogRecord("here", logging.ERROR, "x.py", 1, "a\n%s", ("\ud800",), information)

    text = make_formatter("json").format(record)

    assert "\n" not in text
    assert text.encode("ascii")
    assert json.loads(text)["event"] == "a\n\ud800"
    assert "ValueError: two\nlines" in json.loads(text)["exception"]


def test_people_get_readable_lines() -> None:
    record = logging.LogRecord("here", logging.WARNING, "x.py", 1, "half of %d", (7,), None)

    text = make_formatter("console").format(record)

    assert "half of 7" in text
    assert "warning" in text
    assert not text.startswith("{")


def test_form_that_there_is_not_is_named() -> None:
    with pytest.raises(ImproperlyConfigured, match="LOG_FORMAT: xml is not one of console, json"):
        describe_logging("xml", ["granian"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["granian"], True),
        (["/x/manage.py", "rqworker", "imports"], True),
        (["manage.py", "sweep"], True),
        (["manage.py", "export_locations", "ada"], False),
        (["manage.py"], False),
    ],
)
def test_services_alone_write_to_standard_output(arguments: list[str], expected: bool) -> None:
    logging_of = describe_logging("json", arguments)

    assert serves(arguments) is expected
    assert logging_of["handlers"]["console"]["stream"].endswith("stdout") is expected
    assert logging_of["root"]["level"] == ("INFO" if expected else "WARNING")


def test_sweeper_writes_lines_for_programs(tmp_path: Path) -> None:
    program = (
        "import sys; sys.argv = ['manage.py', 'sweep']; import django; django.setup();"
        "from config.management.commands.sweep import Command;"
        "Command()._try(lambda: open('/nowhere'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=django_settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )

    [line] = done.stdout.splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"]) == ("sweep_failed", "warning")
    assert "/nowhere" in told["reason"]
    assert done.stderr == ""
