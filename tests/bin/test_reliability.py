"""What `bin/test faults` makes of the tests' own words, and that it hides nothing."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import checking
import pytest
import reliability
from campaigns import CAMPAIGNS, Notes, find_campaign, list_modules
from machine import CHECKOUT
from reliability import Result, Run, read_results, write_section

from tests.faults.sizes import LARGE, LOT, SMALL, read_sizes, split_rounds

TESTS = CHECKOUT / "tests/faults"
# A test of each outcome, as tests of the campaigns are.
KILLS = """
import pytest

@pytest.mark.parametrize("rounds", [25, 25])
def test_killed(notes, rounds):
    notes.count += rounds
    notes.rows += 100
    notes.measure("s from a kill to the next owner", [0.5] * rounds)
    notes.counts["in copy"] += rounds

def test_lost(notes):
    notes.count += 1
    notes.rows += 100
    notes.lost += 3
    assert notes.lost == 0

def test_skipped():
    pytest.skip("no network of its own")
"""


def list_results(**changes: Result) -> list[Result]:
    """A green run: a test for each campaign."""
    made = {
        campaign.tests[0]: Result(
            f"{campaign.tests[0]}{'' if '.' in campaign.tests[0] else '.test_it'}",
            "passed",
            notes=Notes(count=5, rows=10),
        )
        for campaign in CAMPAIGNS
    }
    return list((made | changes).values())


def find_line(section: str, words: str) -> str:
    [line] = [line for line in section.splitlines() if line.startswith("|") and words in line]
    return line


def test_whole_and_green_run_held() -> None:
    run = Run(list_results(), code=0, minutes=25)

    section = write_section(run, "a machine")

    assert run.exit_code == 0
    assert section.startswith("a machine\n\n`bin/test faults`: 25 minutes; tests: 16 passed")
    assert section.count("| held (1 test) |") == len([c for c in CAMPAIGNS if not c.is_control])
    assert section.count("| found out, as it must (1 test) |") == 2
    assert "All held." in section
    assert "**" not in section


def test_failure_stands_in_its_line_and_below_with_what_it_found() -> None:
    lost = Notes(count=7, rows=100, lost=3, doubled=1)
    failed = Result("test_kills.test_it", "failed", "assert 3 == 0", lost)
    run = Run(list_results(test_kills=failed), code=1, minutes=25)

    section = write_section(run, "a machine")

    assert run.exit_code == 1
    assert "**It did not hold.**" in section
    line = find_line(section, "work-horse")
    assert "| 7 kills |" in line
    assert line.endswith("| 100 | 3 | 1 | **1 of 1 failed** |")
    assert "- failed: `test_kills.test_it`: `assert 3 == 0`" in section


def test_failure_that_pytest_does_not_tell_ends_with_1_all_the_same() -> None:
    results = list_results(test_kills=Result("test_kills.test_it", "failed"))

    assert Run(results, code=0, minutes=1).exit_code == 1


@pytest.mark.parametrize("notes", [None, Notes()], ids=["not run", "without a word"])
def test_campaign_that_did_nothing_is_not_held(notes: Notes | None) -> None:
    results = [one for one in list_results() if not one.test.startswith("test_zombies")]
    if notes is not None:
        results.append(Result("test_zombies.test_it", "passed", notes=notes))
    run = Run(results, code=0, minutes=1)

    section = write_section(run, "a machine")

    assert run.exit_code == 1
    assert find_line(section, "zombies").endswith("| **not tried** |")
    assert "**Not all of it was tried.**" in section


def test_part_of_the_campaigns_need_not_have_the_others() -> None:
    results = list_results()[:1]

    run = Run(results, code=0, minutes=1, words=("bin/test faults", "-k", "kills"))

    assert run.exit_code == 0
    assert "**Not all of it was tried.**" in write_section(run, "a machine")


def test_skipped_campaign_is_told() -> None:
    skipped = Result("test_guard.test_it", "skipped", "no network of its own")
    run = Run(list_results(test_guard=skipped), code=0, minutes=1)

    section = write_section(run, "a machine")

    assert find_line(section, "denied addresses |").endswith("| **1 of 1 skipped** |")
    assert "- skipped: `test_guard.test_it`: `no network of its own`" in section
    assert "All held." not in section


def test_run_without_results_holds_nothing() -> None:
    run = Run([], code=137, minutes=1)

    section = write_section(run, "a machine")

    assert run.exit_code == 137
    assert section.count("**not tried**") == len(CAMPAIGNS)
    assert "0 passed, 0 failed, 0 skipped, pytest ended with 137. **It did not hold.**" in section


def run_pytest(folder: Path, **files: str) -> list[Result]:
    tests = folder / "tests/faults"
    tests.mkdir(parents=True)
    for name, text in files.items():
        (tests / f"{name}.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\njunit_family = xunit1\n")
    path = folder / "results.xml"
    plugins = ("-p", "no:django", "-p", "tests.faults.noting")
    command = ("-m", "pytest", *plugins, f"--rootdir={folder}", f"--junitxml={path}")
    modules = f"{CHECKOUT}{os.pathsep}{CHECKOUT / 'bin'}"
    subprocess.run(
        [sys.executable, *command, "-n", "1", "--import-mode=importlib", str(tests)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": modules},
        stdout=subprocess.DEVNULL,
        timeout=60,
    )
    return read_results(path)


def test_words_of_tests_reach_the_section(tmp_path: Path) -> None:
    results = run_pytest(tmp_path, test_kills=KILLS, test_zombies="import nothing_here")

    outcomes = Counter(result.outcome for result in results)
    assert outcomes == {"passed": 2, "failed": 2, "skipped": 1}
    section = write_section(Run(results, code=1, minutes=1), "a machine")
    line = find_line(section, "work-horse")
    assert "| 51 kills |" in line
    assert line.endswith("| 300 | 3 | 0 | **1 of 4 failed** |")
    assert "| s from a kill to the next owner | 50 | 0.50 | 0.50 | 0.50 |" in section
    assert "in copy 50" in section
    assert "`test_kills.test_skipped`: `no network of its own`" in section
    # A file that cannot be read has failed.
    assert find_line(section, "zombies").endswith("| **1 of 1 failed** |")


def test_every_file_of_tests_belongs_to_a_campaign() -> None:
    assert sorted(list_modules()) == sorted(path.stem for path in TESTS.glob("test_*.py"))


@pytest.mark.parametrize("test", [test for campaign in CAMPAIGNS for test in campaign.tests])
def test_campaigns_name_tests_that_exist(test: str) -> None:
    module, _, function = test.partition(".")

    assert f"def {function or 'test_'}" in (TESTS / f"{module}.py").read_text()


def test_control_is_no_part_of_the_campaign_in_its_file() -> None:
    [control] = [one for one in CAMPAIGNS if one.is_control and "test_kills" in one.tests[0]]

    assert find_campaign(f"{control.tests[0]}[after_rows-after_copy@5]") is control
    assert find_campaign("test_kills.test_killed_owners[25]") is CAMPAIGNS[0]
    assert find_campaign("test_unknown.test_it") is None


# The command


class Started:
    """What the command had pytest do, which did nothing but write results."""

    def __init__(self, code: int) -> None:
        self.code = code
        self.arguments: tuple[str, ...] = ()
        self.environment: Mapping[str, str] = {}

    def run_check(self, workshop: object, check: checking.Check) -> int:
        self.arguments, self.environment = check.arguments, check.environment
        return self.code


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    page = tmp_path / "reliability.md"
    page.write_text((CHECKOUT / "docs/reliability.md").read_text())
    monkeypatch.setattr(reliability, "PAGE", page)
    monkeypatch.setattr(checking, "RESULTS", tmp_path / "faults.xml")
    return page


def run_campaigns(monkeypatch: pytest.MonkeyPatch, *arguments: str, code: int = 0) -> Started:
    started = Started(code)
    monkeypatch.setattr(checking, "run_check", started.run_check)
    for name in checking.SIZES:
        monkeypatch.delenv(name, raising=False)
    started.code = checking.run_campaigns(None, arguments)  # type: ignore[arg-type]
    return started


def test_whole_run_is_written_to_the_page_also_where_nothing_held(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = run_campaigns(monkeypatch, code=3)

    assert started.code == 3
    assert started.environment == {"FAULTS": "large"}
    assert "tests/faults/test_kills.py" in started.arguments
    assert "pytest ended with 3. **It did not hold.**" in page.read_text()
    assert "<!-- bin/bench soak: begin -->" in page.read_text()


def test_part_is_run_with_its_arguments_and_not_written(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = page.read_text()

    started = run_campaigns(monkeypatch, "-k", "kills")

    assert started.arguments[-2:] == ("-k", "kills")
    assert "`bin/test faults -k kills`" in capsys.readouterr().out
    assert page.read_text() == before


def test_results_of_an_earlier_run_are_not_taken_for_this_one(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checking.RESULTS.write_text('<testsuite><testcase name="tests.faults.test_kills"/></testsuite>')

    run_campaigns(monkeypatch, code=4)

    assert "0 passed" in page.read_text()


# Sizes


def test_sizes_are_small_unless_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FAULTS", *checking.SIZES):
        monkeypatch.delenv(name, raising=False)

    assert read_sizes("kills") == SMALL["kills"]
    monkeypatch.setenv("FAULTS", "large")
    assert read_sizes("kills") == LARGE["kills"]
    monkeypatch.setenv("FAULT_ROUNDS", str(2 * LOT + 1))
    assert read_sizes("kills").rounds == 2 * LOT + 1
    assert read_sizes("kills").rows == LARGE["kills"].rows
    assert split_rounds("kills") == [LOT, LOT, 1]


def test_large_sizes_are_those_that_are_promised() -> None:
    assert SMALL.keys() == LARGE.keys()
    assert LARGE["kills"].rounds >= 200
    assert LARGE["zombies"].rounds >= 50
    assert LARGE["restarts"].rounds >= 10
