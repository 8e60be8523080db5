"""How long a side had nothing resting at the exchange, to the millisecond, and what for."""

from collections import defaultdict
from collections.abc import Collection

from mm.core.engine import Engine
from mm.core.ration import SPENT
from mm.model.units import SIDES, Ns, Side, seconds

UNHEARD = "its end not heard of"
NEXT_TURN = "its next turn not come"
ON_ITS_WAY = "order on its way"
FEWER = "gone, and fewer levels than set"
"""Any of these while the action budget allows fewer levels: one more might have been left."""
BY_BUDGET = (SPENT, FEWER)


class Absence:
    """Looks after each turn and each step of the exchange, and charges the time in between.

    The engine's own reason (not wanted, refused by a limit, the action budget spent) goes before
    those that each end of a side's last order brings.
    """

    def __init__(self, engine: Engine, since: Ns) -> None:
        self.by_reason_s: defaultdict[str, float] = defaultdict(float)
        """Of both sides, by reason."""
        self.two_sided_s = 0.0
        self.whole_s = 0.0
        self._engine = engine
        self._last = since
        self._reasons: list[str] = []

    @property
    def two_sided(self) -> float:
        return self.two_sided_s / self.whole_s

    @property
    def by_budget(self) -> float:
        """Share of one side's time."""
        return sum(self.by_reason_s.get(reason, 0.0) for reason in BY_BUDGET) / (2.0 * self.whole_s)

    def look(self, ts: Ns, resting: Collection[Side]) -> None:
        """At `ts` the exchange holds orders of these sides."""
        if ts > self._last:
            elapsed, self._last = seconds(ts - self._last), ts
            self.whole_s += elapsed
            self.two_sided_s += 0.0 if self._reasons else elapsed
            for reason in self._reasons:
                self.by_reason_s[reason] += elapsed
        self._reasons = [self._reason(side) for side in SIDES if side not in resting]

    def _reason(self, side: Side) -> str:
        if own := self._engine.state.presence.reason[side]:
            return own.partition(":")[0]
        if self._engine.quoting.pace.levels < self._engine.settings.strategy.levels:
            return FEWER
        standing = [order for order in self._engine.state.orders.side(side) if not order.ended]
        if any(order.live for order in standing):
            return UNHEARD
        return ON_ITS_WAY if standing else NEXT_TURN

    def __str__(self) -> str:
        """Each reason's share of one side's time, the largest first."""
        shares = sorted(self.by_reason_s.items(), key=lambda row: -row[1])
        return ", ".join(f"{why} {s / (2.0 * self.whole_s):.3%}" for why, s in shares) or "never"
