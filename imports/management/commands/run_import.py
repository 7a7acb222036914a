"""Runs one queued import in this process."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from imports.jobs import run_import
from imports.models import Import


class Command(BaseCommand):
    help = "Runs a queued import, or takes over one whose owner fell silent."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("import_id", type=int)

    def handle(self, *args: Any, import_id: int, **options: Any) -> None:
        record = Import.objects.filter(pk=import_id).first()
        if record is None:
            raise CommandError(f"there is no import {import_id}")
        if not Import.objects.waiting().filter(pk=import_id).exists():
            self.stderr.write(f"import {import_id} is {record.status}, and waits for nobody")
        run_import(import_id)
