"""Who listens to what: first values, changes and periodic pushes of every websocket channel."""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any, Protocol

import msgspec

from mm.adapters.hyperliquid.desks import dex_of
from mm.adapters.hyperliquid.server import shapes
from mm.adapters.hyperliquid.server import subscriptions as subs
from mm.adapters.hyperliquid.server.mischief import Mischief
from mm.adapters.hyperliquid.server.options import Options
from mm.adapters.hyperliquid.server.subscriptions import Subscription
from mm.adapters.hyperliquid.server.views import Views
from mm.model.exchange import (
    Answer,
    BboReport,
    FillReport,
    FundingReport,
    OrderReport,
    Report,
    TradeReport,
)
from mm.model.units import Ns, Side, nanoseconds

NOT_BY_USER = {"marginCanceled", "selfTradeCanceled", "liquidatedCanceled", "scheduledCancel"}
"""What userEvents calls nonUserCancel. That reduceOnlyCanceled is none was seen on the testnet; of
these it is unverified."""

_encode = msgspec.json.Encoder().encode


class Listener(Protocol):
    def send(self, frame: bytes) -> None: ...


def frame(channel: str, data: object) -> bytes:
    return _encode({"channel": channel, "data": data})


class Feeds:
    """Fan-out of reports. Each frame is built once, and only if somebody listens."""

    def __init__(
        self,
        views: Views,
        options: Options,
        mischief: Mischief,
        on_answer: Callable[[Answer], None],
    ) -> None:
        self._views, self._mischief, self._on_answer = views, mischief, on_answer
        self._random = Random(options.seed)  # noqa: S311  # order of frames, not secrecy
        cadence = options.cadence
        self._listeners: dict[Subscription, dict[Listener, None]] = {}
        self._pushes: list[tuple[Ns, Callable[[Subscription], bool]]] = [
            (nanoseconds(cadence.book_s), lambda s: isinstance(s, subs.L2Book) and not s.fast),
            (nanoseconds(cadence.fast_book_s), lambda s: isinstance(s, subs.L2Book) and s.fast),
            (nanoseconds(cadence.mids_s), lambda s: isinstance(s, subs.AllMids)),
            (nanoseconds(cadence.context_s), lambda s: isinstance(s, subs.ActiveAssetCtx)),
            (nanoseconds(cadence.account_s), lambda s: isinstance(s, subs.ACCOUNT_STATE)),
        ]
        self._due: list[Ns] = [0 for _ in self._pushes]

    # -- listeners ------------------------------------------------------------------------------

    def add(self, listener: Listener, subscription: Subscription) -> None:
        """Register, and tell the current value where the channel has one."""
        self._listeners.setdefault(subscription, {})[listener] = None
        for first in self.first_frames(subscription):
            listener.send(first)

    def remove(self, listener: Listener, subscription: Subscription) -> None:
        listeners = self._listeners.get(subscription, {})
        listeners.pop(listener, None)
        if not listeners:
            self._listeners.pop(subscription, None)

    def first_frames(self, subscription: Subscription) -> list[bytes]:
        match subscription:
            case subs.Trades(coin):
                replay = self._views.recent_trades(coin)
                return [frame("trades", replay)] if replay else []
            case subs.UserFundings(user):
                fundings = self._views.fundings(user)
                return self._snapshot("userFundings", user, fundings=fundings)
            case subs.UserFills(user, aggregate):
                fills = self._views.fills(user, aggregate)
                return self._snapshot("userFills", user, fills=fills)
            case _:
                return self._current(subscription)

    def _snapshot(self, channel: str, user: str, **rows: list[Any]) -> list[bytes]:
        snapshot = frame(channel, {"isSnapshot": True, "user": user, **rows})
        return [snapshot] * self._mischief.copies_of_snapshot()

    def _current(self, subscription: Subscription) -> list[bytes]:
        """The frame of a channel whose every message is its whole value."""
        views = self._views
        match subscription:
            case subs.L2Book(coin, n_sig_figs, mantissa, fast):
                return [frame("l2Book", views.l2_book(coin, n_sig_figs, mantissa, fast))]
            case subs.Bbo(coin):
                return [frame("bbo", views.bbo(coin))]
            case subs.AllMids(dex):
                own = {"mids": views.mids(dex)}
                return [frame("allMids", own | {"dex": dex} if dex else own)]
            case subs.ActiveAssetCtx(coin):
                return [frame("activeAssetCtx", {"coin": coin, "ctx": views.context(coin)})]
            case subs.Candle(coin, interval):
                candle = views.candles.latest(coin, interval)
                return [] if candle is None else [frame("candle", candle)]
            case _:
                return self._of_account(subscription)

    def _of_account(self, subscription: Subscription) -> list[bytes]:
        views = self._views
        match subscription:
            case subs.OpenOrders(user, dex):
                data = {"dex": dex, "user": user, "orders": views.open_orders(user, dex)}
                return [frame("openOrders", data)]
            case subs.ClearinghouseState(user, dex):
                state = views.clearinghouse(user, dex)
                whole = {"dex": dex, "user": user, "clearinghouseState": state}
                return [frame("clearinghouseState", whole)]
            case subs.ActiveAssetData(user, coin):
                return [frame("activeAssetData", views.active_asset(user, coin))]
            case _:
                return []

    # -- telling --------------------------------------------------------------------------------

    def publish(self, outcomes: Iterable[Answer | Report]) -> None:
        """Everything that one advance brought, streams in random relative order, as on the venue.

        Within a stream the order stands; of several touches in one advance the last is told.
        """
        groups: dict[tuple[str, str | int], list[Any]] = {}
        for outcome in outcomes:
            for stream_key in _streams(outcome):
                groups.setdefault(stream_key, []).append(outcome)
        order = list(groups.items())
        self._random.shuffle(order)
        for (stream, key), group in order:
            if stream == "answer":
                self._on_answer(group[0])
            else:
                self._tell(stream, str(key), group)

    def _tell(self, stream: str, key: str, group: list[Any]) -> None:
        match stream:
            case "bbo":
                self._send(subs.Bbo(key), lambda: frame("bbo", shapes.bbo(group[-1])))
            case "trades":
                self._tell_trades(key, group)
            case "orders":
                self._tell_orders(key, group)
            case "fills":
                self._tell_fills(key, group)
            case "events":
                self._tell_events(key, group)
            case "fundings":
                self._tell_fundings(key, group)

    def _tell_orders(self, user: str, group: list[OrderReport]) -> None:
        rows = map(shapes.order_update, group)
        if not self._mischief.loses_update():
            self._send(subs.OrderUpdates(user), lambda: frame("orderUpdates", list(rows)))
        dexes = dict.fromkeys(dex_of(report.order.coin) for report in group)
        self._refresh(subs.OpenOrders(user, dex) for dex in dexes)
        gone = [report.order for report in group if report.status in NOT_BY_USER]
        if gone:
            cancelled = [{"coin": order.coin, "oid": order.oid} for order in gone]
            self._tell_event(user, {"nonUserCancel": cancelled})

    def _tell_trades(self, coin: str, group: list[TradeReport]) -> None:
        for report in group:
            self._views.candles.add(report)
        self._send(subs.Trades(coin), lambda: frame("trades", [shapes.trade(r) for r in group]))
        self._refresh(s for s in self._listeners if isinstance(s, subs.Candle) and s.coin == coin)

    def _tell_fills(self, user: str, group: list[FillReport]) -> None:
        """An increment has no `isSnapshot`, as on the venue."""

        def increment(aggregate: bool) -> bytes:
            rows = shapes.merged_fills(group) if aggregate else [shapes.fill(r) for r in group]
            return frame("userFills", {"user": user, "fills": rows})

        for aggregate in (False, True):
            self._send(subs.UserFills(user, aggregate), partial(increment, aggregate))
        for dex in dict.fromkeys(dex_of(report.trade.coin) for report in group):
            self._refresh([subs.OpenOrders(user, dex), subs.ClearinghouseState(user, dex)])

    def _tell_fundings(self, user: str, group: list[FundingReport]) -> None:
        rows = [shapes.funding(report) for report in group]
        data = {"user": user, "fundings": rows}
        self._send(subs.UserFundings(user), lambda: frame("userFundings", data))
        for row in rows:
            self._tell_event(user, {"funding": row})

    def _tell_events(self, user: str, group: list[FillReport]) -> None:
        fills = map(shapes.fill, group)
        self._send(subs.UserEvents(user), lambda: frame("user", {"fills": list(fills)}))
        closed = [one for one in group if one.liquidated_user == user]
        if closed:
            told = _liquidation(user, closed, self._views.equity(user, closed[0].trade.coin))
            self._tell_event(user, {"liquidation": told})

    def _tell_event(self, user: str, data: dict[str, Any]) -> None:
        """Each has exactly one key."""
        self._send(subs.UserEvents(user), partial(frame, "user", data))

    def push_due(self, now: Ns) -> None:
        """One clock per cadence for all coins, re-sent even if unchanged."""
        for i, (period, applies) in enumerate(self._pushes):
            if now >= self._due[i]:
                self._due[i] = now + 1 if not period else now - now % period + period
                self._refresh(s for s in self._listeners if applies(s))

    def _refresh(self, subscriptions: Iterable[Subscription]) -> None:
        for subscription in list(subscriptions):
            if self._listeners.get(subscription):
                for current in self._current(subscription):
                    self._send(subscription, partial(bytes, current))

    def _send(self, subscription: Subscription, build: Callable[[], bytes]) -> None:
        listeners = self._listeners.get(subscription)
        if listeners and not self._mischief.mutes(_channel(subscription)):
            built = build()
            for listener in listeners:
                listener.send(built)


def _liquidation(user: str, fills: list[FillReport], equity: Decimal) -> dict[str, Any]:
    """What the exchange sold and bought of a client's that it had to close."""
    first = fills[0]
    notional = sum((one.trade.size * one.trade.price for one in fills), Decimal(0))
    return {
        "lid": first.oid,
        "liquidator": first.trade.seller if first.side is Side.BID else first.trade.buyer,
        "liquidated_user": user,
        "liquidated_ntl_pos": shapes.number(notional),
        "liquidated_account_value": shapes.number(equity),
    }


def _channel(subscription: Subscription) -> str:
    return str(subscription.__struct_config__.tag)


def _streams(outcome: Answer | Report) -> Iterator[tuple[str, str | int]]:
    match outcome:
        case Answer():
            yield "answer", outcome.ticket
        case BboReport():
            yield "bbo", outcome.coin
        case TradeReport():
            yield "trades", outcome.coin
        case OrderReport():
            yield "orders", outcome.user
        case FillReport():
            yield "fills", outcome.user
            yield "events", outcome.user
        case FundingReport():
            yield "fundings", outcome.user
