"""What runs on each push is pinned, may little, and is told in the page about it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
TEXT = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
WORKFLOW: dict[str, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, Any] = WORKFLOW["jobs"]
# Needed by one job, which reads nothing else.
WRITES = {"publish": {"packages": "write"}}


def test_every_action_is_pinned_by_its_commit() -> None:
    actions = re.findall(r"uses: (\S+)(.*)", TEXT)

    assert actions
    for name, comment in actions:
        assert re.search(r"@[0-9a-f]{40}$", name), name
        assert re.match(r" # v\d", comment), name


@pytest.mark.parametrize("job", JOBS)
def test_job_may_no_more_than_it_needs(job: str) -> None:
    allowed = JOBS[job].get("permissions", WORKFLOW["permissions"])

    assert allowed == WRITES.get(job, {} if job == "deploy" else {"contents": "read"})


def test_nothing_is_published_before_everything_has_passed() -> None:
    publish = JOBS["publish"]

    assert set(publish["needs"]) == JOBS.keys() - {"publish", "deploy"}
    assert publish["if"] == "startsWith(github.ref, 'refs/tags/v')"
    assert JOBS["deploy"]["needs"] == "publish"


def test_page_tells_every_job() -> None:
    page = (ROOT / "docs" / "ci-cd.md").read_text()

    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(JOBS)


def test_version_of_uv_is_that_of_the_scripts() -> None:
    version = re.search(r'UV_VERSION = "(.+)"', (ROOT / "bin" / "machine.py").read_text())

    assert version
    assert set(re.findall(r"uv==(\S+)", TEXT)) == {version[1]}
