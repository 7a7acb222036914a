"""Arguments that cannot be: a refusal of one line that names them."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.factories.imports import ImportFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("interval", ["0", "-1", "nan", "inf", "soon"])
def test_interval_that_none_can_wait_is_refused(interval: str) -> None:
    with pytest.raises(CommandError, match=f"--interval: {interval} is not a number of seconds"):
        call_command("sweep", f"--interval={interval}")


def test_beat_that_cannot_be_touched_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"--beat .*/gone/beat: nothing can be written"):
        call_command("sweep", "--beat", str(tmp_path / "gone" / "beat"))


@pytest.mark.parametrize("command", ["export_locations", "delete_locations"])
def test_name_of_a_user_that_is_no_text_is_refused(command: str) -> None:
    with pytest.raises(CommandError, match=r"user_id: .* is not UTF-8"):
        call_command(command, "\udcff")


def test_import_that_there_is_not_is_refused() -> None:
    with pytest.raises(CommandError, match="there is no import 999999"):
        call_command("run_import", "999999")


def test_import_that_has_ended_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    record = ImportFactory()

    call_command("run_import", str(record.pk))

    assert f"import {record.pk} is finished, and waits for nobody" in capsys.readouterr().err


def test_backup_with_no_name_is_refused() -> None:
    with pytest.raises(CommandError, match="target: it is empty"):
        call_command("backup", "")
