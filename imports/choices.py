"""The states of an import."""

from django.db.models import TextChoices


class Status(TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    PUBLISHING = "publishing"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    UNCHANGED = "unchanged"


ACTIVE = frozenset({Status.QUEUED, Status.RUNNING, Status.PUBLISHING, Status.CANCELLING})
ENDED = frozenset({Status.FINISHED, Status.FAILED, Status.CANCELLED, Status.UNCHANGED})
RESUMABLE = frozenset({Status.FAILED, Status.CANCELLED})
