"""Promises that cannot be broken promise nothing: some daemons broken on purpose, each noticed."""

import pytest

from mm.app.simulate.plan import draw
from tests.system.mutants import MUTANTS, caught

NOTICED = {
    "forgets_a_fill": ("drop_clean", "position"),
    "stops_without_cancelling": ("pause", "rest after an orderly end"),
    "leaves_its_orders_when_the_link_goes": ("refuse", "rest on a feed"),
    "never_moves_an_order": ("deposit", "is wanted"),
    "never_asks_after_doubtful_orders": ("lost_replies", "doubts"),
}
"""By name: the faults that bring it out, and words of the promise that it breaks."""
TRIES = range(1, 9)


@pytest.mark.parametrize("name", NOTICED)
def test_a_broken_daemon_is_noticed(name: str) -> None:
    fault, words = NOTICED[name]
    found = caught(name, (draw(seed, (fault,), 60.0, 8) for seed in TRIES))
    assert found is not None
    assert words in found[1]


def test_each_mutant_breaks_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patches name attributes that exist: a renamed one is noticed here."""
    for break_it in MUTANTS.values():
        break_it(monkeypatch)
