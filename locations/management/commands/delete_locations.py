"""`manage.py delete_locations USER_ID`: nothing is kept of a user any more."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config.api.arguments import read_text
from locations.removing import delete_user


class Command(BaseCommand):
    help = "Deletes all that is kept of a user; it cannot be brought back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user_id", type=read_text)

    def handle(self, *args: Any, **options: Any) -> None:
        averages, fixes = delete_user(options["user_id"])
        self.stdout.write(f"{averages:,} averages of {fixes:,} fixes deleted.")
