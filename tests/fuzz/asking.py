"""Requests made from the API's own description, and what every answer must be like."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

import hypothesis
import schemathesis
from django.contrib.auth.models import User
from drf_spectacular.generators import SchemaGenerator
from hypothesis import strategies
from rest_framework_simplejwt.tokens import AccessToken
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.wsgi import application

Environ = dict[str, Any]

CASES = int(os.environ.get("FUZZ_CASES", "5000"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EVERYTHING = frozenset({"read", "ingest", "import"})
# Whom anybody is, and who has signed in where nothing goes without.
IDENTITIES = ("anybody", "superuser")
# What some ask for must be named, and no text by chance is a column.
COLUMNS = {
    "/api/v1/games/facets/": {"fields": "genres,price"},
    "/api/v1/games/histogram/": {"field": "release_date"},
    "/api/v1/trips/facets/": {"fields": "pu_zone,trip_miles"},
    "/api/v1/trips/histogram/": {"field": "pickup_datetime"},
}
# Of these. Their other filters are those of the lists, and to make wrong ones of very many beside a
# required one takes schemathesis half a minute.
MOST_PARAMETERS = 20
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)

Known = Mapping[str, Any]


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


def sign_in(user: User | None) -> dict[str, str]:
    return {} if user is None else {"Authorization": f"Bearer {AccessToken.for_user(user)}"}


def ask_all(name: str, known: Known, headers: dict[str, str]) -> None:
    """Asks one operation its share of all cases; the same each time, unless they are more."""
    operation = OPERATIONS[name]
    share = max(1, CASES // (len(OPERATIONS) * len(IDENTITIES)))
    cases = strategies.one_of(*(operation.as_strategy(mode) for mode in MODES))

    @hypothesis.settings(
        max_examples=share,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate, hypothesis.Phase.shrink],
    )
    @hypothesis.given(case=cases, is_known=strategies.booleans())
    def ask(case: Any, is_known: bool) -> None:
        if is_known and set(case.path_parameters or ()) <= known.keys():
            case.path_parameters.update({key: known[key] for key in case.path_parameters})
        if is_known and operation.path in COLUMNS:
            case.query.update(COLUMNS[operation.path])
        response = case.call(headers=headers)
        case.validate_response(response, checks=CHECKS, headers=headers)

    ask()
