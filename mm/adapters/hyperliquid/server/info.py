"""`/info`: every question a trading client asks, and its weight."""

from collections.abc import Callable
from typing import Final, TypeAlias

from msgspec import DecodeError, Struct, json

from mm.adapters.hyperliquid.server import shapes
from mm.adapters.hyperliquid.server.requests import (
    UNDESERIALIZABLE,
    Address,
    ClientId,
    MalformedError,
    Natural,
)
from mm.adapters.hyperliquid.server.shapes import number
from mm.adapters.hyperliquid.server.subscriptions import INTERVALS_MS, is_valid_aggregation
from mm.adapters.hyperliquid.server.views import MAX_ROWS, Views

FOREVER: Final = 2**63 - 1
REACHABLE_FILLS = 10_000
MAX_FUNDINGS = 500
LIGHT = {
    "l2Book",
    "allMids",
    "clearinghouseState",
    "orderStatus",
    "spotClearinghouseState",
    "exchangeStatus",
}
PER_ROW = {
    "userFills",
    "userFillsByTime",
    "historicalOrders",
    "recentTrades",
    "fundingHistory",
    "userFunding",
}
USDC = {
    "name": "USDC",
    "szDecimals": 8,
    "weiDecimals": 8,
    "index": 0,
    "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054",
    "isCanonical": True,
}


class UnanswerableError(Exception):
    """The venue answers this one with HTTP 500: bad book aggregation."""


class CandleRequest(Struct, rename="camel"):
    coin: str
    interval: str
    start_time: Natural
    end_time: Natural | None = None


class InfoRequest(Struct, rename="camel"):
    """All fields of all questions; `need` says which one was missing."""

    type: str
    user: Address | None = None
    coin: str | None = None
    dex: str | None = None
    oid: Natural | ClientId | None = None
    start_time: Natural | None = None
    end_time: Natural | None = None
    aggregate_by_time: bool | None = None
    n_sig_figs: int | None = None
    mantissa: int | None = None
    req: CandleRequest | None = None


_decode = json.Decoder(InfoRequest).decode


def decode(body: bytes) -> InfoRequest:
    """Raises MalformedError."""
    try:
        request = _decode(body)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(UNDESERIALIZABLE) from error
    if request.type not in ANSWERS:
        raise MalformedError(UNDESERIALIZABLE)
    if request.user is not None:
        request.user = request.user.lower()
    return request


def answer(views: Views, request: InfoRequest) -> object:
    """JSON-like. Raises MalformedError, UnanswerableError."""
    return ANSWERS[request.type](views, request)


def weight(request: InfoRequest, found: object) -> int:
    """What the answer costs of the IP address's budget per minute."""
    if request.type in LIGHT:
        return 2
    if request.type == "userRole":
        return 60
    rows = len(found) if isinstance(found, list) else 0
    if request.type == "candleSnapshot":
        return 20 + rows // 60
    return 20 + (rows // 20 if request.type in PER_ROW else 0)


def _user(request: InfoRequest) -> str:
    if request.user is None:
        raise MalformedError(UNDESERIALIZABLE)
    return request.user


def _coin(views: Views, request: InfoRequest) -> str | None:
    """None for a coin that does not exist."""
    if request.coin is None:
        raise MalformedError(UNDESERIALIZABLE)
    return request.coin if request.coin in views.coins else None


def _range(request: InfoRequest) -> tuple[int, int]:
    if request.start_time is None:
        raise MalformedError(UNDESERIALIZABLE)
    return request.start_time, FOREVER if request.end_time is None else request.end_time


# -- market -------------------------------------------------------------------------------------


def _meta_and_contexts(views: Views, request: InfoRequest) -> object:
    return [views.meta(request.dex), views.contexts(request.dex)]


def _l2_book(views: Views, request: InfoRequest) -> object:
    coin = _coin(views, request)
    if not is_valid_aggregation(request.n_sig_figs, request.mantissa):
        raise UnanswerableError
    if coin is None:
        return None
    return views.l2_book(coin, request.n_sig_figs, request.mantissa, fast=False)


def _recent_trades(views: Views, request: InfoRequest) -> object:
    coin = _coin(views, request)
    return None if coin is None else views.recent_trades(coin)[::-1]


def _candles(views: Views, request: InfoRequest) -> object:
    asked = request.req
    if asked is None or asked.interval not in INTERVALS_MS:
        raise MalformedError(UNDESERIALIZABLE)
    end = FOREVER if asked.end_time is None else asked.end_time
    return views.candles.between(asked.coin, asked.interval, asked.start_time, end)


def _funding_history(views: Views, request: InfoRequest) -> object:
    coin, (start, end) = _coin(views, request), _range(request)
    if coin is None:
        return None
    rows = (row for row in views.exchange.funding_history(coin, start) if start <= row[0] <= end)
    return [
        {"coin": coin, "fundingRate": number(rate), "premium": number(premium), "time": time}
        for time, rate, premium in rows
    ][:MAX_FUNDINGS]


# -- users --------------------------------------------------------------------------------------


def _open_orders(views: Views, request: InfoRequest) -> object:
    return [shapes.basic_order(row) for row in views.orders(_user(request), request.dex)]


def _fills_by_time(views: Views, request: InfoRequest) -> object:
    start, end = _range(request)
    reachable = list(views.exchange.fills(_user(request)))[-REACHABLE_FILLS:]
    found = [fill for fill in reachable if start <= fill.trade.time_ms <= end][:MAX_ROWS]
    if request.aggregate_by_time:
        return shapes.merged_fills(found)
    return [shapes.fill(fill) for fill in found]


def _order_status(views: Views, request: InfoRequest) -> object:
    user, target = _user(request), request.oid
    if target is None:
        raise MalformedError(UNDESERIALIZABLE)
    wanted = target.lower() if isinstance(target, str) else target
    found = views.exchange.order_status(user, wanted)
    if found is None:
        return {"status": "unknownOid"}
    return {"status": "order", "order": shapes.order_with_status(*found)}


def _historical_orders(views: Views, request: InfoRequest) -> object:
    rows = views.exchange.historical_orders(_user(request))
    return [shapes.order_with_status(*row) for row in list(rows)[: -MAX_ROWS - 1 : -1]]


def _rate_limit(views: Views, request: InfoRequest) -> object:
    limit = views.exchange.rate_limit(_user(request))
    return {
        "cumVlm": number(limit.cumulative_volume),
        "nRequestsUsed": limit.used,
        "nRequestsCap": limit.cap,
        "nRequestsSurplus": 0,
    }


def _fees(views: Views, request: InfoRequest) -> object:
    rates = views.exchange.fee_rates(_user(request))
    cross, add = number(rates.taker), number(rates.maker)
    return {
        "dailyUserVlm": [],
        "feeSchedule": {
            "cross": cross,
            "add": add,
            "spotCross": "0.0007",
            "spotAdd": "0.0004",
            "tiers": {"vip": [], "mm": []},
            "referralDiscount": "0.0",
            "stakingDiscountTiers": [],
        },
        "userCrossRate": cross,
        "userAddRate": add,
        "userSpotCrossRate": "0.0007",
        "userSpotAddRate": "0.0004",
        "activeReferralDiscount": "0.0",
        "trial": None,
        "feeTrialReward": "0.0",
        "nextTrialAvailableTimestamp": None,
        "stakingLink": None,
        "activeStakingDiscount": {"bpsOfMaxSupply": "0.0", "discount": "0.0"},
    }


def _user_funding(views: Views, request: InfoRequest) -> object:
    start, end = _range(request)
    rows = [row for row in views.fundings(_user(request)) if start <= row["time"] <= end]
    return [
        {
            "time": row["time"],
            "hash": shapes.NO_HASH,
            "delta": {"type": "funding"} | {k: v for k, v in row.items() if k != "time"},
        }
        for row in rows[:MAX_FUNDINGS]
    ]


def _active_asset(views: Views, request: InfoRequest) -> object:
    user, coin = _user(request), _coin(views, request)
    if coin is None:
        return None
    leverage, is_cross = views.exchange.leverage(user, coin)
    kind = "cross" if is_cross else "isolated"
    return {"user": user, "coin": coin, "leverage": {"type": kind, "value": leverage}}


def _role(views: Views, request: InfoRequest) -> object:
    return {"role": "agent" if views.exchange.is_agent(_user(request)) else "user"}


Answerer: TypeAlias = Callable[[Views, InfoRequest], object]

ANSWERS: Final[dict[str, Answerer]] = {
    "meta": lambda views, request: views.meta(request.dex),
    "metaAndAssetCtxs": _meta_and_contexts,
    "perpDexs": lambda views, _: views.dexes(),
    "spotMeta": lambda _, __: {"universe": [], "tokens": [USDC]},
    "spotMetaAndAssetCtxs": lambda _, __: [{"universe": [], "tokens": [USDC]}, []],
    "allMids": lambda views, request: views.mids(request.dex),
    "l2Book": _l2_book,
    "recentTrades": _recent_trades,
    "candleSnapshot": _candles,
    "fundingHistory": _funding_history,
    "exchangeStatus": lambda views, _: {"time": views.now_ms(), "specialStatuses": None},
    "openOrders": _open_orders,
    "frontendOpenOrders": lambda views, request: views.open_orders(_user(request), request.dex),
    "userFills": lambda views, request: views.fills(
        _user(request), bool(request.aggregate_by_time)
    ),
    "userFillsByTime": _fills_by_time,
    "clearinghouseState": lambda views, request: views.clearinghouse(_user(request), request.dex),
    "activeAssetData": _active_asset,
    "spotClearinghouseState": lambda _, request: {"balances": []} if _user(request) else None,
    "orderStatus": _order_status,
    "historicalOrders": _historical_orders,
    "userRateLimit": _rate_limit,
    "userFees": _fees,
    "userFunding": _user_funding,
    "userRole": _role,
    "extraAgents": lambda _, request: [] if _user(request) else None,
    "userAbstraction": lambda _, request: "disabled" if _user(request) else None,
}
