"""Finds the imports and payloads that nobody works on, and gets them done."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, close_old_connections

from config.api.arguments import read_interval
from dropzone.jobs import KICK_PATIENCE, PATIENCE, has_unanswered, kicker
from dropzone.partitions import make_next_partitions
from dropzone.raw import has_bucket
from imports.jobs import (
    drop_stale_staging,
    drop_stale_uploads,
    finish_cancelled,
    kick_waiting,
)
from imports.models import Import

logger = structlog.get_logger(__name__)

Child = subprocess.Popen[bytes]

# An import whose kick nobody answered is run by a child of the sweeper; beyond so many they wait.
MAX_CHILDREN = 4
# To list a large bucket takes long: a child does it, and seldom.
ORPHANS_SECONDS = 3600.0


class Command(BaseCommand):
    help = "Runs for ever: kicks what waits, and does what no worker did."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--interval", type=read_interval, default=5.0, help="seconds (default: 5)"
        )
        parser.add_argument("--beat", type=Path, help="a file to touch after each round")

    def handle(self, *args: Any, interval: float, beat: Path | None = None, **options: Any) -> None:
        if beat is not None and not os.access(beat.parent, os.W_OK):
            raise CommandError(f"--beat {beat}: nothing can be written to {beat.parent}")
        stop_asked = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop_asked.set())
        importing: list[Child] = []
        draining: list[Child] = []
        tidying: list[Child] = []
        self.tidies_at = time.monotonic()
        while not stop_asked.wait(interval):
            importing = list(filter(is_running, importing))
            draining = list(filter(is_running, draining))
            tidying = list(filter(is_running, tidying))
            close_old_connections()
            importing += self._sweep_imports(MAX_CHILDREN - len(importing))
            draining += self._sweep_payloads(can_drain=not draining)
            tidying += self._tidy_bucket(can_tidy=not tidying)
            if beat is not None:
                self._try(beat.touch)
        for child in (*importing, *draining, *tidying):
            child.terminate()

    def _sweep_imports(self, can_run: int) -> list[Child]:
        """One round; returns the children that run an import."""
        children: list[Child] = []
        self._try(lambda: children.extend(map(start_import, kick_waiting(can_run=can_run))))
        self._try(lambda: finish_cancelled(Import.objects.all()))
        self._try(drop_stale_staging)
        self._try(drop_stale_uploads)
        return children

    def _sweep_payloads(self, *, can_drain: bool) -> list[Child]:
        """One round; returns the child that drains, if there must be one."""
        children: list[Child] = []
        self._try(make_next_partitions)

        def drain_unanswered() -> None:
            if has_unanswered(KICK_PATIENCE):
                kicker.kick()
            if can_drain and has_unanswered(PATIENCE):
                children.append(start_manage("drain_payloads"))

        self._try(drain_unanswered)
        return children

    def _tidy_bucket(self, *, can_tidy: bool) -> list[Child]:
        """One round; returns the child that deletes objects of no payload, if it is time."""
        if not (has_bucket() and can_tidy and time.monotonic() >= self.tidies_at):
            return []
        self.tidies_at = time.monotonic() + ORPHANS_SECONDS
        children: list[Child] = []
        self._try(lambda: children.append(start_manage("drop_orphans")))
        return children

    def _try(self, step: Callable[[], None]) -> None:
        """What goes wrong in one step must not keep the others from being done."""
        try:
            step()
        except (DatabaseError, psycopg.Error, OSError) as error:
            logger.warning("sweep_failed", reason=f"{type(error).__name__}: {error}")


def is_running(child: Child) -> bool:
    return child.poll() is None


def start_import(import_id: int) -> Child:
    return start_manage("run_import", str(import_id))


def start_manage(*command: str) -> Child:
    manage = (sys.executable, str(settings.BASE_DIR / "manage.py"))
    return subprocess.Popen([*manage, *command])  # noqa: S603 (our own command)
