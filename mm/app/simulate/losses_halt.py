"""Who has lost more than the limits allow is halted: counted from the account at the venue."""

from typing import Final

from msgspec import structs

from mm.adapters.ledger_state import DAY_NS
from mm.app.simulate.at_rest import BrokenPromiseError
from mm.app.simulate.world import World
from mm.core.settings import RiskSettings
from mm.model.events import Account, Command, Event, Start, Tick

UNHEEDED_S: Final = 1.2
"""A turn of the quote timer: by then each instrument knows what all have lost."""
CENTS: Final = 0.03
"""Each is told to the cent what the others have made."""
LIMITS: Final = ("max_drawdown_fraction", "max_daily_loss_fraction")


class LossesHalt:
    """Cash and positions are the venue's, prices those that were told last. Where fills or fundings
    have still to be told it waits: other promises see to that. Payments are no loss.

    Peak and day count as the daemon should have them, from its ticks and from where a halt is
    lifted. What a start restores, and takes for payments, nobody outside knows to the cent: the
    peak begins anew, and the day with the next resume; in the first process it begins flat. After
    midnight, by a clock that may be wrong, it is not known either."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._life = (0, 0)
        self._since: dict[str, float] = {}
        """What had been made, USD, where each limit that is known counts from."""
        self._broken: dict[str, float] = {}  # since when each is
        self._most_usd = 0.0
        given = dict(one.split("=", 1) for one in world.plan.settings)
        usual = structs.asdict(RiskSettings())
        self._limits = {one: float(given.get(f"risk.{one}", usual[one])) for one in LIMITS}

    def turn(self, event: Event) -> None:
        """After each, of any coin."""
        maker, before, (peak, day) = self.world.maker, self._life, LIMITS
        if isinstance(event, Tick):
            self._life = maker.boots, maker.clock.now() // DAY_NS
            if before[0] != maker.boots:
                self._since = {day: 0.0} if maker.boots == 1 else {}
            elif before != self._life:
                self._since.pop(day, None)
            if (made := self._made()) is not None:
                self._since[peak] = max(made, self._since.get(peak, made))
        elif isinstance(event, Start):
            self._most_usd = 0.0
        elif isinstance(event, Account):
            self._most_usd = max(self._most_usd, float(event.equity))
        elif isinstance(event, Command) and event.verb == "resume":
            self._since = {} if (made := self._made()) is None else dict.fromkeys(LIMITS, made)

    def forget(self) -> None:
        """The operator resumes: of a turn that is about to fail nobody hears any more."""
        self._since = {}

    def look(self) -> None:
        """A limit is a share of the most that the account was worth in this process, by the
        venue or by what was told: a payment counts when two audits have told of it."""
        self._most_usd = max(self._most_usd, float(self.world.venue.equity))
        made, maker, now = self._made(), self.world.maker, self.world.now
        halted = any(engine.state.kill.halted for engine in maker.engines.values())
        awake = maker.running and maker.host is not None and not maker.host.frozen
        watched = awake and not halted and self._life[0] == maker.boots
        for what, share in self._limits.items():
            lost = 0.0 if made is None else self._since.get(what, made) - made
            if not watched or lost <= share * self._most_usd + CENTS:
                self._broken.pop(what, None)
            elif now - self._broken.setdefault(what, now) > UNHEEDED_S:
                raise BrokenPromiseError(f"{lost:.2f} USD lost, beyond {what}, and no halt")

    def _made(self) -> float | None:
        """USD since the account was opened; None where the daemon does not know its books."""
        venue = self.world.venue
        states = {coin: engine.state for coin, engine in self.world.maker.engines.items()}
        cash, held = venue.cash_flow(self.world.deposited), venue.positions()
        told = {coin: state.pnl.position for coin, state in states.items()}
        if told != held or sum(state.pnl.cash for state in states.values()) != cash:
            return None
        for one in states.values():
            if not (one.audited and one.book.fair) or one.link_reason == "stopped":
                return None
        return float(cash) + sum(float(held[c]) * (s.book.fair or 0.0) for c, s in states.items())
