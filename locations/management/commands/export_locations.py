"""`manage.py export_locations USER_ID`: all that is kept of a user, as JSON."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config.api.arguments import read_text
from locations.removing import write_user


class Command(BaseCommand):
    help = "Writes all that is kept of a user to standard output, as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user_id", type=read_text)

    def handle(self, *args: Any, **options: Any) -> None:
        for piece in write_user(options["user_id"]):
            self.stdout.write(piece, ending="")
