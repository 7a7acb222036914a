"""The page of examples says what the API answers, and shows all that it has."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from drf_spectacular.generators import SchemaGenerator
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests.conftest import empty_tables
from tests.examples.calling import Answer, Caller, Example
from tests.examples.scenario import SECTIONS, prepare
from tests.examples.writing import write_example

PAGE = Path(django_settings.BASE_DIR) / "docs" / "api-examples.md"
BEGIN = "<!-- examples: begin -->\n\n"


@pytest.fixture(scope="module")
def operations() -> list[str]:
    """Of the API's description, such as `GET /api/v1/games/{app_id}/`; fixed addresses first."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    found = [
        f"{method.upper()} {path}"
        for path, methods in schema["paths"].items()
        for method in methods
    ]
    return sorted(found, key=lambda operation: "{" in operation)


@pytest.fixture
def caller(live_server: LiveServer, settings: Settings, tmp_path: Path) -> Caller:
    settings.ANONYMOUS_ACCESS = frozenset({"read", "ingest", "import"})
    return Caller(live_server.url, tmp_path, {"PATH": os.environ["PATH"]})


def find_operation(example: Example, operations: list[str]) -> str:
    """What the description calls it, or the address itself where it is not of the API."""
    asked = f"{example.method} {example.path}"
    patterns = {name: re.sub(r"\{\w+\}", "[^/]+", name.rstrip("/")) for name in operations}
    return next((name for name in operations if re.fullmatch(f"{patterns[name]}/?", asked)), asked)


def test_every_operation_of_the_description_has_an_example(operations: list[str]) -> None:
    examples = [example for section in SECTIONS for example in section.examples]

    shown = {find_operation(example, operations) for example in examples}

    assert set(operations) - shown == set()


@pytest.mark.django_db(transaction=True, databases=["default", "reader"])
def test_page_shows_what_the_api_answers(
    caller: Caller, operations: list[str], empty_queue: None
) -> None:
    empty_tables(restart=True)
    prepare(caller.folder)

    page = "".join(write_sections(caller, operations))

    before, _, shown = PAGE.read_text().partition(BEGIN)
    if os.environ.get("WRITE_EXAMPLES"):
        PAGE.write_text(before + BEGIN + page.rstrip("\n") + "\n")
    else:
        assert shown.strip() == page.strip(), (
            "WRITE_EXAMPLES=1 bin/test tests/config/test_examples.py writes it anew"
        )


def write_sections(caller: Caller, operations: list[str]) -> Iterator[str]:
    tokens: dict[str, str] = {}
    told = ""
    for section in SECTIONS:
        yield f"## {section.title}\n\n"
        for example in section.examples:
            answer = Caller(caller.url, caller.folder, {**caller.environment, **tokens}).call(
                example
            )
            assert answer.status < (500 if example.text else 400), example.command
            tokens |= find_tokens(answer)
            name = find_operation(example, operations)
            yield "" if name == told else f"### `{name}`\n\n"
            told = name
            yield from write_example(example, answer)
            example.then()


def find_tokens(answer: Answer) -> dict[str, str]:
    """That later examples send."""
    body = json.loads(answer.body) if answer.body and answer.is_json else {}
    return {name.upper(): body[name] for name in ("access", "refresh") if name in body}
