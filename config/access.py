"""Who may do what, address by address, as the code declares it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

from django.contrib.admindocs.views import simplify_regex
from django.urls import URLPattern, URLResolver, get_resolver

from config.api.permissions import HasAccess, find_access
from config.groups import GROUPS
from config.models import Scope

METHODS = ("GET", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
# Parts of a library, which `is_staff` opens; and what of them anybody may ask.
STAFF_ALONE = ("/admin/", "/rq/")
STAFF_SIGN_IN = frozenset({"/admin/login/", "/admin/logout/"})
# Views that nobody has to be known for, and which cannot say so.
OPEN = frozenset({"healthz", "readyz", "sign-in", "sign-out"})
KEY = "key: "
NOTHING, STAFF = "nothing", "a staff account"
# What each may do where ANONYMOUS_ACCESS is empty; a key's maker may do all of its scopes.
IDENTITIES: Mapping[str, tuple[str, ...]] = {
    "anonymous": (),
    "user in no group": (),
    **GROUPS,
    **{f"{KEY}{scope}": (str(scope),) for scope in Scope.values},
}


@dataclass(frozen=True)
class Rule:
    """What a method of an address needs: an access, NOTHING, or STAFF. A key opens no page."""

    address: str
    method: str
    needs: str
    is_page: bool = False

    def is_met_by(self, identity: str) -> bool:
        granted = () if self.is_page and identity.startswith(KEY) else IDENTITIES[identity]
        return self.needs in {NOTHING, *granted}


def list_rules() -> list[Rule]:
    """Of every address there is, in their order."""
    return [
        Rule(address, method, needs, method in getattr(entry.callback, "accesses", ()))
        for address, entry in list_addresses(get_resolver())
        for method, needs in find_needs(address, entry).items()
    ]


def list_addresses(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        pattern = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from list_addresses(entry, pattern)
        else:
            yield simplify_regex(pattern), entry


def find_needs(address: str, entry: URLPattern) -> dict[str, str]:
    """By method. Raises LookupError for an address that nothing tells of."""
    if address.startswith(STAFF_ALONE):
        return dict.fromkeys(("GET", "POST"), NOTHING if address in STAFF_SIGN_IN else STAFF)
    if entry.name in OPEN:
        return dict.fromkeys(("GET", "POST"), NOTHING)
    found = ask_view(entry.callback) if hasattr(entry.callback, "cls") else {}
    found |= getattr(entry.callback, "accesses", {})
    if not found:
        msg = f"{address} tells nowhere what it needs"
        raise LookupError(msg)
    return {method: found[method] for method in METHODS if method in found}


def ask_view(callback: Any) -> dict[str, str]:
    """What the methods of a view of the API need."""
    actions = getattr(callback, "actions", None)
    view = callback.cls(**callback.initkwargs)
    methods = {*map(str.upper, actions), "OPTIONS"} if actions else view.allowed_methods
    found = {}
    for method in methods:
        view.request = SimpleNamespace(method=method)
        view.action = actions and actions.get(method.lower())
        needs = find_access(view, method) if HasAccess in view.permission_classes else NOTHING
        found[method] = needs or NOTHING
    return found


def write_table() -> str:
    """Of all rules, in Markdown; what the libraries bring is told by its beginning."""
    lines = [
        write_row("address", "methods", "needs", *IDENTITIES),
        "|---|---|---|" + ":-:|" * len(IDENTITIES),
    ]
    rules = dict.fromkeys(map(shorten, list_rules()))
    for (address, needs, _), group in groupby(rules, attrgetter("address", "needs", "is_page")):
        some = list(group)
        marks = ("yes" if some[0].is_met_by(identity) else "-" for identity in IDENTITIES)
        methods = " ".join(rule.method for rule in some)
        lines.append(write_row(f"`{address}`", methods, needs, *marks))
    return "\n".join(lines) + "\n"


def shorten(rule: Rule) -> Rule:
    if rule.needs != STAFF:
        return rule
    start = next(start for start in STAFF_ALONE if rule.address.startswith(start))
    return replace(rule, address=f"{start}…")


def write_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
