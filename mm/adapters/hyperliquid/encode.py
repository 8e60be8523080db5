"""Actions as the venue signs them: the keys' order below is the signing order."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec

from mm.adapters.hyperliquid.sign import wire_number
from mm.model.actions import Modify, Place
from mm.model.units import Side

WireAction: TypeAlias = dict[str, Any]

AssetOf: TypeAlias = Callable[[str], int]
"""The asset id that the order of this client id is in: one action may hold several."""

MAX_ITEMS: Final = 100
"""Per signed action; the venue refuses above 200."""

_json = msgspec.json.Encoder()


def place(orders: Sequence[Place], asset_of: AssetOf) -> WireAction:
    """One bulk order. Mixing post-only and flatten orders would cost the former their priority."""
    return {
        "type": "order",
        "orders": [
            _order(one, asset_of, "Ioc" if one.flatten else "Alo", one.reduce_only or one.flatten)
            for one in orders
        ],
        "grouping": "na",
    }


def modify(orders: Sequence[Modify], asset_of: AssetOf) -> WireAction:
    return {
        "type": "batchModify",
        "modifies": [
            {"oid": one.oid, "order": _order(one, asset_of, "Alo", one.reduce_only)}
            for one in orders
        ],
    }


def cancel(cloids: Sequence[str], asset_of: AssetOf) -> WireAction:
    return {
        "type": "cancelByCloid",
        "cancels": [{"asset": asset_of(cloid), "cloid": cloid} for cloid in cloids],
    }


def schedule_cancel(time_ms: int | None) -> WireAction:
    """None clears it."""
    action: WireAction = {"type": "scheduleCancel"}
    return action if time_ms is None else action | {"time": time_ms}


def noop() -> WireAction:
    """Uses up a nonce."""
    return {"type": "noop"}


def weight(items: int) -> int:
    """Of an action, in the IP address's budget."""
    return 1 + items // 40


def post(request_id: int, kind: str, payload: WireAction) -> str:
    """A websocket request of `kind` action or info."""
    frame = {"method": "post", "id": request_id, "request": {"type": kind, "payload": payload}}
    return _json.encode(frame).decode()


def body(payload: WireAction) -> bytes:
    return _json.encode(payload)


def _order(one: Place | Modify, asset_of: AssetOf, tif: str, reduce_only: bool) -> WireAction:
    return {
        "a": asset_of(one.cloid),
        "b": one.side is Side.BID,
        "p": _positive(one.price),
        "s": _positive(one.size),
        "r": reduce_only,
        "t": {"limit": {"tif": tif}},
        "c": one.cloid,
    }


def _positive(value: Decimal) -> str:
    if not (value.is_finite() and value > 0):
        raise ValueError(f"neither price nor size may be {value}")
    return wire_number(value)
