"""Promises that cannot be broken promise nothing: some daemons broken on purpose, each noticed."""

import pytest

from tests.system.mutants import MUTANTS, caught

NOTICED = {
    "forgets_a_fill": (1, "position"),
    "stops_without_cancelling": (26, "rest after an orderly end"),
    "leaves_its_orders_when_the_link_goes": (9, "rest on a feed"),
    "never_moves_an_order": (26, "is wanted"),
    "never_asks_after_doubtful_orders": (45, "doubts"),
}
"""By name: the seed that notices, and words of what it says."""


@pytest.mark.parametrize("name", NOTICED)
def test_a_broken_daemon_is_noticed(name: str) -> None:
    seed, words = NOTICED[name]
    found = caught(name, [seed])
    assert found is not None
    assert words in found[1]


def test_each_mutant_breaks_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patches name attributes that exist: a renamed one is noticed here."""
    for break_it in MUTANTS.values():
        break_it(monkeypatch)
