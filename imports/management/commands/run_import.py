"""Runs one queued import in this process."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from imports.jobs import run_import


class Command(BaseCommand):
    help = "Runs a queued import, or takes over one whose owner fell silent."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("import_id", type=int)

    def handle(self, *args: Any, import_id: int, **options: Any) -> None:
        run_import(import_id)
