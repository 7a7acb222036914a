"""`manage.py drop_raw --days N`: old payloads lose their bytes; what came of them stays."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from config.api.arguments import read_days
from dropzone.raw import RawUnreachable, get_store


class Command(BaseCommand):
    help = "Drops the bytes of payloads that are older than N days of UTC."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=read_days, required=True, metavar="N")

    def handle(self, *args: Any, days: int, **options: Any) -> None:
        try:
            dropped = get_store().drop(datetime.now(UTC).date() - timedelta(days=days))
        except OperationalError as error:
            raise CommandError(f"somebody holds the tables: try again ({error})") from error
        except RawUnreachable as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"the bytes of {dropped.days:,} days and {dropped.objects:,} objects were dropped"
        )
