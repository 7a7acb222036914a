"""The states of a payload."""

from django.db.models import TextChoices


class State(TextChoices):
    RECEIVED = "received"
    PROCESSED = "processed"
    REJECTED = "rejected"


ENDED = (State.PROCESSED, State.REJECTED)
