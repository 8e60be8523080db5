"""What must hold: after each turn, five times a second, and when everything has come to rest."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from mm.app.simulate.world import USER, World
from mm.core.engine import Engine
from mm.model.actions import Action, Modify, Place, Step
from mm.model.events import Event, Start
from mm.model.exchange import OrderRow
from mm.model.units import NS_PER_S, Side

DRIFT: Final = 1.02
"""Price drift since an order was approved may carry its worst case over the limit by this much."""
NEAR: Final = 1.1
"""No order of ours lies further from the market's mid than this factor."""
UNTRACKED_S: Final = 45.0
"""By then two audits have found an order that we did not know of."""
FEED_S: Final = 6.0
"""The feed's threshold and a second on top."""
CHANGE_S: Final = 9.0
"""A request's expiry, the question what became of it, and the next turn of the quote timer."""
DEAD_MAN_S: Final = 62.0
HALT_S: Final = 10.0
UNEXPLAINED_S: Final = 5.0
MAX_TASKS: Final = 60
MAX_BUFFER: Final = 5_000
ZERO: Final = Decimal(0)


class BrokenPromiseError(AssertionError):
    """A promise that was broken; the text says which and how."""


class Invariants:
    """`turn` after each turn of the engine, `look` from outside, `at_rest` and `ended` at the end.

    Only what can be helped counts: while wire, venue or process are out of order, the clocks of
    those promises that need them stand.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.turns = 0
        self._untracked: dict[int, float] = {}
        self._unexplained: dict[Side, float] = {}
        self._halted_since: float | None = None
        self._dark_since: float | None = None
        self.excused_until = 0.0
        """Until then the venue could not be reached: promises that need it wait."""

    # -- after each turn ------------------------------------------------------------------------

    def turn(self, engine: Engine, event: Event, step: Step) -> None:
        self.turns += 1
        state = engine.state
        if state.kill.halted:
            for action in step.actions:
                if isinstance(action, Place | Modify) and not getattr(action, "flatten", False):
                    raise BrokenPromiseError(f"{action} while halted: {state.kill.halted}")
        self._no_cross(engine, step.actions)
        if not isinstance(event, Start):
            self._explained(engine)
        if len(state.orders) > MAX_TASKS:
            raise BrokenPromiseError(f"{len(state.orders)} orders are tracked")

    def _no_cross(self, engine: Engine, actions: tuple[Action, ...]) -> None:
        if not any(isinstance(action, Place | Modify) for action in actions):
            return
        best: dict[Side, Decimal] = {}
        for order in engine.state.orders:
            if not (order.ended or order.flatten):
                prices = [order.price] if order.live or order.oid is None else []
                prices += [order.replacement.price] if order.replacement else []
                for price in prices:
                    side = order.side
                    best[side] = max(best.get(side, price), price, key=lambda p: side * p)
        if len(best) == 2 and best[Side.BID] >= best[Side.ASK]:
            raise BrokenPromiseError(f"own bid {best[Side.BID]} meets own ask {best[Side.ASK]}")

    def _explained(self, engine: Engine) -> None:
        """A side without any order says why."""
        state, now = engine.state, self.world.now
        for side in Side:
            standing = any(not order.ended for order in state.orders.side(side))
            if standing or state.presence.reason[side]:
                self._unexplained.pop(side, None)
            elif now - self._unexplained.setdefault(side, now) > UNEXPLAINED_S:
                raise BrokenPromiseError(f"no {side.label} for {UNEXPLAINED_S:g} s, and no reason")

    # -- from outside ---------------------------------------------------------------------------

    def look(self) -> None:
        """Five times a second: what rests at the venue against what we promise."""
        venue, maker = self.world.venue, self.world.maker
        rows = venue.orders()
        self._exposure(rows)
        self._crossed(rows)
        self._while_dark(rows)
        engine = maker.engine
        if engine is None or not maker.running or maker.host is None or maker.host.frozen:
            self._halted_since = None
            self._untracked.clear()
            return
        reachable = self.world.now > self.excused_until
        self._tracked(rows, engine, reachable)
        self._halted(rows, engine, reachable)
        self._fresh(rows, reachable)
        self._bounded()

    def _exposure(self, rows: list[OrderRow]) -> None:
        """Position and all resting orders of a side never exceed the limit."""
        if not rows:
            return
        venue, limit = self.world.venue, self._limit_usd()
        position, near = venue.position(), max(row.price for row in rows)
        for side in Side:
            resting = sum((r.remaining for r in rows if r.side is side), ZERO)
            worst = side * position + resting
            if not resting or worst <= 0 or float(worst * near) * NEAR < limit:
                continue  # without the price, which costs a look at the whole book
            mid = venue.exchange.context(venue.coin).mid
            if mid is not None and float(worst) * float(mid) > limit * DRIFT:
                raise BrokenPromiseError(f"{side.label} worst case {worst} above {limit:.0f} USD")

    def _limit_usd(self) -> float:
        (found,) = [s for s in self.world.plan.settings if s.startswith("risk.max_position_usd=")]
        return float(found.partition("=")[2])

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

    def _tracked(self, rows: list[OrderRow], engine: Engine, reachable: bool) -> None:
        now = self.world.now
        resting = {row.oid: row.cloid for row in rows}
        for oid in [oid for oid in self._untracked if oid not in resting]:
            del self._untracked[oid]
        for oid, cloid in resting.items():
            if not reachable or engine.state.orders.get(cloid) is not None:
                self._untracked.pop(oid, None)
            elif now - self._untracked.setdefault(oid, now) > UNTRACKED_S:
                raise BrokenPromiseError(
                    f"order {oid} {cloid} rests untracked for {UNTRACKED_S:g} s"
                )

    def _halted(self, rows: list[OrderRow], engine: Engine, reachable: bool) -> None:
        now = self.world.now
        if not (engine.state.kill.halted and reachable):
            self._halted_since = None
            return
        if self._halted_since is None:
            self._halted_since = now
        if rows and now - self._halted_since > HALT_S:
            raise BrokenPromiseError(f"{len(rows)} orders rest {HALT_S:g} s after a halt")

    def _fresh(self, rows: list[OrderRow], reachable: bool) -> None:
        """No quote on a feed that has been silent for longer than its threshold and a second."""
        venue = self.world.maker.venue
        if venue is None:
            return
        heard = venue.health.last_frame
        last = max(heard.get("book", 0), heard.get("bbo", 0))
        age_s = (self.world.maker.clock.now() - last) / NS_PER_S
        grace_s = FEED_S + 4 * sum(self.world.plan.latency_s) + 8 * self.world.plan.jitter_s + 0.5
        settled = [row for row in rows if not self._was_changing(row)]
        if not (settled and reachable and last and age_s > grace_s):
            return
        raise BrokenPromiseError(f"{len(rows)} orders rest on a feed that is {age_s:.1f} s old")

    def _was_changing(self, row: OrderRow) -> bool:
        """A request of ours was under way when the wire went: its outcome takes a timeout."""
        engine = self.world.maker.engine
        order = None if engine is None else engine.state.orders.get(row.cloid)
        if order is None:
            return True
        since_s = (self.world.maker.clock.now() - order.sent_ts) / NS_PER_S
        return order.busy or since_s < CHANGE_S

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

    # -- at rest --------------------------------------------------------------------------------

    def disagreement(self) -> str:
        """Where daemon and venue differ now, "" where they agree in everything."""
        engine, venue = self.world.maker.engine, self.world.maker.venue
        if engine is None or venue is None or not self.world.maker.running:
            return "no daemon"
        state = engine.state
        if not state.link_up:
            return "the link is down"
        resting = {(r.cloid, r.oid, r.price, r.remaining) for r in self.world.venue.orders()}
        ours = {(o.cloid, o.oid, o.price, o.remaining) for o in state.orders if not o.ended}
        if resting != ours:
            return f"orders: venue {resting - ours}, ours {ours - resting}"
        if state.pnl.position != self.world.venue.position():
            return f"position {state.pnl.position}, venue {self.world.venue.position()}"
        if venue.own.doubts or venue.own.any_in_flight:
            return f"doubts {venue.own.doubts}"
        adapter = {cloid: one.oid for cloid, one in venue.own.open.items()}
        if adapter != {row.cloid: row.oid for row in self.world.venue.orders()}:
            return f"the adapter believes {adapter}"
        return ""

    def quoting(self) -> str:
        """Why not both sides are quoted, "" where they are."""
        engine = self.world.maker.engine
        if engine is None:
            return "no daemon"
        state = engine.state
        reasons = [f"{s.label}: {r}" for s, r in state.presence.reason.items() if r]
        return state.kill.halted or "; ".join(reasons)

    def ended(self) -> None:
        """After an orderly end: nothing rests, and the ledger is the venue's to the last digit."""
        world = self.world
        if rows := world.venue.orders():
            raise BrokenPromiseError(f"{len(rows)} orders rest after an orderly end")
        code, said = world.maker.exits[-1]
        if code != 0:
            raise BrokenPromiseError(f"an orderly end exits {code}: {said}")
        host = world.maker.host
        if host is not None and (left := host.tasks()):
            raise BrokenPromiseError(f"tasks leak: {[task.title for task in left]}")
        if host is not None and (open_ends := world.loop.network.of(host)):
            raise BrokenPromiseError(f"{len(open_ends)} sockets leak")
        self._fills()
        self._money()

    def _fills(self) -> None:
        """Each fill of the venue once, and no other."""
        world = self.world
        told = world.disk.read("SELECT trade_id, venue_ms, side, price, size, fee FROM fills")
        ours = sorted((t, ms, s, Decimal(p), Decimal(z), Decimal(f)) for t, ms, s, p, z, f in told)
        theirs = sorted(
            (f.trade.trade_id, f.trade.time_ms, int(f.side), f.trade.price, f.trade.size, f.fee)
            for f in world.venue.exchange.fills(USER)
        )
        if ours != theirs:
            missing = [one for one in theirs if one not in ours]
            extra = [one for one in ours if one not in theirs]
            raise BrokenPromiseError(f"fills: the ledger lacks {missing}, has besides {extra}")

    def _money(self) -> None:
        world = self.world
        rows = world.disk.read("SELECT side, price, size, fee FROM fills")
        paid = world.disk.read("SELECT amount FROM funding")
        position = sum((s * Decimal(z) for s, _, z, _ in rows), ZERO)
        cash = sum((-s * Decimal(z) * Decimal(p) - Decimal(f) for s, p, z, f in rows), ZERO)
        cash += sum((Decimal(amount) for (amount,) in paid), ZERO)
        if position != world.venue.position():
            raise BrokenPromiseError(f"ledger position {position}, venue {world.venue.position()}")
        truth = world.venue.cash_flow(world.deposited)
        if cash != truth:
            raise BrokenPromiseError(f"ledger cash {cash}, venue {truth}")
        if world.maker.engine is not None:
            pnl = world.maker.engine.state.pnl
            if (pnl.position, pnl.cash) != (position, cash):
                raise BrokenPromiseError(
                    f"engine {pnl.position} {pnl.cash}, ledger {position} {cash}"
                )


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
