"""Commands of manage.py as processes of their own, on the test's database."""

import os
import subprocess
import sys
from urllib.parse import quote

from django.conf import settings
from django.db import connection


def start_command(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}@/{database['NAME']}?host={quote(database['HOST'])}"
    return subprocess.Popen(
        [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments],
        env={**os.environ, "DATABASE_URL": url, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_command(*arguments: str) -> None:
    process = start_command(*arguments)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
