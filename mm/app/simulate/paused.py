"""While it is paused no order of ours could make the position larger, or turn it over."""

from decimal import Decimal
from typing import Final

from mm.app.simulate.at_rest import BrokenPromiseError
from mm.core.engine import Engine
from mm.model.exchange import OrderRow

PAUSED_S: Final = 8.0
"""By then what rested before is cancelled, or made smaller."""


class Paused:
    """Looks at one coin after another."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def look(
        self, coin: str, engine: Engine, rows: list[OrderRow], held: Decimal, now: float | None
    ) -> None:
        """`rows`, `held`: of this coin at the venue. `now`: None while it cannot be reached."""
        adds = any(row.side * held >= 0 for row in rows)
        turns = sum(row.remaining for row in rows) > abs(held)
        if now is None or not engine.state.kill.paused or not (adds or turns):
            self._since.pop(coin, None)
        elif now - self._since.setdefault(coin, now) > PAUSED_S:
            raise BrokenPromiseError(f"{coin}: paused for {PAUSED_S:g} s at {held}, with {rows}")
