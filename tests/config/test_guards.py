"""What holds for the project as a whole."""

import re
import subprocess
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command, get_commands
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

ROOT = Path(django_settings.BASE_DIR)
APPS = {"config", "imports", "footprints", "locations", "dropzone", "explorer"}
# Pages that tell addresses between backticks, and what else begins with a slash there.
TELL_ADDRESSES = {"README.md", "api.md", "api-examples.md", "access.md", "pages.md"}
NO_ADDRESSES = {"/var/lib/catchment", "/api/v1/"}
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


@pytest.mark.parametrize(
    "command", sorted(name for name, app in get_commands().items() if app in APPS)
)
def test_every_command_is_documented_and_called_by_a_test(command: str) -> None:
    tests = "\n".join(page.read_text() for page in (ROOT / "tests").rglob("*.py"))

    assert f"manage.py {command}" in read_docs()
    calls = ("call_command", "run_command", "start_command")
    assert any(f'{call}("{command}"' in tests for call in calls)


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


def test_every_variable_of_the_settings_is_in_the_table_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    found = subprocess.run(
        [
            "grep",
            "-ohE",
            r'(env\.\w+|read_\w+)\("[A-Z_]+"|environ\.get\("[A-Z_]+"',
            "-r",
            "config",
            "imports",
            "footprints",
            "locations",
            "dropzone",
            "explorer",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = {line.split('"')[1] for line in found.splitlines()}

    assert {"DATABASE_URL", "FOOTPRINTS_SOURCE"} <= names
    assert {name for name in names if f"| `{name}` |" not in readme} == set()


def test_every_variable_of_the_readme_is_read() -> None:
    names = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    pages = [*ROOT.glob("docker-compose.yml"), *(ROOT / "bin").glob("*")]
    pages += [page for app in APPS for page in (ROOT / app).rglob("*.py")]
    code = "\n".join(page.read_text() for page in pages if page.is_file())

    assert names
    read = set(re.findall(r"""["']([A-Z_]+)["']|\$\{?([A-Z_]+)""", code))
    assert set(names) - {name for pair in read for name in pair} == set()


def test_every_documented_command_exists() -> None:
    named = set(re.findall(r"manage\.py ([a-z_]+)", read_docs()))

    assert named - set(get_commands()) == set()


def list_documented_addresses() -> set[str]:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs/apps").glob("*.md")]
    text = "\n".join(page.read_text() for page in pages if page.name in TELL_ADDRESSES)
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
