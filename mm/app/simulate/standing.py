"""Quotes that stand too long: on a silent feed, or where the present quote would not be."""

from typing import Final

from mm.app.simulate.at_rest import BrokenPromiseError
from mm.app.simulate.world import World
from mm.core.engine import Engine
from mm.core.orders import OrderState
from mm.model.exchange import OrderRow
from mm.model.quote import Level
from mm.model.units import BPS, NS_PER_S, SIDES, Side

FEED_S: Final = 1.0
"""On top of the feed's threshold."""
ASTRAY_S: Final = 8.0
SLACK_BPS: Final = 2.0
"""Beyond the hysteresis that the quotes have."""
TURN_S: Final = 2.0
"""A turn of the quote timer, and the way there."""
CHANGE_S: Final = 9.0
"""A request's expiry, the question what became of it, and the next turn of the quote timer."""
DOUBT_S: Final = 5.0
"""By then what was lost has been annulled, or found, without waiting until it has expired."""


class Standing:
    """Looks at what rests of one coin after another; knows what was being changed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._busy: dict[str, float] = {}
        """When a request of each order was last under way."""
        self._astray: dict[tuple[str, Side], float] = {}
        self._doubtful: dict[str, dict[str, float]] = {}
        """By coin: since when each order is in doubt though the link is up."""

    def look(self, coin: str, engine: Engine, rows: list[OrderRow], reachable: bool) -> None:
        """`rows`: those of this coin. `reachable`: may the venue be asked for anything?"""
        still = [row for row in rows if self._is_still(engine, row)]
        settled = [row for row in still if not self._was_changing(engine, row)]
        self._fresh(coin, engine, settled, reachable)
        venue = self.world.venue
        state = engine.state
        waits = state.kill.halted or state.recourse.waiting(self.world.maker.clock.now())
        heard = reachable and not (venue.throttled or venue.spent)
        maker = self.world.maker
        rich = maker.venue is not None and maker.venue.meter.may_poll  # else doubts may wait
        self._undoubted(coin, engine, heard and rich and maker.losses.linked_at is not None)
        able = heard and not waits
        for side in SIDES:
            where = _astray(engine, side, [row for row in still if row.side is side])
            if not (able and where):
                self._astray.pop((coin, side), None)
            elif self.world.now - self._astray.setdefault((coin, side), self.world.now) > ASTRAY_S:
                raise BrokenPromiseError(f"{coin} {side.label} for {ASTRAY_S:g} s {where}")

    def _fresh(self, coin: str, engine: Engine, settled: list[OrderRow], reachable: bool) -> None:
        """No quote on a feed that has been silent for longer than its threshold and a second."""
        last = self.world.maker.fed.get(coin, 0)
        age_s = (self.world.maker.clock.now() - last) / NS_PER_S
        plan = self.world.plan
        grace_s = engine.settings.risk.max_book_age_s + FEED_S
        grace_s += 4 * sum(plan.latency_s) + 8 * plan.jitter_s + 0.5
        if settled and reachable and last and age_s > grace_s:
            text = f"{len(settled)} orders rest on a feed that is {age_s:.1f} s old"
            raise BrokenPromiseError(text)

    def _undoubted(self, coin: str, engine: Engine, able: bool) -> None:
        """No order stays in doubt, and its side waits, while the venue can be asked."""
        plan, now = self.world.plan, self.world.now
        most_s = DOUBT_S + 8 * (sum(plan.latency_s) + 2 * plan.jitter_s)
        orders = engine.state.orders if able else ()
        doubtful = {one.cloid for one in orders if one.state is OrderState.UNKNOWN}
        known = self._doubtful.get(coin, {})
        self._doubtful[coin] = {cloid: known.get(cloid, now) for cloid in doubtful}
        for cloid, since in self._doubtful[coin].items():
            if now - since > most_s:
                raise BrokenPromiseError(f"{coin} {cloid} is in doubt for {most_s:.1f} s")

    def _was_changing(self, engine: Engine, row: OrderRow) -> bool:
        """Of one that is still. A request of ours was under way when the wire went: its outcome
        takes a timeout, and what that asks for the next turn of the quote timer."""
        order = engine.state.orders.get(row.cloid)
        if order is None:
            return True
        return (self.world.maker.clock.now() - order.sent_ts) / NS_PER_S < CHANGE_S

    def _is_still(self, engine: Engine, row: OrderRow) -> bool:
        """Has no request about it been under way for a turn of the quote timer?"""
        order, cloid = engine.state.orders.get(row.cloid), row.cloid or ""
        if order is None or order.busy:
            self._busy[cloid] = self.world.now
        return self.world.now - self._busy.get(cloid, 0.0) >= TURN_S


def _astray(engine: Engine, side: Side, settled: list[OrderRow]) -> str:
    """Where an order stands that no quote wants, or ""."""
    levels = engine.quoting.ladder.levels(side)
    for row in settled:
        order = engine.state.orders.get(row.cloid)
        if not levels:
            return f"at {row.price} on a side that is blocked"
        if order is not None and order.level == 1 and _is_off(engine, side, row, levels[0]):
            return f"at {row.price} where {levels[0].price} is wanted"
    return ""


def _is_off(engine: Engine, side: Side, row: OrderRow, wanted: Level) -> bool:
    """Beyond the hysteresis: closer to the market, or, where actions may be spent, further away."""
    band = engine.quoting.tolerance.near
    inward_bps = band.inward_bid_bps if side is Side.BID else band.inward_ask_bps
    closer_bps = float(side * (row.price - wanted.price) / wanted.price) * BPS
    too_far = _may_follow(engine) and -closer_bps > band.outward_bps + SLACK_BPS
    return too_far or closer_bps > inward_bps + SLACK_BPS


def _may_follow(engine: Engine) -> bool:
    """Has it an action to spare, as far as it was told? What a spent address is granted is one
    for each coin in turn, and goes to sides that have no order."""
    budget = engine.state.budget
    is_spent = budget is not None and budget.used >= budget.cap
    return not is_spent and engine.quoting._ration._credit >= 1.0
