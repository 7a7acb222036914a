import pytest
from figures import Line, Section, Table
from loading import RATE
from summarising import write_summary


def summarise(*tables: Table) -> list[str]:
    return write_summary({"import": Section("", tables)}, {}).splitlines()[2:]


def test_summary_has_a_row_for_what_is_held_against_another() -> None:
    lines = [Line("psql", (4.0, 2.0, 9.0)), Line("import", (6.0, 5.0, 7.0), "psql", 1.6)]

    assert summarise(Table(lines)) == [
        "| import: import (seconds) | 6.00 | 4.00, psql | 1.50 | ≤ 1.60 | met |"
    ]


@pytest.mark.parametrize(
    ("median", "result"), [(399.0, "falls short"), (400.0, "met"), (401.0, "met")]
)
def test_of_rates_more_is_better(median: float, result: str) -> None:
    [row] = summarise(Table([Line("a", (200.0,)), Line("b", (median,), "a", 2.0)], RATE))

    assert row.endswith(f"| ≥ 2.00 | {result} |")


@pytest.mark.parametrize(
    ("median", "result"), [(0.09, "met"), (0.1, "met"), (0.1001, "falls short")]
)
def test_limit_is_of_the_figure_itself(median: float, result: str) -> None:
    [row] = summarise(Table([Line("first byte", (median,), limit=0.1)]))

    assert row == (
        f"| import: first byte (seconds) | {median:.2f} |  |  | ≤ 0.10 seconds | {result} |"
    )


def test_line_of_which_nothing_is_wanted_only_tells() -> None:
    [row] = summarise(Table([Line("shapely", (2.0,)), Line("ingest", (3.0,), "shapely")]))

    assert row == "| import: ingest (seconds) | 3.00 | 2.00, shapely | 1.50 |  |  |"


def test_line_beside_what_was_not_measured_is_left_out() -> None:
    lines = [Line("pgloader", note="not measured"), Line("import", (1.0,), "pgloader", 1.0)]

    assert summarise(Table(lines)) == []


def test_failure_is_a_row_with_its_reason() -> None:
    summary = write_summary({}, {"heatmap": "It was cut:\n  a | b"})

    assert summary.splitlines()[2:] == [
        "| `bin/bench heatmap` | not measured: It was cut: a \\| b |  |  |  | failed |"
    ]
