"""Imports a file of any dataset here and now, and shows how far it is."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rest_framework.exceptions import ValidationError

from imports.choices import Status
from imports.datasets import datasets
from imports.jobs import create_import
from imports.progress import run_with_progress
from imports.serializers import NewImportSerializer

OPTIONS = ("max_rejects", "expected_sha256", "force")


def read_option(name: str, value: Any) -> Any:
    """An option by the rules that the API has for it. Raises CommandError."""
    if not value:
        return value
    try:
        return NewImportSerializer().fields[name].run_validation(value)
    except ValidationError as error:
        option = name.replace("_", "-")
        raise CommandError(f"--{option} {value}: {' '.join(map(str, error.detail))}") from error


class SourceCommand(BaseCommand):
    """Imports one source into a dataset that is named by a subclass, or by the user."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", metavar="PATH_OR_URL")
        parser.add_argument("--max-rejects", type=int, help="stop beyond so many refused rows")
        parser.add_argument("--expected-sha256", default="", help="stop where the file has another")
        parser.add_argument(
            "--force", action="store_true", help="import although nothing has changed"
        )

    def handle(self, *args: Any, dataset: str, source: str, **options: Any) -> None:
        if "://" not in source and not Path(source).is_file():
            raise CommandError(f"there is no file {source}")
        values = {name: read_option(name, options[name]) for name in OPTIONS}
        record = create_import(dataset, source, **values)
        record = run_with_progress(record)
        self.stdout.write(
            f"import {record.pk} {record.status}: {record.rows_loaded} rows loaded"
            f" ({record.rows_added} new), {record.rows_rejected} rejected"
        )
        if record.status == Status.UNCHANGED:
            self.stdout.write(f"import {record.same_as_id} has loaded this file already")
        elif record.status != Status.FINISHED:
            raise CommandError(f"{record.error_code or record.status}: {record.error_detail}")


class Command(SourceCommand):
    help = "Imports a CSV, gzip or Parquet file from a path or a URL into a dataset."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("dataset", choices=sorted(datasets))
        super().add_arguments(parser)
