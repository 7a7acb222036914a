"""The sweeper's rounds; what it does in them is tested where that belongs."""

from pathlib import Path

import pytest

from tests.commands import start_command
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("environment", [{}, {"DATABASE_URL": "postgresql://x@/x?host=/nowhere"}])
def test_every_round_is_told_also_without_the_database(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    beat = tmp_path / "beat"

    sweeper = start_command("sweep", "--interval", "0.1", "--beat", str(beat), **environment)
    try:
        wait_until(beat.exists, seconds=30)
        first = beat.stat().st_mtime_ns
        wait_until(lambda: beat.stat().st_mtime_ns > first, seconds=10)
    finally:
        sweeper.terminate()
        output, _ = sweeper.communicate(timeout=20)

    assert sweeper.returncode == 0, output
    assert ("sweep_failed" in output) == bool(environment)
