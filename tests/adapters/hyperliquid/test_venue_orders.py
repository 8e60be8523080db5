"""Orders over real sockets: placed, modified, cancelled, refused, filled, lost and found."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from mm.adapters.hyperliquid.server import Faults, FrameFaults
from mm.model.actions import Cancel, CancelAll, Modify, Place
from mm.model.events import (
    Account,
    ActionBudget,
    Fees,
    Fill,
    OrderClosed,
    OrderOpened,
    RejectCode,
    Rejected,
    RequestKind,
    Trades,
    Unresolved,
)
from mm.model.units import Side
from tests.adapters.hyperliquid.stand import ME, OTHER, bid, cloid, live, stand


def moved(number: int, oid: int, price: str) -> Modify:
    return Modify(cloid(number), oid, Side.BID, 1, Decimal(price), Decimal("0.01"))


async def test_place_modify_cancel() -> None:
    async with stand() as at, live(at) as (venue, probe):
        venue.send([bid(1)])
        placed = await probe.first(OrderOpened)
        assert placed.cloid == cloid(1)
        assert at.resting() == {cloid(1): "99980.0"}

        venue.send([moved(1, placed.oid, "99970")])
        again = await probe.first(OrderOpened, lambda event: event.oid != placed.oid)
        assert again.cloid == cloid(1)
        assert at.resting() == {cloid(1): "99970.0"}
        await probe.first(OrderClosed, lambda event: event.oid == placed.oid)

        venue.send([Cancel(cloid(1))])
        await probe.first(OrderClosed, lambda event: event.reason == "canceled" and not event.oid)
        assert at.resting() == {}
        assert {kind for kind, _ in probe.round_trips} == {"place", "modify", "cancel"}
        assert venue.own.open == {}


async def test_a_batch_is_one_action_and_each_item_has_its_own_answer() -> None:
    async with stand() as at, live(at) as (venue, probe):
        before = len(probe.round_trips)
        crossing = bid(2, "100020")
        tiny = bid(3, "99980", "0.00001")
        off_tick = bid(4, "99980.05")
        venue.send([bid(1), crossing, tiny, off_tick])
        await probe.until(lambda: len(probe.of(Rejected)) == 3)
        assert len(probe.round_trips) == before + 1
        assert {one.cloid: (one.code, one.gone) for one in probe.of(Rejected)} == {
            cloid(2): (RejectCode.POST_ONLY, False),
            cloid(3): (RejectCode.MIN_NOTIONAL, False),
            cloid(4): (RejectCode.TICK, False),
        }
        assert at.resting() == {cloid(1): "99980.0"}
        assert venue.health.rejects[RejectCode.POST_ONLY] == 1
        assert not [one for one in probe.of(OrderClosed) if one.cloid != cloid(1)]


async def test_a_fill_is_told_once_and_ends_the_order() -> None:
    async with stand() as at, live(at) as (venue, probe):
        venue.send([bid(1, "99995")])
        opened = await probe.first(OrderOpened)
        at.take(Side.ASK, "99995", "0.004")
        part = await probe.first(Fill)
        assert (part.cloid, part.oid, part.side) == (cloid(1), opened.oid, Side.BID)
        assert (part.price, part.size, part.quote) == (Decimal(99995), Decimal("0.004"), True)
        assert part.start_position == 0
        assert part.fee == Decimal("0.004") * 99995 * Decimal("0.00015")
        at.take(Side.ASK, "99995", "0.006")
        await probe.first(OrderClosed, lambda event: event.reason == "filled")
        await probe.until(lambda: len(probe.of(Fill)) == 2)
        assert sum(fill.size for fill in probe.of(Fill)) == Decimal("0.01")


async def test_flatten_takes_and_is_no_quote() -> None:
    async with stand() as at, live(at) as (venue, probe):
        venue.send([bid(1, "99995")])
        await probe.first(OrderOpened)
        at.take(Side.ASK, "99995", "0.01")
        await probe.first(Fill)
        exit_order = Place(
            cloid(2), Side.ASK, 1, Decimal(99900), Decimal("0.01"), reduce_only=True, flatten=True
        )
        venue.send([exit_order])
        taken = await probe.first(Fill, lambda fill: fill.cloid == cloid(2))
        assert not taken.quote
        assert taken.start_position == Decimal("0.01")
        await probe.first(OrderClosed, lambda event: event.cloid == cloid(2))
        assert at.resting() == {}


async def test_foreign_orders_and_fills_are_not_ours() -> None:
    async with stand() as at, live(at) as (venue, probe):
        foreign = "0x" + "f" * 32
        at.place(ME.address, Side.BID, "99996", "0.02", foreign)
        at.place(ME.address, Side.BID, "99950", "0.02")
        await probe.until(lambda: venue.health.foreign_updates >= 2)
        at.take(Side.ASK, "99996", "0.02")
        fill = await probe.first(Fill)
        assert (fill.cloid, fill.quote) == (foreign, False)
        assert not probe.of(OrderOpened)
        venue.send([bid(1)])
        await probe.first(OrderOpened)
        assert await venue.cancel_all() == 0
        assert at.resting() == {None: "99950.0"}


async def test_a_modify_of_a_replaced_id_is_resolved_not_believed() -> None:
    async with stand() as at, live(at) as (venue, probe):
        venue.send([bid(1)])
        placed = await probe.first(OrderOpened)
        venue.send([moved(1, placed.oid, "99970")])
        second = await probe.first(OrderOpened, lambda event: event.oid != placed.oid)
        venue.send([moved(1, placed.oid, "99960")])  # the first modify's oid, long gone
        await probe.first(Unresolved)
        await probe.until(lambda: probe.of(OrderOpened)[-1].oid == second.oid)
        await probe.until(lambda: not venue.own.doubts)
        assert at.resting() == {cloid(1): "99970.0"}
        assert venue.health.rejects[RejectCode.NOT_OPEN] == 1


async def test_a_modify_whose_placing_half_fails_is_gone() -> None:
    async with stand() as at, live(at) as (venue, probe):
        venue.send([bid(1)])
        placed = await probe.first(OrderOpened)
        venue.send([moved(1, placed.oid, "100030")])
        refused = await probe.first(Rejected)
        assert (refused.kind, refused.code) == (RequestKind.MODIFY, RejectCode.POST_ONLY)
        await probe.until(lambda: not at.resting())
        await probe.until(
            lambda: refused.gone or any(e.cloid == cloid(1) for e in probe.of(OrderClosed))
        )
        assert venue.own.open == {}


async def test_cancel_of_what_is_not_there_is_gone() -> None:
    async with stand() as at, live(at) as (venue, probe):
        venue.send([Cancel(cloid(9))])
        refused = await probe.first(Rejected)
        assert (refused.kind, refused.code, refused.gone) == (
            RequestKind.CANCEL,
            RejectCode.NOT_OPEN,
            True,
        )


async def test_on_a_silent_account_stream_prints_and_refusals_tell_of_fills() -> None:
    """The order was taken unheard: its cancel's refusal was believed to mean that it was cancelled,
    and the position was wrong until the next audit."""
    async with stand() as at, live(at) as (venue, probe):
        venue.send([bid(1, "99996")])
        placed = await probe.first(OrderOpened)
        at.server.mischief.faults = Faults(frames=FrameFaults(muted=("userFills", "orderUpdates")))
        at.take(Side.ASK, "99996", "0.01")
        await probe.until(lambda: not at.resting())
        venue.send([Cancel(cloid(1))])
        closed = await probe.first(OrderClosed)
        assert closed.reason == "filled"
        fill = await probe.first(Fill)
        assert fill.oid == placed.oid
        assert not probe.of(Rejected)
        assert venue.health.fills_recovered == 1
        assert not venue.router.decoder.unparsed


async def test_a_partial_fill_on_a_silent_stream_is_asked_for_when_it_is_printed() -> None:
    async with stand() as at, live(at) as (venue, probe):
        venue.send([bid(1, "99996")])
        await probe.first(OrderOpened)
        at.server.mischief.faults = Faults(frames=FrameFaults(muted=("userFills", "orderUpdates")))
        at.take(Side.ASK, "99996", "0.005")
        (own,) = (await probe.first(Trades, lambda event: bool(event.own))).own
        fill = await probe.first(Fill)
        assert (fill.trade_id, fill.size, fill.side) == (own.trade_id, own.size, own.side)


@pytest.mark.parametrize("kind", ["place", "modify", "cancel"])
async def test_a_reply_lost_after_execution_is_resolved_by_client_id(kind: str) -> None:
    async with stand() as at, live(at) as (venue, probe):
        if kind != "place":
            venue.send([bid(1)])
            opened = await probe.first(OrderOpened)
        at.faults.append(None)
        match kind:
            case "place":
                venue.send([bid(1)])
            case "modify":
                venue.send([moved(1, opened.oid, "99970")])
            case _:
                venue.send([Cancel(cloid(1))])
        await probe.up(times=2)
        await probe.until(lambda: not venue.own.doubts)
        if kind == "cancel":
            await probe.first(OrderClosed, lambda event: event.cloid == cloid(1))
            assert at.resting() == {}
            assert venue.budget.used == 3, "asked once more, and told that there was nothing left"
            return
        price = "99970.0" if kind == "modify" else "99980.0"
        assert at.resting() == {cloid(1): price}
        (row,) = at.exchange.open_orders(ME.address)
        assert probe.of(OrderOpened)[-1].oid == row.oid
        assert venue.own.open[cloid(1)].oid == row.oid


async def test_a_slow_answer_is_no_doubt_where_the_stream_has_told() -> None:
    async with stand() as at, live(at, request_timeout_s=0.3) as (venue, probe):
        at.faults.append(0.6)
        venue.send([bid(1)])
        await probe.first(OrderOpened)
        await probe.until(lambda: not venue.own.in_flight(cloid(1)))
        assert not probe.of(Unresolved)


async def test_a_slow_answer_to_a_cancel_is_resolved() -> None:
    async with stand() as at, live(at, request_timeout_s=0.3) as (venue, probe):
        venue.send([bid(1)])
        await probe.first(OrderOpened)
        at.faults.append(0.6)
        venue.send([Cancel(cloid(1))])
        await probe.first(Unresolved)
        await probe.until(lambda: not venue.own.doubts)
        await probe.first(OrderClosed)
        assert probe.links == [True], "a slow answer is no reason to reconnect"


async def test_costs_and_budget_are_told_and_counted() -> None:
    async with stand() as at, live(at, budget_poll_s=0.2) as (venue, probe):
        fees = await probe.first(Fees)
        assert (fees.maker_bps, fees.taker_bps) == (1.5, 4.5)
        venue.send([bid(1), bid(2, "99970")])
        await probe.until(lambda: len(probe.of(OrderOpened)) >= 2)
        budget = await probe.first(ActionBudget, lambda event: event.used > 0)
        assert (budget.used, budget.cap) == (2, 10_000)


async def test_what_is_left_of_the_budget_is_told_as_it_is_spent() -> None:
    """`mm status` showed what had been left up to a minute before."""
    async with stand() as at, live(at, audit_s=600.0, budget_poll_s=600.0) as (venue, probe):
        for used in (1, 2, 3):
            venue.send([bid(used)])
            await probe.until(lambda used=used: probe.of(ActionBudget)[-1].used == used)  # type: ignore[misc]  # a default


async def test_a_spent_budget_is_asked_after_with_each_audit() -> None:
    """Fills had earned more, and nobody noticed until the next poll a minute later."""
    async with stand() as at, live(at, audit_s=0.2, budget_poll_s=3_600.0) as (venue, probe):
        at.server.mischief.faults = Faults(spent_budget=True)
        venue.send([bid(1)])
        refused = await probe.first(Rejected)
        at.server.mischief.faults = Faults()
        news = await probe.first(ActionBudget, lambda event: event.ts > refused.ts)
        assert refused.code is RejectCode.BUDGET
        assert (news.used, news.cap) == (0, 10_000)


async def test_cancel_all_action_sweeps_tracked_and_untracked() -> None:
    async with stand() as at, live(at) as (venue, probe):
        venue.send([bid(1), bid(2, "99970")])
        at.place(ME.address, Side.BID, "99960", "0.01", cloid(77, run=9))
        at.place(OTHER, Side.BID, "99960", "0.01", cloid(78, run=9))
        await probe.until(lambda: len(at.resting()) == 3)
        venue.send([bid(3, "99965"), CancelAll("test")])
        dropped = await probe.first(Rejected, lambda event: event.cloid == cloid(3))
        assert dropped.code is RejectCode.UNSENT
        await probe.until(lambda: at.resting() == {})
        assert at.resting(OTHER) == {cloid(78, run=9): "99960.0"}


async def test_the_audit_tells_account_and_unknown_own_orders() -> None:
    async with stand() as at, live(at, audit_s=0.2) as (_, probe):
        at.place(ME.address, Side.BID, "99960", "0.01", cloid(77, run=9))
        at.place(ME.address, Side.BID, "99950", "0.01", "0x" + "f" * 32)
        account = await probe.first(Account, lambda event: bool(event.orders))
        assert [order.cloid for order in account.orders or ()] == [cloid(77, run=9)]
        assert account.position == 0
        assert account.equity == Decimal(100_000)
        assert account.request_ts < account.ts


async def test_quotes_that_wait_behind_a_slow_cancel_are_dropped_by_a_halt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They went out after it, on a book that was being left."""
    async with stand() as at, live(at) as (venue, probe):
        venue.send([bid(1)])
        await probe.first(OrderOpened)
        slow, go, exchange = asyncio.Event(), asyncio.Event(), venue._rest.exchange

        async def slowly(envelope: dict[str, Any], weight: int = 1) -> bytes:
            slow.set()
            await go.wait()
            return await exchange(envelope, weight)

        monkeypatch.setattr(venue._rest, "exchange", slowly)
        venue.stream.suspect()
        venue.send([Cancel(cloid(1)), bid(2)])
        await slow.wait()

        venue.send([CancelAll("halted")])

        dropped = await probe.first(Rejected)
        assert (dropped.cloid, dropped.code) == (cloid(2), RejectCode.UNSENT)
        go.set()
        await probe.until(lambda: venue.own.open == {})
        assert venue.health.sent[RequestKind.PLACE] == 1
        assert at.resting() == {}
