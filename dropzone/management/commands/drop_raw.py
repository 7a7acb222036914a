"""`manage.py drop_raw --days N`: old payloads lose their bytes; what came of them stays."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from dropzone.raw import RawUnreachable, get_store

MOST_DAYS = 36_500


def read_days(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST_DAYS):
        raise ArgumentTypeError(f"{text} is not a whole number from 1 to {MOST_DAYS}")
    return int(text)


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
