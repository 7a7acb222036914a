"""Filters of the explorer's tables."""

from django.db.models import Q

from config.api.filtersets import (
    IDENTIFIER,
    ISNULL,
    NUMBER,
    ColumnFilterSet,
    Lookup,
    parse_integer,
)
from explorer.models import AMOUNTS, Trip
from explorer.partitions import match_import

MAX_IMPORT_ID = 2**31 - 1  # of those after it, no range of ids has room in 64 bits


def parse_import_id(text: str) -> int:
    number = parse_integer(text)
    if not 0 <= number <= MAX_IMPORT_ID:
        msg = f"no import has a number outside 0 to {MAX_IMPORT_ID}"
        raise ValueError(msg)
    return number


def match_import_id(name: str, import_id: int) -> Q:
    return match_import(import_id)


class TripFilterSet(ColumnFilterSet):
    columns = {
        "id": IDENTIFIER,
        "import_id": (
            Lookup("", parse_import_id, match_import_id, {"type": "integer"}),
            *IDENTIFIER[1:],
        ),
        **dict.fromkeys(AMOUNTS, (*NUMBER, *ISNULL)),
    }
    sources = {"import_id": "import_record"}

    class Meta:
        model = Trip
        fields: tuple[str, ...] = ()
