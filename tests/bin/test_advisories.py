"""What is made of the answers about known faults, and that both locks pin by digest."""

import json
import re
import tomllib

import advisories
import pytest
from advisories import CHECKOUT, NotAsked, main, read_npm_audit, read_pip_audit

SKIPPED = {"name": "django", "skip_reason": "Dependency not found on PyPI"}
GOOD = {"name": "numpy", "version": "2.4.6", "vulns": []}
BAD = {
    "name": "django",
    "version": "5.2",
    "vulns": [{"id": "CVE-2025-64459", "fix_versions": ["5.2.8"]}],
}


def write(*packages: object) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_advisory_for_python_is_told_with_its_remedy() -> None:
    assert read_pip_audit(write(GOOD, BAD, SKIPPED), "") == [
        "django 5.2: CVE-2025-64459, mended in 5.2.8"
    ]


def test_nothing_known_of_python_is_nothing() -> None:
    assert read_pip_audit(write(GOOD), "Found nothing") == []


@pytest.mark.parametrize(
    ("stdout", "stderr", "reason"),
    [
        (write(SKIPPED, SKIPPED), "No known vulnerabilities found", "knows none of 2 packages"),
        ("", "trace\nConnectionError: refused", "ConnectionError: refused"),
        ("", "", "no answer"),
    ],
)
def test_service_that_could_not_be_asked_is_no_all_clear(
    stdout: str, stderr: str, reason: str
) -> None:
    with pytest.raises(NotAsked, match=reason):
        read_pip_audit(stdout, stderr)


def test_advisory_for_npm_is_told_with_its_severity() -> None:
    found = json.dumps({"vulnerabilities": {"maplibre-gl": {"severity": "high"}}})

    assert read_npm_audit(found, "") == ["maplibre-gl: high"]
    assert read_npm_audit('{"vulnerabilities": {}}', "") == []
    with pytest.raises(NotAsked, match="405 Method Not Allowed"):
        read_npm_audit('{"message": "405 Method Not Allowed"}', "")


@pytest.mark.parametrize(
    ("known", "code", "told"),
    [(["django 5.2: CVE"], 1, "django 5.2: CVE"), ([], 0, "no advisory"), (None, 0, "skipped: ")],
)
def test_advisory_fails_and_silence_does_not(
    known: list[str] | None,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def ask() -> list[str]:
        if known is None:
            raise NotAsked("nobody there")
        return known

    monkeypatch.setattr(advisories, "ask_for_npm", ask)

    assert main(["npm"]) == code
    assert capsys.readouterr().out.startswith(told)


def test_lock_of_python_has_a_digest_for_every_file() -> None:
    packages = tomllib.loads((CHECKOUT / "uv.lock").read_text())["package"]
    files = [
        file
        for package in packages
        for file in (*package.get("wheels", ()), *filter(None, [package.get("sdist")]))
    ]

    assert len(files) > 100
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", file["hash"]) for file in files)


def test_lock_of_npm_has_a_digest_for_every_package() -> None:
    packages = json.loads((CHECKOUT / "package-lock.json").read_text())["packages"]
    brought = [package for name, package in packages.items() if name]

    assert brought
    assert all(package["integrity"].startswith("sha512-") for package in brought)
