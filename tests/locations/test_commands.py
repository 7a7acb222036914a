"""What is kept of a user: told, deleted, forgotten."""

import io
import json
from datetime import timedelta
from functools import partial

import pytest
from django.core.management import CommandError, call_command
from django.utils.timezone import now

from locations.averaging import store_fix
from locations.models import Fix, MinuteAverage
from locations.removing import delete_user
from tests.factories.locations import FixFactory
from tests.locations.fixes import make_fix, run_at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def _two_users() -> None:
    store_fix(make_fix("2024-07-01 12:00:00.123456"))
    store_fix(make_fix("2024-07-01 12:00:30+02:00", lat=53))
    store_fix(make_fix("2024-07-01 12:00:00", user_id="bob"))


@pytest.mark.usefixtures("_two_users")
def test_export_tells_all_that_is_kept_of_a_user() -> None:
    output = io.StringIO()

    call_command("export_locations", "ada", stdout=output)

    found = json.loads(output.getvalue())
    assert found["user_id"] == "ada"
    [average] = found["averages"]
    assert average == {
        "minute": "2024-07-01T10:00:00+00:00",
        "count": 2,
        "last_fix_at": "2024-07-01T10:00:30+00:00",
        "lat": 52.75,
        "long": 13.4,
        "accuracy": 10.0,
        "speed": 1.0,
        "is_gap": False,
        "is_fold": False,
    }
    assert [(fix["submitted"], fix["has_offset"]) for fix in found["fixes"]] == [
        ("2024-07-01T10:00:30+00:00", True),
        ("2024-07-01T12:00:00.123456+00:00", False),
    ]


def test_export_of_nobody_is_empty() -> None:
    output = io.StringIO()

    call_command("export_locations", 'no "body"', stdout=output)

    assert json.loads(output.getvalue()) == {"user_id": 'no "body"', "averages": [], "fixes": []}


@pytest.mark.usefixtures("_two_users")
def test_delete_leaves_other_users_alone() -> None:
    output = io.StringIO()

    call_command("delete_locations", "ada", stdout=output)

    assert output.getvalue() == "1 averages of 2 fixes deleted.\n"
    assert MinuteAverage.objects.get().user_id == "bob"
    assert Fix.objects.get().user_id == "bob"


@pytest.mark.django_db(transaction=True)
def test_fix_that_comes_while_its_user_is_deleted_is_whole() -> None:
    """Either it is gone, or its key and its average are there."""
    for second in range(30):
        store_fix(make_fix("2024-07-01 12:00:00"))
        fix = make_fix(f"2024-07-01 12:00:{second + 10}")

        run_at_once(partial(store_fix, fix), partial(delete_user, "ada"))

        fixes = Fix.objects.filter(user_id="ada").count()
        averages = MinuteAverage.objects.filter(user_id="ada").values_list("count", flat=True)
        assert list(averages) == [1] * fixes
        delete_user("ada")


def test_old_fixes_are_forgotten_and_their_averages_stay() -> None:
    store_fix(make_fix("2024-07-01 12:00:00"))
    Fix.objects.update(received_at=now() - timedelta(days=31))
    store_fix(make_fix("2024-07-01 12:00:10"))
    output = io.StringIO()

    call_command("forget_fixes", "--days", "30", stdout=output)

    assert output.getvalue().startswith("1 fixes forgotten")
    assert MinuteAverage.objects.get().count == 2
    assert Fix.objects.count() == 1


def test_fix_is_old_by_when_it_came_not_by_its_clock() -> None:
    FixFactory(submitted=now() - timedelta(days=3_000))

    call_command("forget_fixes", "--days", "1", stdout=io.StringIO())

    assert Fix.objects.exists()


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "x", "99999999999"])
def test_forgetting_needs_a_number_of_days(days: str) -> None:
    with pytest.raises(CommandError, match="days"):
        call_command("forget_fixes", f"--days={days}")
