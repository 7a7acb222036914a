"""`manage.py drain_payloads`: processes the payloads that wait, here and now."""

from typing import Any

from django.core.management.base import BaseCommand

from dropzone.jobs import drain


class Command(BaseCommand):
    help = "Processes the payloads that wait."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{drain():,} payloads processed")
