"""Loads a CSV of usage polygons, and shows how far it is."""

from typing import Any

from imports.management.commands.import_csv import SourceCommand


class Command(SourceCommand):
    help = "Imports footprints from a file or a URL; what is there already stays as it is."

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **{**options, "dataset": "footprints"})
