"""What must hold after each turn of an engine: of what it does, and of what it says."""

from decimal import Decimal
from typing import Final

from mm.app.simulate.at_rest import BrokenPromiseError
from mm.app.simulate.world import World
from mm.core.engine import Engine
from mm.model.actions import Action, Modify, Place, Step
from mm.model.events import Command, Event, Start, Tick
from mm.model.units import NS_PER_S, SIDES, Side, nanoseconds

UNEXPLAINED_S: Final = 2.5
SLEPT_S: Final = 2.5
"""Between two turns: the process was frozen, for there is a Tick each second."""
TIMER_S: Final = 3.0
"""Three periods of the quote timer."""
AT_WORK: Final = "stop"
"""The task that waits for a signal: it ends with all others when the daemon leaves."""
MAX_ORDERS: Final = 60


class InTurn:
    """Looks at one turn after another, of all coins."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.turns = 0
        self._unexplained: dict[tuple[str, Side], float] = {}
        self._last: dict[str, float] = {}
        """When each coin last had a turn."""
        self._rang: dict[str, float] = {}
        """When the quote timer last rang for it, or could not."""
        self._latched: set[str] = set()
        """Coins that are halted: no restart may forget it, full as the disk may have been."""
        self._lifting: set[str] = set()
        """Coins that have still to hear that their halt is lifted."""

    def turn(self, coin: str, engine: Engine, event: Event, step: Step) -> None:
        self.turns += 1
        if isinstance(event, Tick):
            self._rang[coin] = self.world.now
        self._halt_holds(coin, engine, event)
        self._while_halted(engine, step.actions)
        self._sizes(engine, step.actions)
        self._on_a_fresh_book(coin, engine, event, step.actions)
        self._no_cross(engine, step.actions)
        if not isinstance(event, Start):
            self._explained(coin, engine)
        if len(engine.state.orders) > MAX_ORDERS:
            raise BrokenPromiseError(f"{len(engine.state.orders)} orders are tracked")

    def look(self) -> None:
        """The quote timer rings, whatever became of other tasks, until the daemon leaves."""
        maker, now = self.world.maker, self.world.now
        if not maker.running or maker.host is None or maker.host.frozen:
            self._rang.clear()
            return
        self._rang = {coin: self._rang.get(coin, now) for coin in maker.engines}
        late = [coin for coin, at in self._rang.items() if now - at > TIMER_S]
        if late and any(task.get_name() == AT_WORK for task in maker.host.tasks()):
            raise BrokenPromiseError(f"{late}: the quote timer is silent for {TIMER_S:g} s")

    def unlatch(self) -> None:
        """The operator lifts the halts."""
        self._latched.clear()
        self._lifting = set(self.world.plan.coins)

    def _halt_holds(self, coin: str, engine: Engine, event: Event) -> None:
        """Only an operator lifts a halt, whatever else happens, a restart included.

        Between his word and the turn that heeds it there are others, of the same halt; and that
        turn is not told of where the ledger cannot write it.
        """
        resumes = isinstance(event, Command) and event.verb == "resume"
        if resumes:
            self._latched.discard(coin)
        if resumes or isinstance(event, Start):
            self._lifting.discard(coin)
        if engine.state.kill.halted:
            self._latched |= {coin} - self._lifting
        elif coin in self._latched:
            raise BrokenPromiseError(f"{coin}: the halt was forgotten at {type(event).__name__}")

    @staticmethod
    def _while_halted(engine: Engine, actions: tuple[Action, ...]) -> None:
        halted = engine.state.kill.halted
        for action in actions if halted else ():
            if isinstance(action, Place | Modify) and not getattr(action, "flatten", False):
                raise BrokenPromiseError(f"{action} while halted: {halted}")

    @staticmethod
    def _sizes(engine: Engine, actions: tuple[Action, ...]) -> None:
        most = engine.settings.risk.max_order_usd
        for action in actions:
            if not isinstance(action, Place | Modify) or getattr(action, "flatten", False):
                continue
            if float(action.size * action.price) > most:
                raise BrokenPromiseError(f"{action} is above max_order_usd")

    def _on_a_fresh_book(
        self, coin: str, engine: Engine, event: Event, actions: tuple[Action, ...]
    ) -> None:
        """No quote is sent on a book that nobody has told of for longer than is allowed."""
        age = event.ts - self.world.maker.fed.get(coin, 0)
        if not actions or age <= nanoseconds(engine.settings.risk.max_book_age_s):
            return
        for action in actions:
            if isinstance(action, Place | Modify) and not getattr(action, "flatten", False):
                raise BrokenPromiseError(f"{action} on a book that is {age / NS_PER_S:.1f} s old")

    @staticmethod
    def _no_cross(engine: Engine, actions: tuple[Action, ...]) -> None:
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

    def _explained(self, coin: str, engine: Engine) -> None:
        """A side without any order says why."""
        state, now = engine.state, self.world.now
        if state.link_reason == "stopped":  # it leaves, and decides no more
            return
        slept = now - self._last.get(coin, now) > SLEPT_S
        self._last[coin] = now
        standing = state.orders.standing()
        for side in SIDES:
            if slept:
                self._unexplained.pop((coin, side), None)
            if side in standing or state.presence.reason[side]:
                self._unexplained.pop((coin, side), None)
            elif now - self._unexplained.setdefault((coin, side), now) > UNEXPLAINED_S:
                raise BrokenPromiseError(f"no {side.label} for {UNEXPLAINED_S:g} s, and no reason")
