"""What the runbook tells to type can be typed."""

import re
import shlex
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.db import connection

TEXT = (Path(settings.BASE_DIR) / "docs" / "runbook.md").read_text()
FAULTS = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
COMMANDS = re.findall(r"^manage\.py (.+)$", TEXT, re.MULTILINE)
QUERIES = "".join(re.findall(r"^```sql\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))


def test_ten_faults_have_symptom_sight_remedy_and_commands() -> None:
    parts = ("**Symptom.**", "**See.**", "**Do.**", "\n```\n")

    assert [fault.partition(".")[0] for fault in FAULTS] == [str(n) for n in range(1, 11)]
    assert [fault for fault in FAULTS if any(part not in fault for part in parts)] == []


@pytest.mark.parametrize("line", COMMANDS)
def test_command_takes_what_the_runbook_gives_it(line: str) -> None:
    name, *arguments = shlex.split(line)
    app = get_commands()[name]
    command = app if not isinstance(app, str) else load_command_class(app, name)

    command.create_parser("manage.py", name).parse_args(arguments)


@pytest.mark.django_db
@pytest.mark.parametrize("query", QUERIES.split(";")[:-1])
def test_query_is_answered(query: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(query)

        assert cursor.fetchall()
