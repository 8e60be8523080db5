"""What docs/calibration.md says of the hungry formula's bound: by a model that can be run."""

import re
from pathlib import Path

import pytest
from msgspec import structs

from docs.cold_start_bound import HEAD, HORIZON_S, MARKETS, ColdStart, Market, Policy, row

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "calibration.md").read_text()
THIN = Market(kappa=0.25, arrival=0.012, sigma=2.5)


def test_the_table_has_each_market_of_the_model() -> None:
    table = TEXT[TEXT.index(HEAD) :].split("\n\n")[0].splitlines()

    assert [line.split(" | ")[1] for line in table[2:]] == [market.name for market in MARKETS]
    assert all(line.count("|") == HEAD.count("|") for line in table)


def test_the_same_seed_waits_as_long_again_and_another_does_not() -> None:
    first = ColdStart(THIN, Policy(), seed=1).run()

    assert ColdStart(THIN, Policy(), seed=1).run() == first
    assert ColdStart(THIN, Policy(), seed=2).run() != first


def test_the_last_ten_arrivals_are_part_of_the_twenty() -> None:
    whole, last = ColdStart(THIN, Policy("fill_hungry"), seed=1).run()

    assert 0.0 < last < whole < HORIZON_S


def test_a_market_without_takers_is_waited_for_until_the_horizon() -> None:
    silent = structs.replace(THIN, arrival=1e-9)

    assert ColdStart(silent, Policy("fill_hungry"), seed=1).run() == (HORIZON_S, 0.0)


@pytest.mark.parametrize("policy", [Policy("fill_hungry"), Policy("fill_hungry", window_h=24.0)])
def test_hunger_is_filled_sooner(policy: Policy) -> None:
    hungry = [ColdStart(THIN, policy, seed).run()[0] for seed in range(16)]

    assert sum(hungry) < 0.8 * sum(ColdStart(THIN, Policy(), seed).run()[0] for seed in range(16))


def test_a_row_is_a_line_of_the_table() -> None:
    made = row(structs.replace(THIN, arrival=0.5), seeds=2)

    assert made.count("|") == HEAD.count("|")
    moved, name, hours, late, *shares, progress = made.strip("| ").split(" | ")
    assert (moved, name, late) == ("1", "0.25, 0.5, 2.5", "0%")
    assert 0.0 < float(hours) < 0.5
    assert [bool(re.fullmatch(r"\d\.\d\d ± \d\.\d\d", each)) for each in shares] == [True] * 4
    assert 0.25 < float(progress) < 1.0
