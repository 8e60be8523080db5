"""Two budgets of the venue: cumulative actions of an address, request weight of an IP."""

from collections.abc import Callable

from mm.model.events import ActionBudget
from mm.model.units import NS_PER_S, Ns


class AddressBudget:
    """Actions sent against 10,000 + 1 per USDC traded; the venue's own count overrides ours.

    We only count: past the cap the venue still takes cancels (up to twice as many), and the core
    decides how fast to quote.
    """

    __slots__ = ("_told", "cap", "used")

    def __init__(self) -> None:
        self.used = 0
        self.cap = 10_000
        self._told: tuple[int, int] | None = None

    def spend(self, items: int) -> None:
        """A batch of n items counts n, failed ones included."""
        self.used += items

    def sync(self, used: int, cap: int) -> None:
        self.used, self.cap = used, cap

    def news(self, ts: Ns) -> ActionBudget | None:
        """An event if anything changed since the last."""
        if self._told == (self.used, self.cap):
            return None
        self._told = (self.used, self.cap)
        return ActionBudget(ts=ts, used=self.used, cap=self.cap)


class WeightMeter:
    """REST weight spent in the present minute. It only counts: callers decide what may wait."""

    __slots__ = ("_minute", "_now", "_spent", "limit")

    def __init__(self, now: Callable[[], Ns], limit: int = 1200) -> None:
        self._now = now
        self.limit = limit
        self._minute = 0
        self._spent = 0

    def spend(self, weight: int) -> None:
        self._roll()
        self._spent += weight

    @property
    def spare(self) -> int:
        """What is left of this minute's limit."""
        self._roll()
        return max(0, self.limit - self._spent)

    def _roll(self) -> None:
        minute = self._now() // (60 * NS_PER_S)
        if minute != self._minute:
            self._minute, self._spent = minute, 0
