"""Finds the imports that nobody works on, and gets them done."""

import signal
import subprocess
import sys
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, close_old_connections

from imports.jobs import drop_stale_staging, kick_waiting


class Command(BaseCommand):
    help = "Runs for ever: kicks waiting imports, and runs those whose kick went unanswered."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--interval", type=float, default=5.0, help="seconds (default: 5)")

    def handle(self, *args: Any, interval: float, **options: Any) -> None:
        stop_asked = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop_asked.set())
        child: subprocess.Popen[bytes] | None = None
        while not stop_asked.wait(interval):
            child = self._sweep(child)
        if child is not None:
            child.terminate()

    def _sweep(self, child: subprocess.Popen[bytes] | None) -> subprocess.Popen[bytes] | None:
        """One round; returns the child that runs an import, if there is one."""
        close_old_connections()
        is_busy = child is not None and child.poll() is None
        try:
            drop_stale_staging()
            import_id = kick_waiting(can_run=not is_busy)
        except DatabaseError as error:
            self.stderr.write(f"the database does not answer: {error}")
            return child
        if import_id is None:
            return child if is_busy else None
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "run_import"]
        return subprocess.Popen([*command, str(import_id)])  # noqa: S603 (our own command)
