"""What the README tells to type works, as it stands there."""

import os
import re
import shlex
from pathlib import Path

import duckdb
import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from explorer.models import Game, TaxiZone, Trip
from footprints.models import Footprint
from tests.examples.calling import Caller, Example
from tests.examples.scenario import write_files
from tests.explorer.zones import write_feature, write_map

ROOT = Path(django_settings.BASE_DIR)
LINES = [
    line
    for block in re.findall(r"^```\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
    for line in block.splitlines()
]
MANAGE = ".venv/bin/python manage.py "


def test_every_line_of_the_readme_is_tried() -> None:
    tried = (MANAGE, "curl ", "bin/")

    assert [line for line in LINES if not line.startswith(tried)] == []


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("bin/")])
def test_script_of_the_readme_can_be_run(line: str) -> None:
    assert os.access(ROOT / line.split()[0], os.X_OK)


@pytest.mark.django_db(transaction=True, databases=["default", "reader"])
def test_commands_of_the_readme_load_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path)
    duckdb.sql(f"COPY (FROM '{tmp_path}/trips.csv') TO '{tmp_path}/trips.parquet'")
    (tmp_path / "taxi_zones.geojson").write_bytes(write_map(write_feature()))
    monkeypatch.chdir(tmp_path)

    for line in LINES:
        if line.startswith(MANAGE):
            call_command(*shlex.split(line.removeprefix(MANAGE)))

    counts = [model.objects.count() for model in (Footprint, Trip, Game, TaxiZone)]
    assert counts == [3, 30, 30, 1]


@pytest.mark.django_db(transaction=True, databases=["default", "reader"])
def test_requests_of_the_readme_are_answered(
    live_server: LiveServer, settings: Settings, tmp_path: Path, empty_queue: None
) -> None:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "ingest", "import"})
    write_files(tmp_path)
    caller = Caller(live_server.url, tmp_path, {"PATH": os.environ["PATH"]})

    answers = {
        line: caller.call(Example(line)).status for line in LINES if line.startswith("curl ")
    }

    assert len(answers) >= 5
    assert {line: status for line, status in answers.items() if status >= 300} == {}
