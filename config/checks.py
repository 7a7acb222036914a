"""What Django tells at the start of a command about how the project is set up."""

from typing import Any

from django.core.checks import CheckMessage, Warning

from config.api.reading import has_reader


def check_reader(**options: Any) -> list[CheckMessage]:
    if has_reader():
        return []
    hint = "Let READER_DATABASE_URL name a role of its own, which `manage.py make_reader` makes."
    return [Warning("The explorer reads with a role that may write.", hint, id="config.W001")]
