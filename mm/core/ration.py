"""What is still asked of the venue once the address's action budget is spent."""

from collections.abc import Sequence
from typing import Final

from mm.model.actions import Action, Modify, Place
from mm.model.events import ActionBudget
from mm.model.units import NS_PER_S, Ns

GRANT_NS: Final[Ns] = 21 * NS_PER_S // 2
"""The venue takes one action in 10 s from such an address; half a second is for the way there."""


class Ration:
    """Remembers when the last batch went out on a spent budget."""

    def __init__(self) -> None:
        self._ts: Ns | None = None

    def of(self, actions: Sequence[Action], budget: ActionBudget | None, ts: Ns) -> list[Action]:
        """All of them while there is a budget; then cancels, which have one of their own, and one
        batch in so long for each instrument that shares it. Orders that are missing come before
        changes: a side without an order earns nothing, and earning is the way out."""
        if budget is None or budget.used < budget.cap:
            return list(actions)
        taken: list[Action] = [one for one in actions if not isinstance(one, Place | Modify)]
        if self._ts is not None and ts - self._ts < GRANT_NS * budget.sharers:
            return taken
        places = [one for one in actions if isinstance(one, Place)]
        batch: Sequence[Action] = places or [one for one in actions if isinstance(one, Modify)]
        if batch:
            self._ts = ts
        return [*taken, *batch]
