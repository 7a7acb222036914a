from pathlib import Path

import pytest
from figures import fill, read_page
from planning import ALL, Plan, read_plan

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [
    ["import"],
    ["import", "--stream-gb", "20"],
    ["heatmap"],
    ["ingest"],
    ["locations"],
    ["dropzone"],
    ["explorer"],
    ["explorer", "--trips", "10"],
    ["growth", "--of", "imports"],
    ["growth", "--of", "heatmap"],
    ["growth", "--of", "explorer"],
    ["growth", "--of", "locations"],
]


def list_names(plan: Plan) -> list[str]:
    return [task.name for task in plan.tasks]


def count_disk_bytes(*arguments: str) -> int:
    return sum(task.disk_bytes for task in read_plan(arguments).tasks)


def test_without_arguments_it_is_all_that_is_side_by_side() -> None:
    plan = read_plan([])

    assert list_names(plan) == list(ALL)
    assert plan.command == "bin/bench"
    assert plan.output == ROOT / "docs/benchmarks.md"


def test_all_has_three_rounds_of_everything() -> None:
    assert {options.rounds for options in ALL.values()} == {3}


def test_command_is_one_task_without_a_summary() -> None:
    plan = read_plan(["locations", "--rounds", "2"])

    assert (list_names(plan), plan.command) == (["locations"], "")


def test_growth_is_of_everything_by_default() -> None:
    plan = read_plan(["growth", "--sizes", "10,100"])

    assert list_names(plan) == [
        f"growth --of {name}" for name in ("imports", "heatmap", "explorer", "locations")
    ]


def test_soak_has_minutes_and_a_page_of_its_own_with_a_place_for_them() -> None:
    plan = read_plan(["soak"])

    assert plan.output == plan.own == ROOT / "docs/reliability.md"
    assert "figures" in fill(read_page(plan.output), plan.tasks[0].marker, "figures")
    assert count_disk_bytes("soak") < count_disk_bytes("soak", "--minutes", "60") < 10**11


@pytest.mark.parametrize(
    "arguments",
    [
        ["other"],
        ["import", "--rows", "0"],
        ["import", "--rounds", "x"],
        ["heatmap", "--without-pgloader"],
        ["locations", "--seconds", "0"],
        ["locations", "--rows", "1"],
        ["dropzone", "--seconds", "x"],
        ["explorer", "--trips", "0"],
        ["growth", "--of", "trips"],
        ["growth", "--sizes", "10"],
        ["growth", "--sizes", "100,10"],
        ["growth", "--sizes", "10,x"],
    ],
)
def test_options_that_mean_nothing_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        read_plan(arguments)


def test_disk_for_a_stream_is_more_than_its_size() -> None:
    assert count_disk_bytes("import", "--stream-gb", "20") >= 32_000_000_000


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (["import", "--rows", "1"], ["import", "--rows", "1000"]),
        (["explorer", "--rows", "1"], ["explorer", "--rows", "1", "--trips", "1000000"]),
        (["locations", "--seconds", "5"], ["locations", "--seconds", "15"]),
        (
            ["growth", "--of", "imports", "--sizes", "1,2"],
            ["growth", "--of", "imports", "--sizes", "1,3"],
        ),
    ],
)
def test_disk_for_more_is_more(small: list[str], large: list[str]) -> None:
    assert count_disk_bytes(*small) < count_disk_bytes(*large)


@pytest.mark.parametrize("arguments", COMMANDS)
def test_the_projects_page_has_a_place_for_figures(arguments: list[str]) -> None:
    [task] = read_plan(arguments).tasks

    once = fill(read_page(ROOT / "docs/benchmarks.md"), task.marker, "first figures")
    twice = fill(once, task.marker, "second figures")

    assert "first figures" in once
    assert "first figures" not in twice
    assert twice == once.replace("first figures", "second figures")
