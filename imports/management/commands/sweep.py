"""Finds the imports that nobody works on, and gets them done."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, close_old_connections

from imports.jobs import (
    drop_stale_staging,
    drop_stale_uploads,
    finish_cancelled,
    kick_waiting,
)
from imports.models import Import

Child = subprocess.Popen[bytes]

# An import whose kick nobody answered is run by a child of the sweeper; beyond so many they wait.
MAX_CHILDREN = 4


class Command(BaseCommand):
    help = "Runs for ever: kicks waiting imports, and runs those whose kick went unanswered."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--interval", type=float, default=5.0, help="seconds (default: 5)")

    def handle(self, *args: Any, interval: float, **options: Any) -> None:
        stop_asked = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop_asked.set())
        children: list[Child] = []
        while not stop_asked.wait(interval):
            children = [child for child in children if child.poll() is None]
            children += self._sweep(MAX_CHILDREN - len(children))
        for child in children:
            child.terminate()

    def _sweep(self, can_run: int) -> list[Child]:
        """One round; returns the children that run an import."""
        close_old_connections()
        children: list[Child] = []
        self._try(lambda: children.extend(map(start_import, kick_waiting(can_run=can_run))))
        self._try(lambda: finish_cancelled(Import.objects.all()))
        self._try(drop_stale_staging)
        self._try(drop_stale_uploads)
        return children

    def _try(self, step: Callable[[], None]) -> None:
        """What goes wrong in one step must not keep the others from being done."""
        try:
            step()
        except (DatabaseError, psycopg.Error, OSError) as error:
            self.stderr.write(f"{type(error).__name__}: {error}")


def start_import(import_id: int) -> Child:
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "run_import", str(import_id)]
    return subprocess.Popen(command)  # noqa: S603 (our own command)
