"""The exchange's values as the venue's JSON: rows, fills, contexts, account state."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from msgspec import structs

from mm.adapters.hyperliquid.sign import wire_number
from mm.model.events import Levels
from mm.model.exchange import (
    AccountState,
    AssetContext,
    BboReport,
    FillReport,
    FundingReport,
    OrderReport,
    OrderRow,
    PositionRow,
    TradeReport,
)
from mm.model.units import Side, exact

Json: TypeAlias = dict[str, Any]

FEE_TOKEN = "USDC"  # noqa: S105  # a currency, not a credential
NO_HASH = "0x" + "0" * 64
EIGHT_PLACES = Decimal("1e-8")


def number(value: Decimal) -> str:
    """Shortest exact decimal with at least one decimal place, as the venue writes."""
    text = wire_number(value)
    return text if "." in text else text + ".0"


def short_number(value: Decimal, places: Decimal = EIGHT_PLACES) -> str:
    """A quotient (entry, leverage ratio, ...) cut to 8 places."""
    return number(value.quantize(places) if value else Decimal(0))


def maybe(value: Decimal | None) -> str | None:
    return None if value is None else number(value)


def float_number(value: float) -> str:
    text = repr(value)
    return number(exact(value)) if "e" in text else text


def side(value: Side) -> str:
    return "B" if value is Side.BID else "A"


def level_row(level: tuple[float, float], orders: int) -> Json:
    return {"px": float_number(level[0]), "sz": float_number(level[1]), "n": orders}


def book_sides(
    sides: tuple[Levels, Levels], counts: tuple[Sequence[int], Sequence[int]]
) -> list[list[Json]]:
    return [
        [level_row(level, n) for level, n in zip(levels, orders, strict=True)]
        for levels, orders in zip(sides, counts, strict=True)
    ]


def bbo(report: BboReport) -> Json:
    touches = [
        None if touch is None else {"px": number(touch[0]), "sz": number(touch[1]), "n": touch[2]}
        for touch in (report.bid, report.ask)
    ]
    return {"coin": report.coin, "time": report.time_ms, "bbo": touches}


def trade(report: TradeReport) -> Json:
    return {
        "coin": report.coin,
        "side": side(report.aggressor),
        "px": number(report.price),
        "sz": number(report.size),
        "time": report.time_ms,
        "hash": report.hash,
        "tid": report.trade_id,
        "users": [report.buyer, report.seller],
    }


def fill(report: FillReport) -> Json:
    row: Json = {
        "coin": report.trade.coin,
        "px": number(report.trade.price),
        "sz": number(report.trade.size),
        "side": side(report.side),
        "time": report.trade.time_ms,
        "startPosition": number(report.start_position),
        "dir": report.direction,
        "closedPnl": number(report.closed_pnl),
        "hash": report.trade.hash,
        "oid": report.oid,
        "crossed": report.crossed,
        "fee": number(report.fee),
        "tid": report.trade.trade_id,
        "feeToken": FEE_TOKEN,
        "twapId": None,
    }
    if report.cloid is not None:
        row["cloid"] = report.cloid
    if report.liquidated_user is not None:
        row["liquidation"] = {
            "liquidatedUser": report.liquidated_user,
            "markPx": number(report.trade.price),
            "method": "market",
        }
    return row


def merged_fills(fills: Sequence[FillReport]) -> list[Json]:
    """`aggregateByTime`: the partial fills of one order in one block as one row."""
    groups: dict[tuple[int, int], list[FillReport]] = {}
    for report in fills:
        groups.setdefault((report.trade.time_ms, report.oid), []).append(report)
    rows = []
    for group in groups.values():
        size = sum((part.trade.size for part in group), Decimal(0))
        notional = sum((part.trade.size * part.trade.price for part in group), Decimal(0))
        row = fill(group[0])
        row["px"], row["sz"] = short_number(notional / size), number(size)
        row["fee"] = number(sum((part.fee for part in group), Decimal(0)))
        row["closedPnl"] = number(sum((part.closed_pnl for part in group), Decimal(0)))
        rows.append(row)
    return rows


def basic_order(row: OrderRow) -> Json:
    """The order inside an orderUpdates entry; optional keys only where they say something."""
    order: Json = {
        "coin": row.coin,
        "side": side(row.side),
        "limitPx": number(row.price),
        "sz": number(row.remaining),
        "oid": row.oid,
        "timestamp": row.placed_ms,
        "origSz": number(row.original),
    }
    if row.cloid is not None:
        order["cloid"] = row.cloid
    if row.reduce_only:
        order["reduceOnly"] = True
    return order


def frontend_order(row: OrderRow) -> Json:
    return basic_order(row) | {
        "triggerCondition": "N/A",
        "isTrigger": False,
        "triggerPx": "0.0",
        "children": [],
        "isPositionTpsl": False,
        "reduceOnly": row.reduce_only,
        "orderType": "Limit",
        "tif": row.tif.value,
        "cloid": row.cloid,
    }


def order_with_status(row: OrderRow, status: str, time_ms: int) -> Json:
    return {"order": frontend_order(row), "status": status, "statusTimestamp": time_ms}


def order_update(report: OrderReport) -> Json:
    return {
        "order": basic_order(report.order),
        "status": report.status,
        "statusTimestamp": report.time_ms,
    }


def funding(report: FundingReport) -> Json:
    return {
        "time": report.time_ms,
        "coin": report.coin,
        "usdc": number(report.usdc),
        "szi": number(report.position),
        "fundingRate": number(report.rate),
        "nSamples": None,
    }


def context(state: AssetContext) -> Json:
    bid, ask = state.impact_bid, state.impact_ask
    return {
        "funding": number(state.funding),
        "openInterest": number(state.open_interest),
        "prevDayPx": number(state.previous_day_price),
        "dayNtlVlm": number(state.day_notional),
        "premium": maybe(state.premium),
        "oraclePx": number(state.oracle),
        "markPx": number(state.mark),
        "midPx": maybe(state.mid),
        "impactPxs": None if bid is None or ask is None else [number(bid), number(ask)],
        "dayBaseVlm": number(state.day_base),
    }


def mid_or_mark(state: AssetContext) -> str:
    return number(state.mark if state.mid is None else state.mid)


def position(row: PositionRow) -> Json:
    leverage: Json = {"type": "cross" if row.is_cross else "isolated", "value": row.leverage}
    if not row.is_cross:
        leverage["rawUsd"] = short_number(row.margin_used - row.size * _mark(row))
    margin = row.margin_used
    funding_paid = {
        "allTime": number(row.funding_all_time),
        "sinceOpen": number(row.funding_since_open),
        "sinceChange": number(row.funding_since_open),
    }
    return {
        "type": "oneWay",
        "position": {
            "coin": row.coin,
            "szi": number(row.size),
            "entryPx": short_number(row.entry_price),
            "leverage": leverage,
            "liquidationPx": _maybe_short(row.liquidation_price),
            "marginUsed": short_number(margin),
            "maxLeverage": row.max_leverage,
            "positionValue": short_number(row.notional),
            "returnOnEquity": short_number(row.unrealized_pnl / margin if margin else Decimal(0)),
            "unrealizedPnl": short_number(row.unrealized_pnl),
            "cumFunding": funding_paid,
        },
    }


def _maybe_short(value: Decimal | None) -> str | None:
    return None if value is None else short_number(value)


def clearinghouse(state: AccountState, now_ms: int) -> Json:
    alone = [row for row in state.positions if not row.is_cross]
    pool = structs.replace(
        state,
        equity=state.equity - sum(row.margin_used for row in alone),
        margin_used=state.margin_used - sum(row.margin_used for row in alone),
        notional=state.notional - sum(row.notional for row in alone),
        positions=tuple(row for row in state.positions if row.is_cross),
    )
    return {
        "marginSummary": _summary(state),
        "crossMarginSummary": _summary(pool),
        "crossMaintenanceMarginUsed": short_number(state.maintenance_margin),
        "withdrawable": short_number(state.withdrawable),
        "assetPositions": [position(row) for row in state.positions if row.size],
        "time": now_ms,
    }


def _summary(state: AccountState) -> Json:
    raw = state.equity - sum((row.size * _mark(row) for row in state.positions), Decimal(0))
    return {
        "accountValue": short_number(state.equity),
        "totalNtlPos": short_number(state.notional),
        "totalRawUsd": short_number(raw),
        "totalMarginUsed": short_number(state.margin_used),
    }


def _mark(row: PositionRow) -> Decimal:
    return row.notional / abs(row.size) if row.size else Decimal(0)
