"""`manage.py make_reader`: makes the role that the explorer reads with."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.api.reading import READER, has_reader
from explorer.reading import ReaderError, make_reader


class Command(BaseCommand):
    help = (
        "Makes the role of READER_DATABASE_URL, or changes it, so that it may read the explorer's"
        " tables and nothing else."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not has_reader():
            self.stdout.write("READER_DATABASE_URL names no role of its own: nothing was done")
            return
        try:
            make_reader()
        except ReaderError as error:
            raise CommandError(str(error)) from error
        role = settings.DATABASES[READER]["USER"]
        self.stdout.write(f"{role} may read the explorer's tables, and nothing else")
