"""From wire values to events: pure; the time of receipt is handed in."""

from collections.abc import Iterable
from decimal import Decimal
from math import inf, isfinite

from mm.adapters.hyperliquid import wire
from mm.model.events import (
    Bbo,
    Book,
    Fill,
    Funding,
    Levels,
    OpenOrder,
    OwnPrint,
    Reference,
    Trade,
    Trades,
)
from mm.model.units import NS_PER_MS, Ns, Side, exact


def side_of(letter: wire.WireSide) -> Side:
    return Side.BID if letter == "B" else Side.ASK


def book(data: wire.WireBook, ts: Ns) -> Book:
    bids, asks = data.levels
    return Book(ts=ts, venue_ts=data.time * NS_PER_MS, bids=_levels(bids), asks=_levels(asks))


def bbo(data: wire.WireBbo, ts: Ns) -> Bbo:
    bid, ask = data.bbo
    return Bbo(ts=ts, venue_ts=data.time * NS_PER_MS, bid=_touch(bid), ask=_touch(ask))


def trade(data: wire.WireTrade) -> Trade | None:
    """None where price or size is no positive number."""
    if not (_positive(data.px) and _positive(data.sz)):
        return None
    return Trade(
        venue_ts=data.time * NS_PER_MS,
        price=data.px,
        size=data.sz,
        aggressor=side_of(data.side),
        trade_id=data.tid,
    )


def trades(data: Iterable[wire.WireTrade], ts: Ns, account: str = "") -> Trades:
    """`account` in lower case: whose prints are marked as our own."""
    found, own = [], []
    for one in data:
        event = trade(one)
        if event is not None:
            found.append(event)
            own += [
                OwnPrint(event.venue_ts, one.tid, side, exact(one.sz))
                for side, user in zip((Side.BID, Side.ASK), one.users, strict=False)
                if user.lower() == account
            ]
    return Trades(ts=ts, trades=tuple(found), own=tuple(own))


def reference(data: wire.WireContext, ts: Ns) -> Reference | None:
    """None where a price is no positive number. The frame has no time of its own: `ts` it is."""
    ctx = data.ctx
    if not (_positive(ctx.oracle_px) and _positive(ctx.mark_px) and isfinite(ctx.funding)):
        return None
    return Reference(
        ts=ts,
        venue_ts=ts,
        oracle=ctx.oracle_px,
        mark=ctx.mark_px,
        funding_rate=ctx.funding,
    )


def fill(data: wire.WireFill, ts: Ns, account: str, own: bool) -> Fill:
    """`own`: the client id carries our prefix. A liquidation of others may still fill our quote."""
    liquidated = data.liquidation is not None and data.liquidation.liquidated_user == account
    return Fill(
        ts=ts,
        venue_ts=data.time * NS_PER_MS,
        trade_id=data.tid,
        cloid=data.cloid,
        oid=data.oid,
        side=side_of(data.side),
        price=data.px,
        size=data.sz,
        fee=data.fee,
        start_position=data.start_position,
        quote=own and not data.crossed and not liquidated,
    )


def funding(data: wire.WireFunding, ts: Ns) -> Funding:
    return Funding(
        ts=ts,
        venue_ts=data.time * NS_PER_MS,
        amount=data.usdc,
        rate=data.funding_rate,
    )


def open_order(data: wire.OrderCore) -> OpenOrder:
    return OpenOrder(
        cloid=data.cloid,
        oid=data.oid,
        side=side_of(data.side),
        price=data.limit_px,
        remaining=data.sz,
        reduce_only=bool(data.reduce_only),
    )


def usable_fill(data: wire.WireFill) -> bool:
    """Are its numbers numbers? (Decimal reads "NaN" without complaint.)"""
    numbers: tuple[Decimal, ...] = (data.px, data.sz, data.fee, data.start_position)
    return all(number.is_finite() for number in numbers) and data.px > 0 and data.sz > 0


def _levels(levels: list[wire.Level]) -> Levels:
    return tuple([(one.px, one.sz) for one in levels if 0.0 < one.px < inf and 0.0 < one.sz < inf])


def _touch(level: wire.Level | None) -> tuple[float, float] | None:
    if level is None or not (_positive(level.px) and _positive(level.sz)):
        return None
    return level.px, level.sz


def _positive(value: float) -> bool:
    return 0.0 < value < inf
