import re

import pytest
from loading import Load, make_pgbench_script
from location_bench import (
    BARE,
    EXPRESSIONS,
    FASTAPI,
    ORDER,
    OURS,
    SET_VARIABLES,
    Stored,
    check_stored,
    make_run,
    make_tables,
    number_parameters,
    rotate,
)
from supervisor import Refusal

from locations.averaging import ONE

# The statement


def test_own_statement_has_every_parameter_of_the_peer() -> None:
    statement = number_parameters(ONE)

    assert "%" not in statement
    assert set(re.findall(r"\$(\d+)", statement)) == {str(n) for n in range(1, len(ORDER) + 1)}
    assert "VALUES ($1, $2, $3)" in statement


def test_pgbench_sets_every_variable_of_its_statement() -> None:
    script = make_pgbench_script(SET_VARIABLES, ONE, EXPRESSIONS)

    given = {"run", "number", "client_id"}
    assert set(re.findall(r"(?<!:):([a-z_]\w*)", script)) <= given | set(
        re.findall(r"^\\set (\w+)", script, re.MULTILINE)
    )
    assert "%(" not in script
    assert script.endswith(";\n")
    assert set(EXPRESSIONS) == set(ORDER)


# Rounds and checks


def test_each_round_begins_with_another_one() -> None:
    names = ["a", "b", "c"]

    assert [rotate(names, places) for places in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]


def test_runs_have_names_of_their_own() -> None:
    assert make_run() != make_run()


@pytest.mark.parametrize("of_run", [300, 316])
def test_stored_fixes_may_be_what_was_under_way_more(of_run: int) -> None:
    check_stored(OURS, Load(300, 150.0), Stored(fixes=400, averaged=400, of_run=of_run))


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (Stored(fixes=400, averaged=399, of_run=300), "400 fixes, but 399"),
        (Stored(fixes=400, averaged=400, of_run=299), "300 were answered, and 299 stored"),
        (Stored(fixes=400, averaged=400, of_run=317), "300 were answered, and 317 stored"),
    ],
)
def test_stored_fixes_that_are_others_are_refused(stored: Stored, reason: str) -> None:
    with pytest.raises(Refusal, match=f"{OURS}: {reason}"):
        check_stored(OURS, Load(300, 150.0), stored)


# Telling


def test_tables_hold_rates_against_both_and_latencies_against_fastapi() -> None:
    loads = {
        OURS: [
            Load(1, 3000.0, 1.0, 8.0),
            Load(1, 2400.4, 1.0, 10.0),
            Load(1, 3300.0, 1.0, 6.0),
        ],
        FASTAPI: [
            Load(1, 2000.0, 1.0, 16.0),
            Load(1, 2500.0, 1.0, 20.0),
            Load(1, 1500.0, 1.0, 12.0),
        ],
        BARE: [Load(1, 6000.0)],
    }

    rates, latencies = (table.write() for table in make_tables(loads))

    assert rates.splitlines()[0] == (
        "| what | requests a second | against | measured ratio | wanted |"
    )
    assert rates.splitlines()[2:] == [
        f"| {FASTAPI} | 2,000 (1,500 to 2,500) |  |  |  |",
        f"| {BARE} | 6,000 |  |  |  |",
        f"| {OURS} | 3,000 (2,400 to 3,300) | {FASTAPI} | 1.50 | ≥ 1.00 |",
        f"| {OURS}, beside the statement | 3,000 (2,400 to 3,300) | {BARE} | 0.50 |  |",
    ]
    assert latencies.splitlines()[2:] == [
        f"| {FASTAPI} | 16.00 (12.00 to 20.00) |  |  |  |",
        f"| {OURS} | 8.00 (6.00 to 10.00) | {FASTAPI} | 0.50 | ≤ 1.00 |",
    ]
