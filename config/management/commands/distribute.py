"""Distributes the large tables over the machines of a Citus cluster."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from config.distributing import (
    DistributionError,
    distribute,
    list_distributed,
    plan_distribution,
)


class Command(BaseCommand):
    help = "Distributes the large tables by Citus: those that are not distributed yet."

    def add_arguments(self, parser: CommandParser) -> None:
        what = "write the statements, and run none; needs no Citus"
        parser.add_argument("--dry-run", action="store_true", help=what)

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        try:
            statements = list(plan_distribution(list_distributed())) if dry_run else distribute()
        except (DistributionError, DatabaseError) as error:
            raise CommandError(str(error)) from error
        for statement in statements:
            self.stdout.write(f"{statement};")
        if not dry_run:
            self.stdout.write(f"ran {len(statements)} statements")
