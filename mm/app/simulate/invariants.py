"""What must hold five times a second: what rests at the venue against what we promise."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from mm.app.simulate.at_rest import BrokenPromiseError
from mm.app.simulate.paused import Paused
from mm.app.simulate.standing import Standing
from mm.app.simulate.venue_side import USER
from mm.app.simulate.world import World
from mm.core.engine import Engine
from mm.core.guard import judge
from mm.core.orders import OrderState
from mm.core.ration import GRANT_NS
from mm.core.state import State
from mm.model.exchange import OrderRow
from mm.model.units import SIDES, Side, seconds

DRIFT: Final = 1.02
"""Price drift since an order was approved may carry its worst case over the limit by this much."""
NEAR: Final = 1.1
"""No order of ours lies further from the market's mid than this factor."""
UNTRACKED_S: Final = 45.0
"""By then two audits have found an order that we did not know of."""
TRACKED_S: Final = 2.0
"""An order of the present life: the venue has said so, and what it said is on its way."""
DEAD_MAN_S: Final = 62.0
ARMED_S: Final = 25.0
"""The switch is pushed back every 20 s."""
HALT_S: Final = 10.0
GONE_S: Final = 45.0
"""By then two audits have missed an order that we believe in."""
LEAVE_S: Final = 20.0
"""An order that reduces the position stands by then, wherever one may: a venue that has just said
"later" is asked again after 16 s at most."""
MINUTE_S: Final = 60.0
"""What a process before it has spent no process can know."""
SUBSCRIBED_S: Final = 10.0
MAX_TASKS: Final = 60
MAX_BUFFER: Final = 5_000
ZERO: Final = Decimal(0)


class Invariants:
    """`look` from outside.

    Only what can be helped counts: while wire, venue or process are out of order, the clocks of
    those promises that need them stand.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._untracked: dict[int, float] = {}
        self._gone: dict[str, float] = {}
        self._standing = Standing(world)
        self._paused = Paused()
        self._stuck: dict[str, float] = {}
        self._halts: dict[str, str] = {}
        self._halted_since: float | None = None
        self._dark_since: float | None = None
        self._unserved_since: float | None = None
        self._unarmed_since: float | None = None
        self.excused_until = 0.0
        """Until then the venue could not be reached: promises that need it wait."""
        self._limit_usd = world.plan.number("risk.max_position_usd")
        self._gross_usd = world.plan.number("portfolio.max_gross_usd")

    def look(self) -> None:
        venue, maker = self.world.venue, self.world.maker
        rows = venue.orders()
        self._exposure(rows)
        for coin in self.world.plan.coins:
            self._crossed([row for row in rows if row.coin == coin])
        self._while_dark(rows)
        engines = maker.engines
        if not engines or not maker.running or maker.host is None or maker.host.frozen:
            self._halted_since = None
            for clock in (self._untracked, self._gone, self._stuck):
                clock.clear()
            return
        reachable = self.world.now > self.excused_until
        self._tracked(rows, engines, reachable)
        self._believed(rows, engines, reachable)
        self._halted(rows, engines, reachable)
        for coin, engine in engines.items():
            own = [row for row in rows if row.coin == coin]
            self._standing.look(coin, engine, own, reachable)
            able = reachable and engine.state.link_up and not venue.throttled
            held = venue.exchange.position(USER, coin)
            self._paused.look(coin, engine, own, held, self.world.now if able else None)
            self._may_leave(coin, engine, reachable)
        self._subscribed(reachable)
        self._armed(reachable)
        self._bounded()
        if venue.overdrawn and self.world.now - maker.began_at > MINUTE_S:
            raise BrokenPromiseError("the address has spent its request weight")

    def _exposure(self, rows: list[OrderRow]) -> None:
        """Position and all resting orders of a side never exceed the limit, of one coin or all."""
        held = self.world.venue.positions() if rows or self._gross_usd else {}
        gross = 0.0
        for coin, position in held.items():
            own = [row for row in rows if row.coin == coin]
            gross += max([self._worst_usd(coin, side, position, own) for side in SIDES])
        if self._gross_usd and gross > self._gross_usd * DRIFT:
            raise BrokenPromiseError(f"gross {gross:.0f} USD above {self._gross_usd:.0f}")

    def _worst_usd(self, coin: str, side: Side, position: Decimal, rows: list[OrderRow]) -> float:
        resting = sum((r.remaining for r in rows if r.side is side), ZERO)
        worst = side * position + resting
        if worst <= 0 or not (rows or self._gross_usd):
            return 0.0
        near = float(worst * max((row.price for row in rows), default=ZERO))
        if near * NEAR < self._limit_usd and not self._gross_usd:
            return near  # without the price
        mid = self.world.venue.exchange.mid(coin)
        usd = near if mid is None else float(worst) * float(mid)
        if resting and mid is not None and usd > self._limit_usd * DRIFT:
            text = f"{coin} {side.label} worst case {worst} above {self._limit_usd:.0f} USD"
            raise BrokenPromiseError(text)
        return usd

    @staticmethod
    def _crossed(rows: list[OrderRow]) -> None:
        bids = [row.price for row in rows if row.side is Side.BID]
        asks = [row.price for row in rows if row.side is Side.ASK]
        if bids and asks and max(bids) >= min(asks):
            raise BrokenPromiseError(f"at the venue our bid {max(bids)} meets our ask {min(asks)}")

    def _while_dark(self, rows: list[OrderRow]) -> None:
        """A frozen or dead daemon's orders go by the venue's dead-man switch, if it is armed."""
        maker = self.world.maker
        lit = maker.running and maker.host is not None and not maker.host.frozen
        if lit:
            self._dark_since = None
        elif self._dark_since is None:
            self._dark_since = self.world.now
        armed = maker.venue is not None and maker.venue.dead_man.armed
        dark_s = 0.0 if self._dark_since is None else self.world.now - self._dark_since
        if armed and rows and dark_s > DEAD_MAN_S:
            raise BrokenPromiseError(
                f"{len(rows)} orders rest {DEAD_MAN_S:g} s after we fell silent"
            )

    def _tracked(self, rows: list[OrderRow], engines: dict[str, Engine], reachable: bool) -> None:
        """What this life sent and what rests it never loses sight of, whatever it did not hear;
        what a former life left it finds when the venue can be reached."""
        now, wired = self.world.now, self.world.maker.wired
        traders = wired.traders if wired is not None else ()
        begins = {
            one.coin: f"0x{engines[one.coin].settings.cloid_prefix}{one.run_id}" for one in traders
        }
        resting = {row.oid: row for row in rows}
        for oid in [oid for oid in self._untracked if oid not in resting]:
            del self._untracked[oid]
        for oid, row in resting.items():
            order = engines[row.coin].state.orders.get(row.cloid)
            own = (row.cloid or "").startswith(begins[row.coin])
            known = order is not None and not (own and order.ended)
            within_s = TRACKED_S if own else UNTRACKED_S
            if known or not (own or reachable):
                self._untracked.pop(oid, None)
            elif now - self._untracked.setdefault(oid, now) > within_s:
                text = f"order {oid} {row.cloid} rests untracked for {within_s:g} s"
                raise BrokenPromiseError(text)

    def _believed(self, rows: list[OrderRow], engines: dict[str, Engine], reachable: bool) -> None:
        """No order is believed to rest that does not."""
        resting = {row.cloid for row in rows}
        missing = {
            order.cloid
            for engine in engines.values()
            for order in engine.state.orders
            if order.state is OrderState.OPEN and order.cloid not in resting
        }
        self._gone = {cloid: since for cloid, since in self._gone.items() if cloid in missing}
        if not reachable:
            self._gone.clear()
            return
        for cloid in missing:
            if self.world.now - self._gone.setdefault(cloid, self.world.now) > GONE_S:
                raise BrokenPromiseError(f"{cloid} is believed to rest for {GONE_S:g} s")

    def _halted(self, rows: list[OrderRow], engines: dict[str, Engine], reachable: bool) -> None:
        now = self.world.now
        kills = {coin: engine.state.kill.halted for coin, engine in engines.items()}
        halted = {coin: reason for coin, reason in kills.items() if reason}
        if not (halted and reachable):
            self._halted_since = None
            return
        if self._halted_since is None or halted != self._halts:  # resumed between two looks
            self._halts, self._halted_since = halted, now
        left = [row for row in rows if row.coin in halted]
        if left and now - self._halted_since > HALT_S:
            raise BrokenPromiseError(f"{len(left)} orders rest {HALT_S:g} s after a halt")

    def _may_leave(self, coin: str, engine: Engine, reachable: bool) -> None:
        """In every state but a halt, wherever there is a price and the venue takes requests, the
        position can be reduced."""
        state, now = engine.state, self.world.now
        position, fair = state.pnl.position, state.book.fair
        verdict = judge(state, self.world.maker.clock.now())
        venue = self.world.venue
        able = reachable and not (venue.throttled or venue.spent)
        if not (position and fair and able) or verdict.halt or verdict.no_price:
            self._stuck.pop(coin, None)
            return
        side = Side.ASK if position > 0 else Side.BID
        tiny = abs(position) < state.instrument.min_size(Decimal(repr(fair)))
        if tiny or any(not order.ended for order in state.orders.side(side)):
            self._stuck.pop(coin, None)
        elif now - self._stuck.setdefault(coin, now) > LEAVE_S + _turn_s(state):
            reason = state.presence.reason[side]
            raise BrokenPromiseError(f"{coin} {position} cannot be reduced: {reason!r}")

    def _subscribed(self, reachable: bool) -> None:
        """While the link is up the venue serves all that we need, resubscriptions apart."""
        world = self.world
        wanted, served = world.venue.wanted, world.venue.subscriptions()
        if not reachable or world.maker.losses.linked_at is None or served >= wanted:
            self._unserved_since = None
            return
        self._unserved_since = self._unserved_since or world.now
        if world.now - self._unserved_since > SUBSCRIBED_S:
            text = f"{served} of {wanted} subscriptions for {SUBSCRIBED_S:g} s"
            raise BrokenPromiseError(f"{text} though the link is up")

    def _armed(self, reachable: bool) -> None:
        """While the link is up the venue's dead-man switch is set, where it has one for us and an
        action of ours is taken."""
        world = self.world
        able = reachable and not (world.venue.throttled or world.venue.spent)
        linked = world.maker.losses.linked_at is not None
        if not (able and linked and world.plan.dead_man) or world.venue.armed:
            self._unarmed_since = None
            return
        self._unarmed_since = self._unarmed_since or world.now
        if world.now - self._unarmed_since > ARMED_S:
            raise BrokenPromiseError(f"no dead-man switch is set for {ARMED_S:g} s")

    def _bounded(self) -> None:
        world, maker = self.world, self.world.maker
        if maker.venue is None or maker.host is None:
            return
        for what, size in _buffers(world):
            if size > MAX_BUFFER:
                raise BrokenPromiseError(f"{what} holds {size}")
        if world.loop.now % 5.0 < 0.2 and len(maker.host.tasks()) > MAX_TASKS:
            names = [task.title for task in maker.host.tasks()]
            raise BrokenPromiseError(f"{len(names)} tasks: {names}")


def _turn_s(state: State) -> float:
    """How much longer it may wait for its turn where the address's actions are spent: the venue
    takes one batch in ten seconds, of one coin after another. The daemon asks again how many are
    left with each audit."""
    budget = state.budget
    if budget is None or budget.used < budget.cap:
        return 0.0
    return seconds(GRANT_NS) * budget.sharers


def _buffers(world: World) -> Iterator[tuple[str, int]]:
    venue = world.maker.venue
    if venue is None:
        return
    yield "doubts", len(venue.own.doubts)
    yield "queries", len(venue.own.queries)
    yield "posts", len(venue._sender.posts)
    yield "held frames", len(venue.router._held or ())
    yield "outlet", len(venue.outlet._pending)
    yield "missed callbacks", len(world.loop._ready)  # type: ignore[attr-defined]  # asyncio's own
    if world.disk.writer is not None:
        yield "ledger rows", world.disk.writer.backlog
