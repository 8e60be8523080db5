"""What must hold when everything has come to rest, and after an orderly end."""

from decimal import Decimal
from typing import Final

from mm.app.simulate.full import is_full
from mm.app.simulate.venue_side import USER
from mm.app.simulate.world import World
from mm.model.units import SIDES, Side

ZERO: Final = Decimal(0)
EQUITY: Final = 0.025
"""A jump of less than 2 % is not told from profit; and prices differ a little."""

QUICK_S: Final = 0.03
"""A round trip: on a slow wire the last half second of a daemon may end before it has cleared the
switch, which then does nothing but cancel what was placed within a minute."""


class BrokenPromiseError(AssertionError):
    """A promise that was broken; the text says which and how."""


class AtRest:
    """Daemon, venue and ledger compared, to the last digit."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._quoted: set[tuple[str, Side]] = set()
        """Coins and sides that were quoted since we began to wait for them."""
        self._missing: set[tuple[str, Side]] = set()
        """Those that were not, when last looked at."""

    def disagreement(self) -> str:
        """Where daemon and venue differ now, "" where they agree in everything."""
        engines, venue = self.world.maker.engines, self.world.maker.venue
        if not engines or venue is None or not self.world.maker.running:
            return "no daemon"
        states = {coin: engine.state for coin, engine in engines.items()}
        if not all(state.link_up for state in states.values()):
            return "the link is down"
        rows = self.world.venue.orders()
        resting = {(r.cloid, r.oid, r.price, r.remaining) for r in rows}
        tracked = [o for state in states.values() for o in state.orders if not o.ended]
        ours = {(o.cloid, o.oid, o.price, o.remaining) for o in tracked}
        if resting != ours:
            return f"orders: venue {resting - ours}, ours {ours - resting}"
        held = {coin: state.pnl.position for coin, state in states.items()}
        if held != self.world.venue.positions():
            return f"position {held}, venue {self.world.venue.positions()}"
        cash = sum((state.pnl.cash for state in states.values()), ZERO)
        truth = self.world.venue.cash_flow(self.world.deposited)
        if cash != truth:
            return f"cash {cash}, venue {truth}"
        if venue.own.doubts or venue.own.any_in_flight:
            return f"doubts {venue.own.doubts}"
        adapter = {cloid: one.oid for cloid, one in venue.own.open.items()}
        if adapter != {row.cloid: row.oid for row in rows}:
            return f"the adapter believes {adapter}"
        return self._equity()

    def _equity(self) -> str:
        """What loss is measured on: a deposit or a withdrawal is known after two audits."""
        truth = float(self.world.venue.equity)
        for coin, engine in self.world.maker.engines.items():
            ours = float(engine.state.equity or 0)
            if abs(ours - truth) > EQUITY * truth:
                return f"equity of {coin} {ours:.0f} USD, venue {truth:.0f} USD"
        return ""

    def expect_quotes(self) -> None:
        """From now on: both sides of every coin."""
        self._quoted.clear()

    def unquoted(self) -> str:
        """Why not both sides of every coin have been quoted since, at the venue; "": they have.

        Not all at one moment: under limits that leave each coin a lot, or may bind again soon, one
        is always being moved or has just been filled.
        """
        resting = {(row.coin, row.side) for row in self.world.venue.orders()}
        reasons = []
        self._missing = set()
        for coin, engine in self.world.maker.engines.items():
            state = engine.state
            blocked = state.presence.reason
            if not state.kill.halted:
                free = {(coin, side) for side in SIDES if not blocked.get(side)}
                self._quoted |= free & resting
            missing = [side for side in SIDES if (coin, side) not in self._quoted]
            self._missing |= {(coin, side) for side in missing}
            if missing and state.kill.halted:
                reasons.append(f"{coin}: {state.kill.halted}")
            reasons += [f"{coin} {s.label}: {blocked.get(s) or 'does not rest'}" for s in missing]
        return "; ".join(reasons) if self.world.maker.engines else "no daemon"

    def full(self) -> bool:
        """Has all that was found unquoted a position that leaves it no order under the portfolio's
        limit?

        A limit of a lot for each coin (3,000 USD for three) is used up by one fill, and the other
        side of that coin is then quoted until somebody trades with it. When, the market decides;
        a limit on the coin itself the quoting model knows, and keeps away from.
        """
        return bool(self._missing) and all(is_full(self.world, *one) for one in self._missing)

    def ended(self) -> None:
        """After an orderly end: nothing rests, no switch is set that would cancel what others place
        later, and the ledger is the venue's to the last digit."""
        world = self.world
        if rows := world.venue.orders():
            raise BrokenPromiseError(f"{len(rows)} orders rest after an orderly end")
        if world.venue.armed and sum(world.plan.latency_s) < QUICK_S:
            raise BrokenPromiseError("the dead-man switch is set after an orderly end")
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
        told = world.disk.read(
            "SELECT instrument, trade_id, venue_ms, side, price, size, fee FROM fills"
        )
        ours = sorted((c, t, ms, s, *map(Decimal, (p, z, f))) for c, t, ms, s, p, z, f in told)
        theirs = sorted(
            (t.coin, t.trade_id, t.time_ms, int(f.side), t.price, t.size, f.fee)
            for f in world.venue.exchange.fills(USER)
            for t in (f.trade,)
        )
        if ours != theirs:
            missing = [one for one in theirs if one not in ours]
            extra = [one for one in ours if one not in theirs]
            raise BrokenPromiseError(f"fills: the ledger lacks {missing}, has besides {extra}")

    def _money(self) -> None:
        world = self.world
        rows = world.disk.read("SELECT instrument, side, price, size, fee FROM fills")
        paid = world.disk.read("SELECT amount FROM funding")
        held = dict.fromkeys(world.plan.coins, ZERO)
        for coin, side, _, size, _ in rows:
            held[coin] += side * Decimal(size)
        cash = sum((-s * Decimal(z) * Decimal(p) - Decimal(f) for _, s, p, z, f in rows), ZERO)
        cash += sum((Decimal(amount) for (amount,) in paid), ZERO)
        if held != world.venue.positions():
            raise BrokenPromiseError(f"ledger position {held}, venue {world.venue.positions()}")
        truth = world.venue.cash_flow(world.deposited)
        if cash != truth:
            raise BrokenPromiseError(f"ledger cash {cash}, venue {truth}")
        books = {coin: engine.state.pnl for coin, engine in world.maker.engines.items()}
        believed = {coin: pnl.position for coin, pnl in books.items()}
        total = sum((pnl.cash for pnl in books.values()), ZERO)
        if books and (believed, total) != (held, cash):
            raise BrokenPromiseError(f"engines {believed} {total}, ledger {held} {cash}")
