"""`manage.py forget_fixes --days N`: old fixes are no longer known as such, their averages stay."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config.api.arguments import read_days
from locations.removing import forget_fixes


class Command(BaseCommand):
    help = "Forgets which fixes were received more than N days ago; their averages stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=read_days, required=True, metavar="N")

    def handle(self, *args: Any, **options: Any) -> None:
        count = forget_fixes(options["days"])
        self.stdout.write(f"{count:,} fixes forgotten; a repeat of one would count once more.")
