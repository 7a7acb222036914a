"""Filters of the lists of imports and of rejects."""

from config.api.filtersets import CHOICE, IDENTIFIER, INTEGER, ColumnFilterSet
from imports.models import Import, Reject


class ImportFilterSet(ColumnFilterSet):
    columns = {"id": IDENTIFIER, "dataset": CHOICE, "status": CHOICE, "created_by": CHOICE}
    sources = {"created_by": "created_by__username"}
    # What only the engine reads.
    exempt = frozenset(
        {
            "header",
            "rows_start",
            "kicked_at",
            "lease_token",
            "lease_expires_at",
            "claimed_chunks",
            "barren_claims",
            "is_whole",
        }
    )

    class Meta:
        model = Import
        fields: tuple[str, ...] = ()


class RejectFilterSet(ColumnFilterSet):
    columns = {"id": IDENTIFIER, "line": INTEGER, "code": CHOICE}
    exempt = frozenset({"import_record"})  # the address names the import

    class Meta:
        model = Reject
        fields: tuple[str, ...] = ()
