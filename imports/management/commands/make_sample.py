"""Streams a generated file of a dataset's form to standard output."""

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from imports.datasets import datasets


class Command(BaseCommand):
    help = "Writes a CSV of any number of rows, the same for the same arguments, to stdout."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("dataset", choices=sorted(datasets))
        parser.add_argument("--rows", type=int, default=1000)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--bad", type=float, default=0.0, help="share of broken rows, 0 to 1")

    def handle(self, *args: Any, dataset: str, **options: Any) -> None:
        rows, seed, bad = options["rows"], options["seed"], options["bad"]
        if rows < 0:
            raise CommandError("--rows must not be negative")
        if not 0 <= bad <= 1:
            raise CommandError("--bad must be between 0 and 1")
        try:
            for block in datasets[dataset].write_sample(rows, seed=seed, bad=bad):
                self.stdout.buffer.write(block)  # type: ignore[attr-defined]
            self.stdout.flush()
        except BrokenPipeError:  # whoever reads has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
