"""`manage.py forget_fixes --days N`: old fixes are no longer known as such, their averages stay."""

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from locations.removing import forget_fixes

MOST_DAYS = 36_500


def read_days(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST_DAYS):
        raise ArgumentTypeError(f"{text} is not a whole number from 1 to {MOST_DAYS}")
    return int(text)


class Command(BaseCommand):
    help = "Forgets which fixes were received more than N days ago; their averages stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=read_days, required=True, metavar="N")

    def handle(self, *args: Any, **options: Any) -> None:
        count = forget_fixes(options["days"])
        self.stdout.write(f"{count:,} fixes forgotten; a repeat of one would count once more.")
