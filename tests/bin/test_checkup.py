import os
import time
from pathlib import Path

import checkup
import django_rq
import pytest
from rq import Worker


def test_healthy_needs_a_role(capsys: pytest.CaptureFixture[str]) -> None:
    assert checkup.main([]) == 2
    assert "web, worker, sweeper" in capsys.readouterr().err


def test_web_that_nobody_answers_for_is_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1")

    assert checkup.main(["web"]) == 1


def test_workers_are_healthy_while_both_tell_that_they_live() -> None:
    imports, payloads = (
        Worker([django_rq.get_queue(name)], connection=django_rq.get_connection(name))
        for name in checkup.QUEUES
    )
    try:
        imports.register_birth()
        assert checkup.main(["worker"]) == 1

        payloads.register_birth()
        assert checkup.main(["worker"]) == 0
    finally:
        imports.register_death()
        payloads.register_death()


def test_workers_of_other_containers_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = [
        Worker([django_rq.get_queue(name)], connection=django_rq.get_connection(name))
        for name in checkup.QUEUES
    ]
    monkeypatch.setattr(checkup, "HOST", "another")
    try:
        for worker in workers:
            worker.register_birth()

        assert checkup.main(["worker"]) == 1
    finally:
        for worker in workers:
            worker.register_death()


def test_workers_without_redis_are_not_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    assert checkup.main(["worker"]) == 1


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
