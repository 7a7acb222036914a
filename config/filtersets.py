"""Filters of the list of keys."""

from django.db.models import Q

from config.api.filtersets import CHOICE, IDENTIFIER, STRING, ColumnFilterSet, Lookup
from config.models import ApiKey


def match_element(name: str, value: str) -> Q:
    return Q(**{f"{name}__contains": [value]})


class ApiKeyFilterSet(ColumnFilterSet):
    columns = {
        "id": IDENTIFIER,
        "prefix": CHOICE,
        "scopes": (Lookup("", str, match_element, STRING),),
        "created_by": CHOICE,
    }
    sources = {"created_by": "created_by__username"}
    exempt = frozenset({"hashed_key"})  # nobody is told it

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = ()
