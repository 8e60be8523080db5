"""A daemon broken in what it says to the venue, or in what it concludes from the answers."""

from decimal import Decimal
from typing import Any

from msgspec import structs

from mm.adapters.hyperliquid import encode
from mm.adapters.hyperliquid.annul import Annuller
from mm.adapters.hyperliquid.back_fill import BackFill
from mm.adapters.hyperliquid.dead_man import DeadMan
from mm.adapters.hyperliquid.encode import AssetOf, WireAction
from mm.adapters.hyperliquid.nonce import NonceAllocator
from mm.adapters.hyperliquid.questions import Questions
from mm.adapters.hyperliquid.resolve import Resolver
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.unsettled import Unsettled
from mm.adapters.ledger import Ledger
from mm.core import quoting
from mm.core.book import MarketBook
from mm.core.portfolio import Exposure
from mm.core.reducing import only_reducing as real_only_reducing
from mm.core.state import State
from mm.model.actions import Modify, Place
from mm.model.instrument import Instrument
from mm.model.quote import Ladder
from mm.model.units import Ns, Side
from tests.system.broken_books import Patch, nothing

# -- signing ------------------------------------------------------------------------------------


def repeats_a_nonce(patch: Patch) -> None:
    """Where two actions fall into one millisecond."""
    patch.setattr(NonceAllocator, "next", lambda _, now_ms: now_ms)


def never_lets_an_action_expire(patch: Patch) -> None:
    def envelope(self: Seat, action: WireAction, nonce: int | None = None) -> dict[str, Any]:
        nonce = self._nonces.next(self.venue_ms()) if nonce is None else nonce
        mainnet = self.settings.network == "mainnet"
        signature = self._signer.sign(action, nonce, None, None, mainnet)
        return {"action": action, "nonce": nonce, "signature": signature}

    patch.setattr(Seat, "envelope", envelope)


def trusts_its_own_clock(patch: Patch) -> None:
    """After the start, that is: later answers move nothing."""
    patch.setattr(Seat, "hear_time", lambda *_: None)


def expires_by_its_own_clock(patch: Patch) -> None:
    patch.setattr(Seat, "venue_ms", lambda self: self._clock.now() // 1_000_000)


def ages_the_book_by_its_own_clock(patch: Patch) -> None:
    patch.setattr(MarketBook, "hear_clock", lambda *_: None)


# -- orders as they are written -----------------------------------------------------------------


def exits_without_reduce_only(patch: Patch) -> None:
    real = encode._order

    def order(one: Place | Modify, asset_of: AssetOf, tif: str, _: bool) -> WireAction:
        return real(one, asset_of, tif, False)

    patch.setattr(encode, "_order", order)


def quotes_that_may_take(patch: Patch) -> None:
    real = encode._order

    def order(one: Place | Modify, asset_of: AssetOf, tif: str, reduce_only: bool) -> WireAction:
        return real(one, asset_of, "Gtc" if tif == "Alo" else tif, reduce_only)

    patch.setattr(encode, "_order", order)


def reduces_beyond_the_position(patch: Patch) -> None:
    """The right side, at full size."""

    def only_reducing(
        wanted: Ladder, position: Decimal, instrument: Instrument, reason: str
    ) -> Ladder:
        found = real_only_reducing(wanted, position, instrument, reason)
        return structs.replace(
            found,
            bids=wanted.bids if position < 0 else (),
            asks=wanted.asks if position > 0 else (),
        )

    patch.setattr(quoting, "only_reducing", only_reducing)


# -- the dead-man switch and the latch ----------------------------------------------------------


def sets_the_dead_man_once(patch: Patch) -> None:
    """And never pushes it back."""
    real = DeadMan.refresh

    async def refresh(self: DeadMan, ask: Questions) -> None:
        if not self.armed:
            await real(self, ask)

    patch.setattr(DeadMan, "refresh", refresh)


def keeps_a_halt_in_the_ledger_only(patch: Patch) -> None:
    """A full disk and a crash, and it is gone."""
    patch.setattr(Ledger, "hold", lambda *_: None)


# -- conclusions --------------------------------------------------------------------------------


def annuls_nothing(patch: Patch) -> None:
    """A lost request may be executed until it expires."""
    patch.setattr(Annuller, "annul", nothing)


def concludes_before_an_expiry(patch: Patch) -> None:
    """An order that the venue does not know yet was never placed."""
    real = Resolver._judge

    def judge(self: Resolver, one: Unsettled, asked: Ns, begun: int) -> list[Unsettled]:
        return [one] if one.found is None else real(self, one, asked, begun)

    patch.setattr(Resolver, "_judge", judge)


def asks_for_fills_since_the_last_told(patch: Patch) -> None:
    """What a stream left out before it told one is never asked for."""
    real = BackFill.fills

    async def fills(self: BackFill, *, urgent: bool = False) -> None:
        overlap_ms = 60_000
        self._filled_ms = max(desk.inbox.last_fill_ms for desk in self._desks) + overlap_ms + 1
        await real(self, urgent=urgent)

    patch.setattr(BackFill, "fills", fills)


def counts_only_orders_in_the_portfolio(patch: Patch) -> None:
    """Not what is held."""

    def of(cls: type[Exposure], state: State) -> Exposure:
        price = Decimal(repr(state.book.fair or 0.0))
        orders = {side: state.orders.worst_case(side) * price for side in (Side.BID, Side.ASK)}
        return cls(orders[Side.BID], orders[Side.ASK], state.pnl.worth, state.equity)

    patch.setattr(Exposure, "of", classmethod(of))


def never_clears_the_dead_man(patch: Patch) -> None:
    """Neither beside orders that are not ours nor on the way out."""
    patch.setattr(DeadMan, "clear", nothing)
