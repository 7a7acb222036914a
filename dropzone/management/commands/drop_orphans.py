"""`manage.py drop_orphans`: deletes the objects in the bucket that no payload has."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dropzone.raw import BucketStore, has_bucket


class Command(BaseCommand):
    help = "Deletes what is in the bucket for a day, and of no payload."

    def handle(self, *args: Any, **options: Any) -> None:
        if not has_bucket():
            raise CommandError("DROPZONE_BUCKET is not set.")
        self.stdout.write(f"{BucketStore().drop_orphans():,} objects of no payload were deleted")
