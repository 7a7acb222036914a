"""Who may do what, as a table for the documents."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config.access import write_table

PAGE = Path(settings.BASE_DIR) / "docs" / "access.md"
HEADING = "## Every address\n\n"


class Command(BaseCommand):
    help = "Shows what every address needs, and who has it; with --write, in docs/access.md."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--write", action="store_true", help="replace the table of the page")

    def handle(self, *args: Any, write: bool, **options: Any) -> None:
        table = write_table()
        if write:
            before, _, _ = PAGE.read_text().partition(HEADING)
            PAGE.write_text(before + HEADING + table)
        else:
            self.stdout.write(table, ending="")
