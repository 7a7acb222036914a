"""What containers and platforms are told agrees with what the project is."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings as django_settings
from machine import UV_VERSION
from starting import ROLES
from stores import SETTINGS

ROOT = Path(django_settings.BASE_DIR)
README = (ROOT / "README.md").read_text()
# Read by boto3, and told in docs/operations.md.
FOREIGN = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
# Of tests; and of what a container does not decide.
ELSEWHERE = {"CATCHMENT_FAULTS", "PORT", "POSTGRES_PASSWORD", "READER_PASSWORD", "DATABASE_HOST"}
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
ONCE = {"migrate", "test", "citus-nodes"}
APP = ("migrate", "web", "worker", "sweeper")
BLUEPRINT: dict[str, Any] = yaml.safe_load((ROOT / "docs/deploy/render.yaml").read_text())
TERRAFORM = ROOT / "docs/deploy/terraform"


def documented_variables() -> set[str]:
    return set(re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE))


def blueprint_variables() -> dict[str, dict[str, Any]]:
    web = next(service for service in BLUEPRINT["services"] if service["type"] == "web")
    return {entry["key"]: entry for entry in web["envVars"]}


def read_terraform() -> str:
    return "\n".join(path.read_text() for path in sorted(TERRAFORM.glob("*.tf")))


def test_what_compose_publishes_is_on_loopback_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_compose_has_a_service_for_every_role() -> None:
    commands = {service["command"][0] for service in SERVICES.values() if "command" in service}

    assert set(ROLES) - commands == {"all-in-one"}


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - ONCE))
def test_every_lasting_service_of_compose_comes_back_and_tells_its_health(name: str) -> None:
    service = SERVICES[name]

    assert service["restart"] == "unless-stopped"
    if name != "web":  # the image's own check
        assert service["healthcheck"]["test"]


@pytest.mark.parametrize("name", APP)
def test_containers_of_the_project_can_write_nothing_but_temporary_files(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["tmpfs"] == "/tmp"  # noqa: S108
    assert service["cap_drop"] == ["ALL"]
    assert service["volumes"] == ["local:/app/.local"]


def test_compose_starts_in_order() -> None:
    after = {name: SERVICES[name]["depends_on"] for name in APP}

    assert after["migrate"] == {n: {"condition": "service_healthy"} for n in ("db", "redis")}
    finished = {"migrate": {"condition": "service_completed_successfully"}}
    assert [after[name] for name in APP[1:]] == [finished] * 3


def test_variables_of_compose_are_those_of_the_readme() -> None:
    passed = set(SERVICES["web"]["environment"])
    text = (ROOT / "docker-compose.yml").read_text()
    substituted = set(re.findall(r"\$\{([A-Z_]+)", text))

    assert passed - FOREIGN == documented_variables() - ELSEWHERE
    assert substituted <= documented_variables()


def test_compose_gives_postgres_what_up_gives_it() -> None:
    given = dict(word.lstrip("-").split("=") for word in SERVICES["db"]["command"][1:])

    assert given == {name: SETTINGS[name] for name in given}


def test_variables_of_the_blueprint_are_those_of_the_readme() -> None:
    assert set(blueprint_variables()) == documented_variables() - ELSEWHERE


def test_platform_that_asks_for_health_by_its_own_name_is_answered() -> None:
    variables = blueprint_variables()

    for name, key in (("ALLOWED_HOSTS", "HOSTNAME"), ("PUBLIC_URL", "URL")):
        own = {"type": "web", "name": "catchment", "envVarKey": f"RENDER_EXTERNAL_{key}"}
        assert variables[name] == {"key": name, "fromService": own}


def test_nobody_may_do_anything_on_a_platform_without_signing_in() -> None:
    variables = blueprint_variables()

    assert variables["ANONYMOUS_ACCESS"]["value"] == ""
    assert re.search(r'ANONYMOUS_ACCESS += ""\n', read_terraform())
    assert variables["SECRET_KEY"] == {"key": "SECRET_KEY", "generateValue": True}


def test_variables_of_terraform_are_those_of_the_readme() -> None:
    text = (TERRAFORM / "secrets.tf").read_text()
    passed = set(re.findall(r"^    ([A-Z_]+) += ", text, re.MULTILINE))

    assert {"DATABASE_URL", "SECRET_KEY", "ANONYMOUS_ACCESS"} <= passed
    assert passed <= documented_variables()


def test_platforms_start_roles_that_exist() -> None:
    web = next(service for service in BLUEPRINT["services"] if service["type"] == "web")
    roles = re.findall(r"^    (\w+) += \{ count", read_terraform(), re.MULTILINE)

    assert web["dockerCommand"].split()[-1] in ROLES
    assert set(roles) == set(APP)


def test_image_takes_the_uv_that_up_takes() -> None:
    assert f"uv=={UV_VERSION}\n" in (ROOT / "Dockerfile").read_text()


def test_image_copies_every_folder_that_the_project_imports() -> None:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    moved = re.search(r"mv (.+?) /code", text)

    assert moved is not None
    code = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()} - {"tests"}
    assert code | {"bin", "templates", "manage.py"} <= set(moved[1].split())


def test_secrets_and_data_of_a_checkout_stay_out_of_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()

    assert ignored[0] == ".*"
    assert {line for line in ignored if line.startswith("!")} == {
        "!.dockerignore",
        "!.github",
        "!.gitignore",
    }
