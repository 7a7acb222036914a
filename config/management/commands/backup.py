"""Dumps the database into a file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from config.api.arguments import read_path
from config.backups import BackupError, write_backup


class Command(BaseCommand):
    help = "Dumps the database into a new file, while everything goes on."

    def add_arguments(self, parser: CommandParser) -> None:
        what = "a file that is not there yet, or a folder, in which it is named by the time"
        parser.add_argument("target", type=read_path, help=what)

    def handle(self, *args: Any, target: Path, **options: Any) -> None:
        try:
            path = write_backup(target)
        except (BackupError, DatabaseError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")
