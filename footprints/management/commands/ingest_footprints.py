"""Loads a CSV of usage polygons, and shows how far it is."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from imports.choices import Status
from imports.jobs import create_import
from imports.progress import run_with_progress


class Command(BaseCommand):
    help = "Imports footprints from a file or a URL; what is there already stays as it is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", metavar="PATH_OR_URL")
        parser.add_argument("--max-rejects", type=int, help="stop beyond so many refused rows")

    def handle(self, *args: Any, source: str, **options: Any) -> None:
        if "://" not in source and not Path(source).is_file():
            raise CommandError(f"there is no file {source}")
        record = create_import("footprints", source, max_rejects=options["max_rejects"])
        record = run_with_progress(record)
        self.stdout.write(
            f"import {record.pk} {record.status}: {record.rows_loaded} rows loaded"
            f" ({record.rows_added} new), {record.rows_rejected} rejected"
        )
        if record.status != Status.FINISHED:
            raise CommandError(f"{record.error_code or record.status}: {record.error_detail}")
