"""The official SDK's stack on the same market: its websocket thread, its signing, its HTTP.

What it decides is decided by the same engine. Its clock starts when the SDK is handed the text of a
frame, and stops when the last byte of the HTTP request is written; while an answer is awaited, the
SDK's thread reads nothing, which is not counted against it. Needs the development dependency
`hyperliquid-python-sdk`.
"""

import json
import os
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from threading import Event as Flag
from typing import Any

from mm.adapters.hyperliquid import answers
from mm.app.clock import WallClock, stopwatch_ns
from mm.app.latency.bare import outcome
from mm.app.latency.samples import Samples
from mm.app.latency.setting import KEY, WARM_S, Watched, config, quoting_engine, replaced
from mm.model.actions import Action, Cancel, Modify, Place
from mm.model.events import Bbo, Book, Event, Levels, RequestKind, Tick, Trade, Trades
from mm.model.units import NS_PER_MS, NS_PER_S, Ns, Side

COIN = "BTC"
POST_ONLY = {"limit": {"tif": "Alo"}}
CHANNELS = ("bbo", "l2Book", "trades")
PURE_PYTHON = "eth_keys.backends.NativeECCBackend"


def as_installed(url: str, duration_s: float) -> Samples:
    """Without coincurve, which the SDK does not ask for: elliptic curves in pure Python."""
    os.environ["ECC_BACKEND_CLASS"] = PURE_PYTHON
    return measure(url, duration_s)


def measure(url: str, duration_s: float) -> Samples:
    """With coincurve, which is here because `mm` signs with it."""
    watched = Watched()
    with watched.engines():
        Stack(url, watched).run(duration_s)
    return watched.end()


class Stack:
    """Everything happens on the SDK's websocket thread."""

    def __init__(self, url: str, watched: Watched) -> None:
        from eth_account import Account
        from hyperliquid.exchange import Exchange
        from hyperliquid.info import Info
        from hyperliquid.utils.types import Cloid

        self._watched = watched
        self._clock = WallClock()
        self._exchange = Exchange(Account.from_key(KEY), url)
        self._info = Info(url)
        self._cloid = Cloid.from_str
        now = self._clock.now()
        self._tick_due = now + NS_PER_S
        self._came = 0
        self._mark = 0
        self._due: list[Action] = []
        self._engine = quoting_engine(config(url, Path()), now)

    def run(self, duration_s: float) -> None:
        import hyperliquid.exchange as signing
        from hyperliquid.websocket_manager import WebsocketManager

        received, sign, written = (
            WebsocketManager.on_message,
            signing.sign_l1_action,
            HTTPConnection.send,
        )

        def on_message(manager: Any, socket: Any, message: str) -> None:  # noqa: ANN401 - the SDK's
            self._came = stopwatch_ns()
            received(manager, socket, message)

        def sign_timed(*given: Any) -> Any:  # noqa: ANN401 - the SDK's
            began = stopwatch_ns()
            signature = sign(*given)
            self._mark = stopwatch_ns()
            self._watched.signed(self._mark - began)
            return signature

        def send(connection: HTTPConnection, data: Any) -> None:  # noqa: ANN401 - the library's
            written(connection, data)
            before, self._mark = self._mark, stopwatch_ns()
            self._watched.wrote(self._mark - before)

        with (
            replaced(WebsocketManager, "on_message", on_message),
            replaced(signing, "sign_l1_action", sign_timed),
            replaced(HTTPConnection, "send", send),
        ):
            manager = self._info.ws_manager
            manager.ws.on_message = manager.on_message
            for channel in CHANNELS:
                self._info.subscribe({"type": channel, "coin": COIN}, self._on_frame)
            Flag().wait(WARM_S)
            self._watched.begin()
            Flag().wait(duration_s)

    def _on_frame(self, frame: Any) -> None:  # noqa: ANN401 - JSON
        decoded = stopwatch_ns() - self._came
        ts = self._clock.now()
        self._watched.counted()
        self._watched.came(ts, self._came, decoded)
        self._act(self._engine.step(_event(frame, ts)).actions)
        if ts >= self._tick_due:
            self._tick_due += NS_PER_S
            self._act(self._engine.step(Tick(self._clock.now())).actions)

    def _act(self, actions: Sequence[Action]) -> None:
        self._due += actions
        while self._due:
            due, self._due = self._due, []
            self._send(due)

    def _send(self, actions: Sequence[Action]) -> None:
        cancels = [a for a in actions if isinstance(a, Cancel)]
        modifies = [a for a in actions if isinstance(a, Modify)]
        places = [a for a in actions if isinstance(a, Place)]
        if cancels:
            rows = [{"coin": COIN, "cloid": self._cloid(a.cloid)} for a in cancels]
            self._told(RequestKind.CANCEL, cancels, self._exchange.bulk_cancel_by_cloid(rows))
        if modifies:
            rows = [{"oid": a.oid, "order": self._order(a)} for a in modifies]
            self._told(RequestKind.MODIFY, modifies, self._exchange.bulk_modify_orders_new(rows))
        if places:
            rows = [self._order(a) for a in places]
            self._told(RequestKind.PLACE, places, self._exchange.bulk_orders(rows))

    def _order(self, action: Place | Modify) -> dict[str, Any]:
        return {
            "coin": COIN,
            "is_buy": action.side is Side.BID,
            "sz": float(action.size),
            "limit_px": float(action.price),
            "order_type": POST_ONLY,
            "reduce_only": action.reduce_only,
            "cloid": self._cloid(action.cloid),
        }

    def _told(self, kind: RequestKind, asked: Sequence[Any], answer: Any) -> None:  # noqa: ANN401 - JSON
        """The answer is here: what it means goes to the engine."""
        ts = self._clock.now()
        items = answers.items(json.dumps(answer).encode(), len(asked))
        for action, item in zip(asked, items, strict=True):
            self._due += self._engine.step(outcome(kind, action.cloid, item, ts)).actions


def _event(frame: Any, ts: Ns) -> Event:  # noqa: ANN401 - JSON
    data = frame["data"]
    match frame["channel"]:
        case "bbo":
            bid, ask = (
                (float(row["px"]), float(row["sz"])) if row else None for row in data["bbo"]
            )
            return Bbo(ts, data["time"] * NS_PER_MS, bid, ask)
        case "l2Book":
            bids, asks = (_levels(rows) for rows in data["levels"])
            return Book(ts, data["time"] * NS_PER_MS, bids, asks)
        case _:
            return Trades(ts, tuple(_trade(row) for row in data))


def _levels(rows: list[Any]) -> Levels:
    return tuple((float(row["px"]), float(row["sz"])) for row in rows)


def _trade(row: Any) -> Trade:  # noqa: ANN401 - JSON
    side = Side.BID if row["side"] == "B" else Side.ASK
    return Trade(row["time"] * NS_PER_MS, float(row["px"]), float(row["sz"]), side, row["tid"])
