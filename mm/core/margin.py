"""What the account's margin bears besides us, and the equity that is there to bear it."""

from decimal import Decimal

from mm.model.beside import NOTHING_BESIDE
from mm.model.events import Account


class Margin:
    """As of the last audit. What others gain or lose is no profit of ours, and is no deposit until
    it stands still: orders must count with it at once.
    """

    def __init__(self) -> None:
        self.beside = NOTHING_BESIDE
        self._base: Decimal | None = None

    def audited(self, event: Account, profit: Decimal | None) -> None:
        """`profit`: that of all our instruments; None: a position has no price yet."""
        self.beside = event.beside
        self._base = None if profit is None else event.equity - profit

    def equity(self, believed: Decimal | None, profit: Decimal) -> Decimal | None:
        """The less of what is believed and what the venue said, moved with our profit since."""
        if believed is None or self._base is None:
            return believed
        return min(believed, self._base + profit)
