"""Any order of receiving, processing, retrying and repeating ends as a simple model says."""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta

import hypothesis.strategies as st
import pytest
from django.db import connection
from django.utils.timezone import now
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dropzone import draining
from dropzone.choices import State
from dropzone.draining import drain_batch, drain_payloads
from dropzone.models import Lineage, Measurement, Payload, RawBody, requeue
from dropzone.partitions import make_next_partitions
from tests.dropzone.payloads import BAD, INSTANT, read_standing, receive, write

INTERLEAVINGS = int(os.environ.get("INTERLEAVINGS", 60))


@dataclass
class Known:
    """A payload as the model has it: `mean` is None where it must be rejected."""

    at: datetime
    mean: float | None
    is_done: bool = False


class Dropzone(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        Lineage.objects.all().delete()
        Measurement.objects.all().delete()
        RawBody.objects.all().delete()
        Payload.objects.all().delete()
        self.known: dict[int, Known] = {}
        self.keys: dict[str, int] = {}

    @rule(second=st.integers(0, 2), mean=st.integers(0, 9))
    def receive_good(self, second: int, mean: int) -> None:
        payload = receive(write(mean, when=f"2024-07-01T10:00:0{second}Z"))
        self.known[payload.pk] = Known(INSTANT + timedelta(seconds=second), float(mean))

    @rule()
    def receive_bad(self) -> None:
        self.known[receive(BAD).pk] = Known(INSTANT, None)

    @rule(key=st.sampled_from("kl"))
    def receive_with_key(self, key: str) -> None:
        """Each key always comes with the same body."""
        payload = receive(write(ord(key)), key=key)
        assert self.keys.setdefault(key, payload.pk) == payload.pk
        self.known.setdefault(payload.pk, Known(INSTANT, float(ord(key))))

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def put_off(self, data: st.DataObject) -> None:
        """As a fault of ours would."""
        pk = data.draw(st.sampled_from(sorted(self.known)))
        waiting = Payload.objects.filter(pk=pk, state=State.RECEIVED)
        waiting.update(next_attempt_at=now() + timedelta(hours=1))

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        pk = data.draw(st.sampled_from(sorted(self.known)))
        before = Payload.objects.get(pk=pk)
        is_put_off = before.state == State.RECEIVED and before.next_attempt_at > now()
        can_be = is_put_off or (self.known[pk].is_done and self.known[pk].mean is None)
        assert requeue(Payload.objects.filter(pk=pk)) == int(can_be)
        self.known[pk].is_done = self.known[pk].is_done and not can_be

    @rule(size=st.integers(1, 3))
    def process_some(self, size: int) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(draining, "BATCH", size)
            drain_batch()
        self.learn()

    @rule()
    def process_all(self) -> None:
        drain_payloads()
        self.learn()
        waiting = Payload.objects.filter(state=State.RECEIVED, next_attempt_at__lte=now())
        assert not waiting.exists()

    def learn(self) -> None:
        """Which were processed is for the dropzone to choose: what came of them is not."""
        for pk, state in Payload.objects.values_list("pk", "state"):
            self.known[pk].is_done = state != State.RECEIVED

    @invariant()
    def is_as_the_model_says(self) -> None:
        done = {pk: known for pk, known in self.known.items() if known.is_done}
        told = {pk: known for pk, known in done.items() if known.mean is not None}
        states = dict(Payload.objects.values_list("pk", "state"))
        assert states == {
            pk: State.RECEIVED
            if pk not in done
            else State.PROCESSED
            if pk in told
            else State.REJECTED
            for pk in self.known
        }
        lineage = {(row.timestamp, row.payload_id): row.mean for row in Lineage.objects.all()}
        assert lineage == {(known.at, pk): known.mean for pk, known in told.items()}
        last = {known.at: (known.mean, pk) for pk, known in sorted(told.items())}
        assert read_standing() == last


@pytest.mark.django_db(transaction=True)
def test_any_order_ends_as_the_model_says() -> None:
    make_next_partitions()
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    machine = Dropzone.TestCase
    machine.settings = settings(max_examples=INTERLEAVINGS, stateful_step_count=15)
    machine().runTest()
