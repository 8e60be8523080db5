"""Arbitrary bytes to everything that reads bytes, steered by coverage: `make fuzz` (libFuzzer)."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from mm.adapters.hyperliquid import answers, wire
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.inbox import Inbox
from mm.adapters.hyperliquid.own import OwnOrders
from mm.adapters.hyperliquid.server import envelope, info, subscriptions
from mm.adapters.hyperliquid.server.requests import MalformedError, RefusedActionError
from mm.adapters.hyperliquid.settings import NO_HOOKS
from tests.adapters.hyperliquid.stand import ME, WallClock, cloid

ITEMS: Final = 3
CORPUS: Final = Path(__file__).parents[3] / "build" / "fuzz"

LEVEL: Final = {"px": "84143.0", "sz": "10.2", "n": 36}
FILL: Final = {
    "coin": "BTC", "px": "66653.0", "sz": "0.001", "side": "A", "time": 1781528065899,
    "startPosition": "-0.02", "oid": 55, "crossed": False, "fee": "-0.01", "tid": 7,
    "cloid": cloid(1),
}  # fmt: skip
ORDER: Final = {
    "coin": "BTC", "side": "B", "limitPx": "83000.0", "sz": "0.01", "oid": 5, "timestamp": 1,
    "origSz": "0.01", "cloid": cloid(1),
}  # fmt: skip
PRINT: Final = {
    "coin": "BTC", "side": "A", "px": "84143.0", "sz": "0.01", "time": 1790232236546, "tid": 1,
    "hash": "0x", "users": [ME.address.lower(), "0x"],
}  # fmt: skip
CONTEXT: Final = {"funding": "0.00001", "oraclePx": "84150.0", "markPx": "84144.0", "midPx": None}
SIGNATURE: Final = {"r": "0x1", "s": "0x2", "v": 27}
ITEM: Final = {"a": 0, "b": True, "p": "1", "s": "1", "r": False, "t": {"limit": {"tif": "Alo"}}}
SEEDS: Final[tuple[dict[str, object], ...]] = (
    {"channel": "l2Book", "data": {"coin": "BTC", "time": 1, "levels": [[LEVEL], [LEVEL]]}},
    {"channel": "bbo", "data": {"coin": "BTC", "time": 1, "bbo": [LEVEL, None]}},
    {"channel": "trades", "data": [PRINT]},
    {"channel": "activeAssetCtx", "data": {"coin": "BTC", "ctx": CONTEXT}},
    {"channel": "userFills", "data": {"isSnapshot": True, "user": "0x", "fills": [FILL]}},
    {"channel": "orderUpdates", "data": [{"order": ORDER, "status": "open", "statusTimestamp": 1}]},
    {"channel": "post", "data": {"id": 1, "response": {"type": "action", "payload": {}}}},
    {"status": "ok", "response": {"type": "order", "data": {"statuses": [{"error": "no"}]}}},
    {"status": "err", "response": "Unable to recover signer."},
    {"method": "subscribe", "subscription": {"type": "l2Book", "coin": "BTC", "nSigFigs": 5}},
    {"method": "post", "id": 1, "request": {"type": "info", "payload": {"type": "meta"}}},
    {"type": "orderStatus", "user": ME.address, "oid": cloid(1)},
    {"action": {"type": "order", "orders": [ITEM], "grouping": "na"}, "nonce": 1,
     "signature": SIGNATURE, "vaultAddress": None, "expiresAfter": None},
)  # fmt: skip


def hears(frame: wire.Frame | None) -> None:
    """What a frame tells is taken in without an exception, whatever it says."""
    inbox = Inbox(ME.address.lower(), "BTC", OwnOrders("6d6d"), Health(WallClock(), NO_HOOKS))
    match frame:
        case wire.BookFrame(data=data):
            list(inbox.book(data, 1))
        case wire.BboFrame(data=data):
            list(inbox.bbo(data, 1))
        case wire.TradesFrame(data=data):
            list(inbox.trades(data, 1))
        case wire.ContextFrame(data=data):
            list(inbox.reference(data, 1))
        case wire.FillsFrame(data=data):
            list(inbox.fills(data.fills, 1))
        case wire.OrdersFrame(data=data):
            list(inbox.orders(data, 1))
        case wire.FundingsFrame(data=data):
            list(inbox.fundings(data.fundings, 1))


def reads(read: Callable[[bytes], object], raw: bytes, *errors: type[Exception]) -> None:
    """Or raises what it says that it raises."""
    with suppress(*errors):
        read(raw)


def one(raw: bytes) -> None:
    hears(wire.FrameDecoder().decode(raw))
    reads(lambda data: answers.items(data, ITEMS), raw, msgspec.DecodeError)
    bad = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
    reads(subscriptions.decode, raw, *bad)
    reads(info.decode, raw, MalformedError)
    reads(envelope.decode, raw, MalformedError, RefusedActionError)


def corpus() -> Path:
    """A directory with one of each kind, to begin from."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS):
        (CORPUS / f"seed{number}").write_bytes(msgspec.json.encode(seed))
    return CORPUS
