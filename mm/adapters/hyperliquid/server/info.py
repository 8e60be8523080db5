"""`/info`: every question a trading client asks."""

from typing import Final

from msgspec import DecodeError, json

from mm.adapters.hyperliquid.server import spot
from mm.adapters.hyperliquid.server.questions import (
    FOREVER,
    Answerer,
    InfoRequest,
    coin_of,
    span_of,
)
from mm.adapters.hyperliquid.server.questions import UnanswerableError as UnanswerableError
from mm.adapters.hyperliquid.server.questions import weight as weight
from mm.adapters.hyperliquid.server.requests import UNDESERIALIZABLE, MalformedError
from mm.adapters.hyperliquid.server.shapes import number
from mm.adapters.hyperliquid.server.subscriptions import INTERVALS_MS, is_valid_aggregation
from mm.adapters.hyperliquid.server.user_info import MAX_FUNDINGS, USER_ANSWERS
from mm.adapters.hyperliquid.server.views import Views

_decode = json.Decoder(InfoRequest).decode


def decode(body: bytes) -> InfoRequest:
    """Raises MalformedError."""
    try:
        request = _decode(body)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(UNDESERIALIZABLE) from error
    if request.type not in ANSWERS:
        raise MalformedError(f"{UNDESERIALIZABLE}: no answer to {request.type!r} on this exchange")
    if request.user is not None:
        request.user = request.user.lower()
    return request


def answer(views: Views, request: InfoRequest) -> object:
    """JSON-like. Raises MalformedError, UnanswerableError."""
    return ANSWERS[request.type](views, request)


# -- market -------------------------------------------------------------------------------------


def _meta_and_contexts(views: Views, request: InfoRequest) -> object:
    return [views.meta(request.dex), views.contexts(request.dex)]


def _l2_book(views: Views, request: InfoRequest) -> object:
    coin = coin_of(views, request)
    if not is_valid_aggregation(request.n_sig_figs, request.mantissa):
        raise UnanswerableError
    if coin is None:
        return None
    return views.l2_book(coin, request.n_sig_figs, request.mantissa, fast=False)


def _recent_trades(views: Views, request: InfoRequest) -> object:
    coin = coin_of(views, request)
    return None if coin is None else views.recent_trades(coin)[::-1]


def _candles(views: Views, request: InfoRequest) -> object:
    asked = request.req
    if asked is None or asked.interval not in INTERVALS_MS:
        raise MalformedError(UNDESERIALIZABLE)
    end = FOREVER if asked.end_time is None else asked.end_time
    return views.candles.between(asked.coin, asked.interval, asked.start_time, end)


def _funding_history(views: Views, request: InfoRequest) -> object:
    coin, (start, end) = coin_of(views, request), span_of(request)
    if coin is None:
        return None
    rows = (row for row in views.exchange.funding_history(coin, start) if start <= row[0] <= end)
    return [
        {"coin": coin, "fundingRate": number(rate), "premium": number(premium), "time": time}
        for time, rate, premium in rows
    ][:MAX_FUNDINGS]


ANSWERS: Final[dict[str, Answerer]] = {
    "meta": lambda views, request: views.meta(request.dex),
    "metaAndAssetCtxs": _meta_and_contexts,
    "perpDexs": lambda views, _: views.dexes(),
    "spotMeta": lambda _, __: spot.meta(),
    "spotMetaAndAssetCtxs": lambda _, __: [spot.meta(), spot.contexts()],
    "allMids": lambda views, request: views.mids(request.dex),
    "l2Book": _l2_book,
    "recentTrades": _recent_trades,
    "candleSnapshot": _candles,
    "fundingHistory": _funding_history,
    "exchangeStatus": lambda views, _: {"time": views.now_ms(), "specialStatuses": None},
} | USER_ANSWERS
