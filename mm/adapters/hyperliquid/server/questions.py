"""What `/info` can be asked, and what a question weighs."""

from collections.abc import Callable
from typing import Final, TypeAlias

from msgspec import Struct

from mm.adapters.hyperliquid.server.requests import (
    UNDESERIALIZABLE,
    Address,
    ClientId,
    MalformedError,
    Natural,
)
from mm.adapters.hyperliquid.server.views import Views

FOREVER: Final = 2**63 - 1
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


Answerer: TypeAlias = Callable[[Views, InfoRequest], object]


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


def user_of(request: InfoRequest) -> str:
    if request.user is None:
        raise MalformedError(UNDESERIALIZABLE)
    return request.user


def coin_of(views: Views, request: InfoRequest) -> str | None:
    """None for a coin that does not exist."""
    if request.coin is None:
        raise MalformedError(UNDESERIALIZABLE)
    return request.coin if request.coin in views.coins else None


def span_of(request: InfoRequest) -> tuple[int, int]:
    if request.start_time is None:
        raise MalformedError(UNDESERIALIZABLE)
    return request.start_time, FOREVER if request.end_time is None else request.end_time
