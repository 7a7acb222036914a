import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import checkup
import django_rq
import pytest
import starting
from rq import Worker
from supervisor import Refusal


def test_healthy_needs_a_role(capsys: pytest.CaptureFixture[str]) -> None:
    assert checkup.main([]) == 2
    assert "web, worker, sweeper" in capsys.readouterr().err


def test_web_that_nobody_answers_for_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1")

    assert checkup.main(["web"]) == 1


@pytest.fixture
def workers() -> Iterator[list[Any]]:
    """One for each queue, of this host; each is to be registered."""
    made: list[Any] = [
        Worker([django_rq.get_queue(name)], connection=django_rq.get_connection(name))
        for name in checkup.QUEUES
    ]
    yield made
    for worker in made:
        worker.register_death()


def test_workers_are_healthy_while_both_tell_that_they_live(workers: list[Any]) -> None:
    workers[0].register_birth()
    assert checkup.main(["worker"]) == 1

    workers[1].register_birth()
    assert checkup.main(["worker"]) == 0


def test_workers_of_other_containers_do_not_count(
    workers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "HOST", "another")
    for worker in workers:
        worker.register_birth()

    assert checkup.main(["worker"]) == 1


def test_workers_without_redis_are_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    assert checkup.main(["worker"]) == 1


def test_sweeper_beats_where_its_check_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    def note(*arguments: str) -> NoReturn:
        raise Refusal(" ".join(arguments))

    monkeypatch.setattr(starting, "sweep_command", note)

    with pytest.raises(Refusal, match=f"--beat {starting.BEAT}$"):
        starting.start_sweeper({})


def test_sweeper_is_healthy_while_it_makes_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat = tmp_path / "sweeper"
    monkeypatch.setattr(checkup, "BEAT", beat)

    assert checkup.main(["sweeper"]) == 1
    beat.touch()
    assert checkup.main(["sweeper"]) == 0
    long_ago = time.time() - 2 * checkup.SILENT_SECONDS
    os.utime(beat, (long_ago, long_ago))
    assert checkup.main(["sweeper"]) == 1
