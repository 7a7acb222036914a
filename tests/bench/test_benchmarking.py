import subprocess
import sys
from pathlib import Path

import pytest
from benchmarking import Outcome, check_page, describe_outcome, measure_tasks
from figures import Plot, Section
from import_bench import CASES
from planning import Plan, Task
from supervisor import Refusal, StopRequested

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("import", "heatmap", "ingest")


def make_plan(output: Path, *names: str) -> Plan:
    def measure(_: object) -> Section:
        raise NotImplementedError

    return Plan(tuple(Task(name, measure) for name in names), output, "bin/bench")


# One after the other


def test_sections_are_written_as_they_are_measured(tmp_path: Path) -> None:
    output = tmp_path / "page.md"
    found: list[bool] = []

    def measure(task: Task) -> tuple[str, Section]:
        found.append(output.exists() and "Figures of import." in output.read_text())
        return "A machine.", Section(f"Figures of {task.name}.")

    outcome = measure_tasks(make_plan(output, *NAMES), measure)

    assert found == [False, True, True]
    assert list(outcome.sections) == list(NAMES)
    assert (outcome.failures, outcome.machine) == ({}, "A machine.")
    begin = "<!-- bin/bench ingest: begin -->"
    assert f"{begin}\n\nA machine.\n\nFigures of ingest.\n" in output.read_text()


@pytest.mark.parametrize(
    ("error", "reason"),
    [(Refusal("It was cut."), "It was cut."), (KeyError("rows"), "KeyError: 'rows'")],
)
def test_task_that_fails_says_why_and_the_others_are_measured(
    tmp_path: Path, error: Exception, reason: str
) -> None:
    def measure(task: Task) -> tuple[str, Section]:
        if task.name == "heatmap":
            raise error
        return "A machine.", Section("Figures.")

    outcome = measure_tasks(make_plan(tmp_path / "page.md", *NAMES), measure)

    assert list(outcome.sections) == ["import", "ingest"]
    assert outcome.failures == {"heatmap": reason}


def test_section_that_misses_something_is_written_and_fails(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    section = Section("| lost | 1 |", missed="something was lost")

    outcome = measure_tasks(make_plan(page, "import"), lambda _: ("A machine.", section))

    assert "| lost | 1 |" in page.read_text()
    assert outcome.failures == {"import": "something was lost"}


def test_signal_ends_all_tasks(tmp_path: Path) -> None:
    asked: list[str] = []

    def measure(task: Task) -> tuple[str, Section]:
        asked.append(task.name)
        raise StopRequested(2)

    with pytest.raises(StopRequested):
        measure_tasks(make_plan(tmp_path / "page.md", *NAMES), measure)

    assert asked == ["import"]


def test_summary_names_machine_command_and_peers() -> None:
    sections = {
        "import": Section(""),
        "heatmap": Section("", peers="tipg 1"),
        "ingest": Section("", peers="shapely 2"),
    }

    told = describe_outcome(Outcome(sections, {}, "A machine."), "`bin/bench` took 18 minutes.")

    assert told.startswith("A machine. `bin/bench` took 18 minutes. Peers: tipg 1, shapely 2.\n\n|")


def test_picture_is_drawn_beside_the_page(tmp_path: Path) -> None:
    plot = Plot("growth/imports.png", "Imports", "trips", "seconds", (1, 10), {"CSV": (1.0, 9.0)})

    def measure(_: Task) -> tuple[str, Section]:
        return "A machine.", Section("Figures.", plot=plot)

    outcome = measure_tasks(make_plan(tmp_path / "page.md", "growth --of imports"), measure)

    assert outcome.failures == {}
    assert (tmp_path / "growth/imports.png").read_bytes().startswith(b"\x89PNG")


# The page


def test_page_has_a_place_for_all_and_their_summary() -> None:
    check_page(make_plan(ROOT / "docs/benchmarks.md", *NAMES))


@pytest.mark.parametrize(
    ("output", "name", "reason"),
    [
        (ROOT / "docs/benchmarks.md", "other", "no place for figures"),
        (Path("/nowhere/page.md"), "import", "is no folder"),
    ],
)
def test_page_without_a_place_is_refused_before_the_work(
    output: Path, name: str, reason: str
) -> None:
    with pytest.raises(Refusal, match=reason):
        check_page(make_plan(output, name))


# A real run


def test_bench_import_measures_everything(tmp_path: Path) -> None:
    output = tmp_path / "page.md"
    command = [sys.executable, str(ROOT / "bin/bench"), "import", "--rows", "2000", "--rounds", "1"]

    done = subprocess.run(
        [*command, "--without-pgloader", "--output", str(output)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stdout
    page = output.read_text()
    assert "2,000 rows" in page
    for case in CASES:
        assert page.count(f"| {case.name} |") >= 2, case.name
    assert " 0 MB" not in page
    end = "<!-- bin/bench import: end -->"
    own = (ROOT / "docs/benchmarks.md").read_text()
    assert page.partition(end)[2] == own.partition(end)[2]  # the other figures stay
