"""Requests made from the API's own description, and what every answer must be like."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import hypothesis
import schemathesis
from django.test import override_settings
from drf_spectacular.generators import SchemaGenerator
from hypothesis import strategies
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.wsgi import application
from tests.fuzz.rows import ANYBODY, ROLES, SUPERUSER, Stored, sign_in

Environ = dict[str, Any]

REQUESTS = int(os.environ.get("FUZZ_CASES", "7500"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EVERYTHING = frozenset({"read", "ingest", "import"})
# Each request is asked by all of these; the last is another role from one to the next.
ROLE = "a role"
ASKERS = (ANYBODY, SUPERUSER, ROLE)
# What some ask for must be named, and no text by chance is a column.
COLUMNS = {
    "/api/v1/games/facets/": {"fields": "genres,price"},
    "/api/v1/games/histogram/": {"field": "release_date"},
    "/api/v1/trips/facets/": {"fields": "pu_zone,trip_miles"},
    "/api/v1/trips/histogram/": {"field": "pickup_datetime"},
}
# These four are asked with so many of their parameters. All others are filters as those of the
# lists, and to make wrong ones of very many beside a required one takes half a minute.
MOST_PARAMETERS = 20
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


def answer(environ: Environ, start_response: Callable[..., Any]) -> list[bytes]:
    """As a server calls the application: what it answers is read and closed. Nothing is packed."""
    environ.pop("HTTP_ACCEPT_ENCODING", None)
    response = application(environ, start_response)
    with closing(response):
        return list(response)


def list_operations() -> Iterator[Any]:
    description = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    for path in COLUMNS:
        question = description["paths"][path]["get"]
        by_need = sorted(question["parameters"], key=lambda each: not each.get("required"))
        question["parameters"] = by_need[:MOST_PARAMETERS]
    schema: Any = schemathesis.openapi.from_dict(description)
    schema.app = answer
    for result in schema.get_all_operations():
        yield result.ok()


OPERATIONS = {f"{operation.method} {operation.path}": operation for operation in list_operations()}
READING = [name for name in OPERATIONS if name.startswith("get ")]
WRITING = [name for name in OPERATIONS if not name.startswith("get ")]


@dataclass(frozen=True)
class Question:
    """A request, whether its address is to name something that there is, and which role asks."""

    case: Any
    is_known: bool
    role: str


@lru_cache(maxsize=1)
def make_questions(name: str) -> list[Question]:
    """An operation's share of all; the same each time, unless they are more.

    To make one takes as long as to answer it, so tests of the same operation share them.
    """
    operation = OPERATIONS[name]
    strategy = strategies.builds(
        Question,
        case=strategies.one_of(*(operation.as_strategy(mode) for mode in MODES)),
        is_known=strategies.booleans(),
        role=strategies.sampled_from(ROLES),
    )
    questions: list[Question] = []

    @hypothesis.settings(
        max_examples=max(1, REQUESTS // (len(OPERATIONS) * len(ASKERS))),
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(question=strategy)
    def keep(question: Question) -> None:
        questions.append(question)

    keep()
    return questions


def ask_all(name: str, rows: Stored, askers: Sequence[str]) -> None:
    """Has each of these ask all questions to an operation."""
    known = rows.find(name)
    headers = {who: sign_in(identity) for who, identity in rows.identities.items()}
    for question in make_questions(name):
        case = question.case
        if question.is_known:
            fill_in(case, known)
        for asker in askers:
            who = question.role if asker == ROLE else asker
            with override_settings(ANONYMOUS_ACCESS=EVERYTHING if who == ANYBODY else frozenset()):
                response = case.call(headers=headers[who])
            case.validate_response(response, checks=CHECKS, headers=headers[who])


def fill_in(case: Any, known: Mapping[str, Any]) -> None:
    """What there is, in place of what was made by chance, or of what another test had there."""
    names = set(case.path_parameters or ())
    if names <= known.keys():
        case.path_parameters.update({name: known[name] for name in names})
    case.query.update(COLUMNS.get(case.operation.path, {}))
