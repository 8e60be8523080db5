"""`/info` about one account: its orders, fills, fees, limits, and who may act for it."""

from typing import Final

from mm.adapters.hyperliquid.server import shapes
from mm.adapters.hyperliquid.server.questions import (
    FOREVER,
    Answerer,
    InfoRequest,
    coin_of,
    span_of,
    user_of,
)
from mm.adapters.hyperliquid.server.requests import UNDESERIALIZABLE, MalformedError
from mm.adapters.hyperliquid.server.shapes import number
from mm.adapters.hyperliquid.server.views import MAX_ROWS, Views
from mm.model.exchange import FeeTier

REACHABLE_FILLS = 10_000
MAX_FUNDINGS = 500


def _open_orders(views: Views, request: InfoRequest) -> object:
    return [shapes.basic_order(row) for row in views.orders(user_of(request), request.dex)]


def _fills_by_time(views: Views, request: InfoRequest) -> object:
    start, end = span_of(request)
    reachable = list(views.exchange.fills(user_of(request)))[-REACHABLE_FILLS:]
    found = [fill for fill in reachable if start <= fill.trade.time_ms <= end][:MAX_ROWS]
    if request.aggregate_by_time:
        return shapes.merged_fills(found)
    return [shapes.fill(fill) for fill in found]


def _order_status(views: Views, request: InfoRequest) -> object:
    user, target = user_of(request), request.oid
    if target is None:
        raise MalformedError(UNDESERIALIZABLE)
    wanted = target.lower() if isinstance(target, str) else target
    found = views.exchange.order_status(user, wanted)
    if found is None:
        return {"status": "unknownOid"}
    return {"status": "order", "order": shapes.order_with_status(*found)}


def _historical_orders(views: Views, request: InfoRequest) -> object:
    rows = views.exchange.historical_orders(user_of(request))
    return [shapes.order_with_status(*row) for row in list(rows)[: -MAX_ROWS - 1 : -1]]


def _rate_limit(views: Views, request: InfoRequest) -> object:
    limit = views.exchange.rate_limit(user_of(request))
    return {
        "cumVlm": number(limit.cumulative_volume),
        "nRequestsUsed": limit.used,
        "nRequestsCap": limit.cap,
        "nRequestsSurplus": limit.surplus,
    }


def _fees(views: Views, request: InfoRequest) -> object:
    rates = views.exchange.fee_rates(user_of(request))
    base, tiers = views.exchange.fee_schedule()
    return {
        "dailyUserVlm": [],
        "feeSchedule": {
            "cross": number(base.taker),
            "add": number(base.maker),
            "spotCross": "0.0007",
            "spotAdd": "0.0004",
            "tiers": {"vip": [_fee_tier(tier) for tier in tiers], "mm": []},
            "referralDiscount": "0.0",
            "stakingDiscountTiers": [],
        },
        "userCrossRate": number(rates.taker),
        "userAddRate": number(rates.maker),
        "userSpotCrossRate": "0.0007",
        "userSpotAddRate": "0.0004",
        "activeReferralDiscount": "0.0",
        "trial": None,
        "feeTrialReward": "0.0",
        "nextTrialAvailableTimestamp": None,
        "stakingLink": None,
        "activeStakingDiscount": {"bpsOfMaxSupply": "0.0", "discount": "0.0"},
    }


def _fee_tier(tier: FeeTier) -> object:
    rates = tier.rates
    cutoff = number(tier.volume_usd)
    return {"ntlCutoff": cutoff, "cross": number(rates.taker), "add": number(rates.maker)}


def _user_funding(views: Views, request: InfoRequest) -> object:
    start, end = request.start_time or 0, FOREVER if request.end_time is None else request.end_time
    rows = [row for row in views.fundings(user_of(request)) if start <= row["time"] <= end]
    return [
        {
            "time": row["time"],
            "hash": shapes.NO_HASH,
            "delta": {"type": "funding"} | {k: v for k, v in row.items() if k != "time"},
        }
        for row in rows[:MAX_FUNDINGS]
    ]


def _active_asset(views: Views, request: InfoRequest) -> object:
    user, coin = user_of(request), coin_of(views, request)
    return None if coin is None else views.active_asset(user, coin)


def _role(views: Views, request: InfoRequest) -> object:
    standing = views.exchange.standing(user_of(request))
    relation = {"agent": "user", "subAccount": "master"}.get(standing.role)
    told = {"role": standing.role}
    return told if relation is None else told | {"data": {relation: standing.of}}


def _agents(views: Views, request: InfoRequest) -> object:
    return [
        {"name": agent.name, "address": agent.address, "validUntil": agent.until_ms}
        for agent in views.exchange.agents(user_of(request))
    ]


def _sub_accounts(views: Views, request: InfoRequest) -> object:
    """None where there are none, as on the venue."""
    master = user_of(request)
    rows = [
        {
            "name": one.name,
            "subAccountUser": one.address,
            "master": master,
            "clearinghouseState": views.clearinghouse(one.address),
            "spotState": {"balances": []},
        }
        for one in views.exchange.sub_accounts(master)
    ]
    return rows or None


USER_ANSWERS: Final[dict[str, Answerer]] = {
    "openOrders": _open_orders,
    "frontendOpenOrders": lambda views, request: views.open_orders(user_of(request), request.dex),
    "userFills": lambda views, request: views.fills(
        user_of(request), bool(request.aggregate_by_time)
    ),
    "userFillsByTime": _fills_by_time,
    "clearinghouseState": lambda views, request: views.clearinghouse(user_of(request), request.dex),
    "activeAssetData": _active_asset,
    "spotClearinghouseState": lambda _, request: {"balances": []} if user_of(request) else None,
    "orderStatus": _order_status,
    "historicalOrders": _historical_orders,
    "userRateLimit": _rate_limit,
    "userFees": _fees,
    "userFunding": _user_funding,
    "userRole": _role,
    "extraAgents": _agents,
    "subAccounts": _sub_accounts,
    "userAbstraction": lambda _, request: "disabled" if user_of(request) else None,
}
