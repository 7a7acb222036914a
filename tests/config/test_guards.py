"""What holds for the project as a whole."""

import re
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

ROOT = Path(django_settings.BASE_DIR)
APPS = {"config", "imports", "footprints", "locations", "dropzone", "explorer"}
OWN_COMMANDS = sorted(name for name, app in get_commands().items() if app in APPS)
# What else begins with a slash between backticks.
NO_ADDRESSES = {"/var/lib/catchment", "/tmp", "/proc", "/catchment", "/api/v1/"}  # noqa: S108
NO_ADDRESSES |= {"/minute", "/hour", "/day"}  # of rates
# How a variable of the environment is read; quoted alone it may stand in a list of names.
READS = re.compile(
    r"""(?:env\.\w+\(|read_\w+\(|(?:environ|environment|settings)(?:\.get\(|\[))"([A-Z_]+)"
    |\$\{([A-Z_]+)""",
    re.VERBOSE,
)
# Parts of a library, each with a description of its own.
FOREIGN = ("admin/", "rq/")


def read_docs() -> str:
    """Without the table of all addresses, which is made from the code."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    pages.remove(ROOT / "docs/access.md")
    return "\n".join(page.read_text() for page in pages)


def list_addresses(resolver: URLResolver, prefix: str = "") -> list[str]:
    """Every address that a library does not bring, as patterns."""
    found = []
    for entry in resolver.url_patterns:
        address = prefix + str(entry.pattern)
        if address.startswith(FOREIGN):
            continue
        if isinstance(entry, URLResolver):
            found += list_addresses(entry, address)
        elif isinstance(entry, URLPattern):
            found.append(address)
    return found


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", "--check", "--dry-run")


@pytest.mark.parametrize("command", OWN_COMMANDS)
def test_every_command_is_called_by_a_test(command: str) -> None:
    tests = "\n".join(page.read_text() for page in (ROOT / "tests").rglob("*.py"))

    calls = ("call_command", "run_command", "start_command")
    assert any(f'{call}("{command}"' in tests for call in calls)


def list_options(command: BaseCommand, name: str) -> set[str]:
    parser = command.create_parser("manage.py", name)
    return {option for action in parser._actions for option in action.option_strings}


def list_own_options(name: str) -> set[str]:
    """Without those of Django's, of the command that it replaces too."""
    command = load_command_class(get_commands()[name], name)
    parent = next(base for base in type(command).__mro__ if base.__module__.startswith("django."))
    return list_options(command, name) - list_options(parent(), name)


@pytest.mark.parametrize("command", OWN_COMMANDS)
def test_every_command_has_a_row_that_names_its_options(command: str) -> None:
    rows = re.findall(
        rf"^\| `manage\.py {command}( .*?)?` \|",
        (ROOT / "docs/operations.md").read_text(),
        re.MULTILINE,
    )

    assert [set(re.findall(r"--[a-z0-9-]+", row)) for row in rows] == [list_own_options(command)]


def test_every_endpoint_is_documented() -> None:
    docs = read_docs()
    plain = [
        re.sub(r"(^|/)\^", r"\1", address).replace("$", "").replace(r"/?\Z", "").replace(r"\Z", "")
        for address in list_addresses(get_resolver())
        if "format" not in address
    ]

    named = {
        "/"
        + re.sub(
            r"\(\?P<pk>[^)]*\)|<int:(?:pk|import_id)>",
            "{id}",
            address.replace("(?P<timestamp>[^/]+)", "{timestamp}"),
        )
        for address in plain
    }

    documented = {word for span in docs.split("`")[1::2] for word in span.split()}

    assert named - documented == set()


def list_variables() -> set[str]:
    """Those that the code reads, `bin/` and docker-compose.yml included."""
    pages = [ROOT / "docker-compose.yml", *(ROOT / "bin").iterdir()]
    pages += [page for app in APPS for page in (ROOT / app).rglob("*.py")]
    code = "\n".join(page.read_text() for page in pages if page.is_file())
    return {name for pair in READS.findall(code) for name in pair if name} - {"PATH"}


def test_variables_of_the_readme_are_those_that_are_read() -> None:
    documented = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)

    assert {"DATABASE_URL", "PORT", "FOOTPRINTS_SOURCE", "CATCHMENT_FAULTS"} <= list_variables()
    assert sorted(documented) == sorted(list_variables())


def test_every_documented_command_exists() -> None:
    named = set(re.findall(r"manage\.py ([a-z_]+)", read_docs()))

    assert named - set(get_commands()) == set()


def list_documented_addresses() -> set[str]:
    """Between backticks, the table of all addresses included."""
    text = read_docs() + (ROOT / "docs/access.md").read_text()
    without_blocks = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    words = {word for span in without_blocks.split("`")[1::2] for word in span.split()}
    return {word for word in words if word.startswith("/")} - NO_ADDRESSES


def is_answered(address: str) -> bool:
    """Whether there is something, with anything in the place of its parameters."""
    path = re.sub(r"\{timestamp\}|<timestamp>", "2024-07-01T10:00:00Z", address.partition("?")[0])
    try:
        resolve(re.sub(r"<[^>]*>|\{\w+\}", "1", path).rstrip("…"))
    except Resolver404:
        return False
    return True


def test_every_documented_address_exists() -> None:
    documented = list_documented_addresses()

    assert len(documented) > 50
    assert sorted(address for address in documented if not is_answered(address)) == []
