"""A spent action budget: cancels always, and one batch in ten seconds, missing orders first."""

from decimal import Decimal

import pytest

from mm.core.ration import GRANT_NS, Ration
from mm.model.actions import Action, Cancel, Modify, Place
from mm.model.events import ActionBudget
from mm.model.units import Side

ONE = Decimal(1)
CANCEL = Cancel("a")
MODIFY = Modify("b", 1, Side.BID, 1, ONE, ONE)
PLACES = [Place("c", Side.BID, 1, ONE, ONE), Place("d", Side.ASK, 1, ONE, ONE)]
ALL: list[Action] = [CANCEL, MODIFY, *PLACES]
SPENT = ActionBudget(0, 10_000, 10_000)


@pytest.mark.parametrize("budget", [None, ActionBudget(0, 9_999, 10_000)])
def test_nothing_is_held_back_while_there_is_a_budget(budget: ActionBudget | None) -> None:
    ration = Ration()
    assert [ration.of(ALL, budget, ts) for ts in (1, 2)] == [ALL, ALL]


def test_then_cancels_pass_and_missing_orders_go_before_changes() -> None:
    ration = Ration()
    assert ration.of(ALL, SPENT, 1) == [CANCEL, *PLACES]
    assert ration.of(ALL, SPENT, GRANT_NS) == [CANCEL]
    assert ration.of([CANCEL, MODIFY], SPENT, 1 + GRANT_NS) == [CANCEL, MODIFY]
    assert ration.of([MODIFY], SPENT, 2 + GRANT_NS) == []


def test_an_empty_decision_does_not_use_the_grant() -> None:
    ration = Ration()
    assert ration.of([], SPENT, 1) == []
    assert ration.of([MODIFY], SPENT, 2) == [MODIFY]


def test_the_grant_is_shared_by_all_instruments() -> None:
    ration, shared = Ration(), ActionBudget(0, 10_000, 10_000, sharers=3)
    assert ration.of([MODIFY], shared, 1) == [MODIFY]
    assert ration.of([MODIFY], shared, 1 + 2 * GRANT_NS) == []
    assert ration.of([MODIFY], shared, 1 + 3 * GRANT_NS) == [MODIFY]
