"""What Django says of a project that is not set up as it should be."""

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from config.api.reading import READER


def test_own_role_of_the_reader_is_no_matter() -> None:
    call_command("check", fail_level="WARNING")


@pytest.mark.parametrize("user", ["", django_settings.DATABASES["default"]["USER"]])
def test_reader_that_may_write_is_warned_of(monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    monkeypatch.setitem(django_settings.DATABASES[READER], "USER", user)

    with pytest.raises(SystemCheckError, match=r"config\.W001"):
        call_command("check", fail_level="WARNING")
