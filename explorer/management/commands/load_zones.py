"""`manage.py load_zones PATH_OR_URL`: names, boroughs and shapes of the city's taxi zones."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from explorer.zones import ZonesError, load_zones
from imports.engine.records import ImportFailure
from imports.jobs import name_source


class Command(BaseCommand):
    help = "Loads taxi zones from the city's GeoJSON or its lookup CSV; what is there is completed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", metavar="PATH_OR_URL")

    def handle(self, *args: Any, source: str, **options: Any) -> None:
        if "://" not in source and not Path(source).is_file():
            raise CommandError(f"there is no file {source}")
        url = name_source(source)
        try:
            outcome = load_zones(url)
        except (ZonesError, ImportFailure) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"loaded {outcome.read} zones from {url}: {outcome.new} new, {outcome.changed} changed"
        )
