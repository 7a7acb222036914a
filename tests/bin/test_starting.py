import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import starting
from starting import main, share_secret_key
from supervisor import Refusal

from tests.waiting import wait_until

BIN = Path(__file__).resolve().parents[2] / "bin"


def run_start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, BIN / "start", *arguments],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_start_needs_a_role_or_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1
    assert "all-in-one" in capsys.readouterr().out


def test_start_becomes_any_other_command() -> None:
    result = run_start("echo", "migrate")

    assert (result.returncode, result.stdout) == (0, "migrate\n")


def test_sweeper_takes_the_place_of_the_script(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$$" "$@"\n')
    python.chmod(0o755)

    with subprocess.Popen(
        [sys.executable, BIN / "start", "sweeper"],
        env={
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "DATABASE_URL": "postgres://db",
            "REDIS_URL": "redis://redis",
        },
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        said, _ = process.communicate(timeout=60)

    assert said.startswith(f"{process.pid} manage.py sweep")


@pytest.mark.parametrize("word", ["wbe", "web ", ""])
def test_word_that_is_neither_role_nor_command_is_named(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word]) == 1
    told = capsys.readouterr().out
    assert f"bin/start: {word!r} is neither a role" in told
    assert "all-in-one" in told


@pytest.mark.parametrize(
    ("role", "environment", "named"),
    [
        ("worker", {}, "DATABASE_URL and REDIS_URL must be set"),
        ("web", {"DATABASE_URL": "postgres://x/y", "REDIS_URL": ""}, "REDIS_URL must be set"),
        ("all-in-one", {}, "DATABASE_URL must be set"),
    ],
)
def test_role_without_its_stores_is_refused_and_not_started_again_and_again(
    role: str,
    environment: dict[str, str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starting, "LOCAL", tmp_path)
    monkeypatch.setattr(starting, "CHECKOUT", tmp_path)
    monkeypatch.setattr("os.environ", environment)

    with pytest.raises(Refusal, match=f"^{named}"):
        starting.start([role])


def test_secret_key_is_made_once_where_all_roles_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "LOCAL", tmp_path)

    share_secret_key({})
    first = (tmp_path / "env").read_text()
    share_secret_key({"SECRET_KEY": ""})

    assert first.startswith("SECRET_KEY=")
    assert (tmp_path / "env").read_text() == first


def test_secret_key_that_is_set_is_kept_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "LOCAL", tmp_path)

    share_secret_key({"SECRET_KEY": "given"})

    assert list(tmp_path.iterdir()) == []


def test_secret_key_that_cannot_be_kept_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "LOCAL", tmp_path / "missing")

    with pytest.raises(Refusal, match="Set SECRET_KEY"):
        share_secret_key({})


def test_all_in_one_runs_no_worker_without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, object] = {}
    monkeypatch.setattr(starting, "migrate", lambda environment: 0)
    monkeypatch.setattr(
        starting, "keep_running", lambda commands, environment: kept.update(environment, **commands)
    )

    starting.start_all({"PORT": "8000"})

    assert kept["REDIS_URL"] == starting.NO_REDIS
    assert {"web", "sweeper"} <= set(kept)
    assert "worker" not in kept


def test_all_in_one_ends_where_the_tables_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "migrate", lambda environment: 3)

    assert starting.start_all({"PORT": "8000", "REDIS_URL": "redis://redis"}) == 3


def test_what_is_kept_running_ends_with_a_signal(tmp_path: Path) -> None:
    code = (
        "import starting, os; starting.CHECKOUT = starting.LOCAL = starting.Path(os.sys.argv[1]);"
        "os.sys.exit(starting.keep_running({'sleeper': ('sleep', '60')}, dict(os.environ)))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path], cwd=BIN)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        process.send_signal(signal.SIGTERM)

        assert process.wait(15) == 0
    finally:
        process.kill()


def test_migrate_that_is_told_to_end_leaves_no_process(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    python.chmod(0o755)
    code = (
        "import starting, os; starting.LOCAL = starting.Path(os.sys.argv[1]);"
        "starting.PYTHON = os.sys.argv[1] + '/python';"
        "os.sys.exit(starting.guard(lambda: starting.migrate({**os.environ, 'SECRET_KEY': 'x'})))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path], cwd=BIN)
    try:
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
        process.send_signal(signal.SIGTERM)

        assert process.wait(15) == 128 + signal.SIGTERM
    finally:
        process.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
