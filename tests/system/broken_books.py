"""A daemon broken in what it keeps: fills, money, orders, limits."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import count
from typing import Any, Final, TypeAlias

import pytest
from msgspec import structs

from mm.adapters.hyperliquid import wire
from mm.adapters.hyperliquid.back_fill import BackFill
from mm.adapters.hyperliquid.dead_man import DeadMan
from mm.adapters.hyperliquid.inbox import Inbox
from mm.adapters.hyperliquid.resolve import Resolver
from mm.adapters.hyperliquid.sweep import Sweeper
from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.adapters.ledger import Ledger
from mm.core import engine, quoting, risk
from mm.core.audit import audit as real_audit
from mm.core.diff import diff as real_diff
from mm.core.orders import Order, Orders
from mm.core.pnl import Pnl
from mm.core.portfolio import Portfolio
from mm.core.risk import Limits, Reviewed
from mm.core.state import State
from mm.model.actions import Action, Modify, Note, Place
from mm.model.events import Account, Event, Fill, Funding, RejectCode, Rejected, Unresolved
from mm.model.units import Side

Patch: TypeAlias = pytest.MonkeyPatch
Outcome: TypeAlias = tuple[list[Action], list[Note]]

EVERY: Final = 5
"""What goes wrong now and then does so this often."""


async def nothing(*_: object, **__: object) -> None:
    """In the place of what is never done."""


def now_and_then() -> Callable[[], bool]:
    numbers = count(1)
    return lambda: next(numbers) % EVERY == 0


# -- fills and money ----------------------------------------------------------------------------


def forgets_a_fill(patch: Patch) -> None:
    real, due = State.fill, now_and_then()
    patch.setattr(State, "fill", lambda self, fill: False if due() else real(self, fill))


def counts_a_fill_twice(patch: Patch) -> None:
    real, due = Pnl.fill, now_and_then()

    def fill(self: Pnl, fill: Fill, *fairs: float | None) -> None:
        for _ in range(1 + due()):
            real(self, fill, *fairs)

    patch.setattr(Pnl, "fill", fill)


def counts_funding_twice(patch: Patch) -> None:
    real = Pnl.fund

    def fund(self: Pnl, event: Funding) -> None:
        real(self, event)
        real(self, event)

    patch.setattr(Pnl, "fund", fund)


def forgets_funding_of_silent_streams(patch: Patch) -> None:
    patch.setattr(BackFill, "fundings", nothing)


def never_asks_for_missed_fills(patch: Patch) -> None:
    patch.setattr(BackFill, "fills", nothing)


def tells_repeated_fills_again(patch: Patch) -> None:
    """Neither the adapter nor the core knows what was told before."""
    real_fills, real_fill = Inbox.fills, State.fill

    def fills(self: Inbox, data: Iterable[wire.WireFill], ts: int) -> Iterator[Event]:
        self._fills.clear()
        return real_fills(self, data, ts)

    def fill(self: State, event: Fill) -> bool:
        self._seen.clear()
        return real_fill(self, event)

    patch.setattr(Inbox, "fills", fills)
    patch.setattr(State, "fill", fill)


def keeps_a_fill_from_the_ledger(patch: Patch) -> None:
    real, due = Ledger.record_event, now_and_then()

    def record(self: Ledger, instrument: str, event: Event) -> None:
        if not (isinstance(event, Fill) and due()):
            real(self, instrument, event)

    patch.setattr(Ledger, "record_event", record)


# -- orders -------------------------------------------------------------------------------------


def skips_audits(patch: Patch) -> None:
    """All but the first."""

    def audit(state: State, event: Account) -> Outcome:
        return ([], []) if state.audited else real_audit(state, event)

    patch.setattr(engine, "audit", audit)


def takes_a_lost_answer_for_a_refusal(patch: Patch) -> None:
    def unresolved(self: Order, event: Unresolved) -> None:
        code, words = RejectCode.EXPIRED, "lost"
        self.rejected(
            Rejected(ts=event.ts, cloid=event.cloid, kind=event.kind, code=code, message=words)
        )

    patch.setattr(Order, "unresolved", unresolved)


def never_asks_after_doubtful_orders(patch: Patch) -> None:
    patch.setattr(Resolver, "resolve", nothing)


def leaves_orders_of_a_former_life(patch: Patch) -> None:
    def audit(state: State, event: Account) -> Outcome:
        return real_audit(state, structs.replace(event, orders=None))

    patch.setattr(HyperliquidVenue, "_sweep_leftovers", nothing)
    patch.setattr(engine, "audit", audit)


def stops_without_cancelling(patch: Patch) -> None:
    async def sweep(*_: object) -> int:
        return 0

    patch.setattr(Sweeper, "sweep", sweep)


def never_moves_an_order(patch: Patch) -> None:
    def diff(*what: Any) -> list[Action]:  # noqa: ANN401 - passed on
        return [action for action in real_diff(*what) if not isinstance(action, Modify)]

    patch.setattr(quoting, "diff", diff)


def forgets_the_dead_man(patch: Patch) -> None:
    """It believes that the venue's switch is set."""
    patch.setattr(DeadMan, "_schedule", nothing)


def approve_all(actions: Sequence[Action], *_: object) -> Reviewed:
    """In the place of the review before sending."""
    return Reviewed(list(actions), [])


# -- limits -------------------------------------------------------------------------------------


def exceeds_the_position_by_a_lot(patch: Patch) -> None:
    real = Limits.most

    def most(self: Limits, side: Side) -> Decimal:
        return real(self, side) + 1000 / self.fair

    patch.setattr(Limits, "most", most)


def counts_only_what_rests(patch: Patch) -> None:
    """Not what is on its way: neither new orders nor new sizes."""

    def worst_case(self: Order) -> Decimal:
        return self.remaining if self.live else Decimal(0)

    patch.setattr(Order, "worst_case", property(worst_case))


def quotes_three_lots(patch: Patch) -> None:
    """And no limit looks."""
    real = State.keep_lot
    patch.setattr(State, "keep_lot", lambda self, fair: real(self, fair) * 3)
    patch.setattr(risk, "review", approve_all)


def tells_nobody_of_the_gross_limit(patch: Patch) -> None:
    patch.setattr(Portfolio, "allowance", lambda *_: None)


def never_reduces(patch: Patch) -> None:
    """Once it holds something, it holds it."""
    real = risk.review

    def review(
        actions: Sequence[Action], orders: Orders, position: Decimal, limits: Limits
    ) -> Reviewed:
        kept = [
            action
            for action in actions
            if not (isinstance(action, Place | Modify) and action.side * position < 0)
        ]
        return real(kept, orders, position, limits)

    patch.setattr(risk, "review", review)
