"""Brings back the database from a file that `backup` wrote."""

from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from config.api.arguments import read_path
from config.backups import BackupError, restore_backup


class Command(BaseCommand):
    help = "Brings back the database from a file that `backup` wrote; makes the reader's role anew."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=read_path)
        what = "drop all that is in the database before"
        parser.add_argument("--force", action="store_true", help=what)

    def handle(self, *args: Any, file: Path, force: bool, **options: Any) -> None:
        try:
            running = restore_backup(file, is_forced=force)
        except (BackupError, DatabaseError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"restored {file}; {running} imports were running, and go on")
        executor = MigrationExecutor(connection)
        self._tell_newer(executor.loader)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            then = "run `manage.py migrate` now, then `manage.py make_reader`"
            self.stdout.write(f"it is of an older version: {then}")
        else:
            call_command("make_reader", stdout=self.stdout)

    def _tell_newer(self, loader: MigrationLoader) -> None:
        known = loader.disk_migrations or {}
        ours = {app for app, _ in known}
        newer = [key for key in loader.applied_migrations if key[0] in ours and key not in known]
        if newer:
            self.stdout.write("it is of a newer version: run that, not this one")
