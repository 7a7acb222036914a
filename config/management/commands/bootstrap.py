"""What a start needs beside the tables: a role to read with, somebody to sign in, some data."""

import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from config.management.commands.migrate import one_at_a_time
from footprints.models import Footprint
from imports.choices import ACTIVE
from imports.datasets import datasets
from imports.jobs import create_import, create_upload, kick_import, name_source, run_import
from imports.models import Import

# Rows of the generated samples.
TABLES = {"games": 2_000, "trips": 5_000}
SAMPLE_SEED = 1
SAMPLE_BAD = 0.005  # the share of rows that are refused, so that there are reasons to see
SAMPLE = Path(settings.BASE_DIR) / "footprints" / "sample" / "footprints.csv"


class Command(BaseCommand):
    help = (
        "Makes the role that only reads, and the admin user where there is none; queues the import"
        " of FOOTPRINTS_SOURCE, or without one imports the bundled sample where there are no"
        " footprints yet, and generated games and trips where nothing was ever imported."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with one_at_a_time():
            self._set_up()

    def _set_up(self) -> None:
        call_command("make_reader", stdout=self.stdout)
        self._create_admin()
        is_new = not settings.FOOTPRINTS_SOURCE and not Import.objects.exists()
        self._load_footprints()
        if is_new:
            self._load_tables()

    def _create_admin(self) -> None:
        users = get_user_model().objects
        if users.filter(is_superuser=True).exists():
            return
        name = os.environ.get("DJANGO_SUPERUSER_USERNAME") or "admin"
        check_name(name)
        chosen = os.environ.get("DJANGO_SUPERUSER_PASSWORD", "")
        password = chosen or secrets.token_urlsafe(12)
        users.create_superuser(username=name, password=password)
        shown = "" if chosen else f" with the password {password} (shown only now)"
        self.stdout.write(f"created the user {name}{shown}")

    def _load_footprints(self) -> None:
        if settings.FOOTPRINTS_SOURCE:
            self._queue(settings.FOOTPRINTS_SOURCE)
        elif not Footprint.objects.exists():
            record = create_import("footprints", str(SAMPLE))
            run_import(record.pk)  # here and now: whoever looks first shall see something
            self.stdout.write(f"imported the bundled sample as import {record.pk}")

    def _load_tables(self) -> None:
        for name, rows in TABLES.items():
            blocks = datasets[name].write_sample(rows, seed=SAMPLE_SEED, bad=SAMPLE_BAD)
            file = ContentFile(b"".join(blocks), name=f"sample-{name}.csv")
            record = create_upload(name, file)
            run_import(record.pk)
            self.stdout.write(f"imported {rows:,} generated {name} as import {record.pk}")

    def _queue(self, source: str) -> None:
        if Import.objects.filter(url=name_source(source), status__in=ACTIVE).exists():
            return
        record = create_import("footprints", source)
        kick_import(record.pk)
        self.stdout.write(f"queued {source} as import {record.pk}")


def check_name(name: str) -> None:
    """Raises CommandError for what cannot be the name of a new user."""
    try:
        get_user_model()(username=name).full_clean(exclude=["password"])
    except ValidationError as error:
        reasons = " ".join(error.messages)
        raise CommandError(f"DJANGO_SUPERUSER_USERNAME: {name!r}: {reasons}") from error
