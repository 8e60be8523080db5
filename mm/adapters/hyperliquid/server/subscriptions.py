"""What a websocket client may say: typed frames, subscriptions with their defaults filled in."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct

from mm.adapters.hyperliquid.server.requests import Address, Natural

INTERVALS_MS = {
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "2h": 7_200_000,
    "4h": 14_400_000,
    "8h": 28_800_000,
    "12h": 43_200_000,
    "1d": 86_400_000,
    "3d": 259_200_000,
    "1w": 604_800_000,
    "1M": 2_592_000_000,
}
"""Candle widths; a month is 30 days here."""

Coin: TypeAlias = Annotated[str, Meta(max_length=64)]


class L2Book(Struct, frozen=True, tag="l2Book", tag_field="type", rename="camel"):
    coin: Coin
    n_sig_figs: int | None = None
    mantissa: int | None = None
    fast: bool = False


class Bbo(Struct, frozen=True, tag="bbo", tag_field="type"):
    coin: Coin


class Trades(Struct, frozen=True, tag="trades", tag_field="type"):
    coin: Coin


class AllMids(Struct, frozen=True, tag="allMids", tag_field="type"):
    dex: str | None = None


class ActiveAssetCtx(Struct, frozen=True, tag="activeAssetCtx", tag_field="type"):
    coin: Coin


class ActiveAssetData(Struct, frozen=True, tag="activeAssetData", tag_field="type"):
    user: Address
    coin: Coin


class Candle(Struct, frozen=True, tag="candle", tag_field="type"):
    coin: Coin
    interval: str


class UserFills(Struct, frozen=True, tag="userFills", tag_field="type", rename="camel"):
    user: Address
    aggregate_by_time: bool = False


class OrderUpdates(Struct, frozen=True, tag="orderUpdates", tag_field="type"):
    user: Address


class UserEvents(Struct, frozen=True, tag="userEvents", tag_field="type"):
    user: Address


class UserAlias(Struct, frozen=True, tag="user", tag_field="type"):
    """The old name of userEvents."""

    user: Address


class UserFundings(Struct, frozen=True, tag="userFundings", tag_field="type"):
    user: Address


class OpenOrders(Struct, frozen=True, tag="openOrders", tag_field="type"):
    user: Address
    dex: str | None = None


class ClearinghouseState(Struct, frozen=True, tag="clearinghouseState", tag_field="type"):
    user: Address
    dex: str | None = None


MarketSubscription: TypeAlias = L2Book | Bbo | Trades | ActiveAssetCtx | Candle
UserSubscription: TypeAlias = (
    UserFills
    | OrderUpdates
    | UserEvents
    | UserFundings
    | OpenOrders
    | ClearinghouseState
    | ActiveAssetData
)
Subscription: TypeAlias = MarketSubscription | AllMids | UserSubscription
ACCOUNT_STATE = ClearinghouseState | ActiveAssetData


class Subscribe(Struct, tag="subscribe", tag_field="method"):
    subscription: Subscription | UserAlias


class Unsubscribe(Struct, tag="unsubscribe", tag_field="method"):
    subscription: Subscription | UserAlias


class Ping(Struct, tag="ping", tag_field="method"):
    pass


class PostRequest(Struct):
    type: Literal["action", "info"]
    payload: Raw


class Post(Struct, tag="post", tag_field="method"):
    id: Natural
    request: PostRequest


Frame: TypeAlias = Subscribe | Unsubscribe | Ping | Post

decode = msgspec.json.Decoder(Frame).decode


def normalised(subscription: Subscription | UserAlias) -> Subscription:
    """The address in lower case, the default dex as "", the old alias under its name."""
    match subscription:
        case UserAlias():
            return UserEvents(subscription.user.lower())
        case OpenOrders() | ClearinghouseState():
            return type(subscription)(subscription.user.lower(), subscription.dex or "")
        case UserFills():
            return UserFills(subscription.user.lower(), subscription.aggregate_by_time)
        case OrderUpdates() | UserEvents() | UserFundings():
            return type(subscription)(subscription.user.lower())
        case ActiveAssetData():
            return ActiveAssetData(subscription.user.lower(), subscription.coin)
        case AllMids():
            return AllMids(subscription.dex or None)
        case _:
            return subscription


def as_json(subscription: Subscription) -> dict[str, Any]:
    echo: dict[str, Any] = msgspec.to_builtins(subscription)
    if isinstance(subscription, AllMids) and subscription.dex is None:
        del echo["dex"]
    return echo


def user_of(subscription: Subscription) -> str | None:
    return getattr(subscription, "user", None)


def is_valid_aggregation(n_sig_figs: int | None, mantissa: int | None) -> bool:
    if n_sig_figs not in {None, 2, 3, 4, 5}:
        return False
    return mantissa is None or (n_sig_figs == 5 and mantissa in {1, 2, 5})
