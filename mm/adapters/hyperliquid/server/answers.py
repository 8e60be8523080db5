"""The exchange's answers as the venue words them."""

from typing import Any, TypeAlias

from mm.adapters.hyperliquid.server.account_requests import SubAccountCreation
from mm.adapters.hyperliquid.server.requests import (
    Action,
    BatchModify,
    Cancel,
    CancelByCloid,
    Modify,
    Order,
)
from mm.adapters.hyperliquid.server.shapes import number
from mm.model.exchange import Answer, Done, Filled, Item, Refused, Resting

Json: TypeAlias = dict[str, Any]


def refused(message: str) -> Json:
    return {"status": "err", "response": message}


def answer(action: Action, outcome: Answer) -> Json:
    """The body of the HTTP 200 that `action` is answered with."""
    if outcome.error is not None:
        return refused(outcome.error)
    match action:
        case Order() | BatchModify():
            return _statuses("order", outcome)
        case Cancel() | CancelByCloid():
            return _statuses("cancel", outcome)
        case SubAccountCreation():
            created = {"type": "createSubAccount", "data": outcome.opened}
            return {"status": "ok", "response": created}
        case Modify() if outcome.items and isinstance(outcome.items[0], Refused):
            return refused(outcome.items[0].message)
        case _:
            return {"status": "ok", "response": {"type": "default"}}


def _statuses(kind: str, outcome: Answer) -> Json:
    statuses = [_status(item) for item in outcome.items]
    return {"status": "ok", "response": {"type": kind, "data": {"statuses": statuses}}}


def _status(item: Item) -> Json | str:
    match item:
        case Done():
            return "success"
        case Refused():
            return {"error": item.message}
        case Resting():
            return {"resting": _named(item, {"oid": item.oid})}
        case Filled():
            filled = {
                "totalSz": number(item.total_size),
                "avgPx": number(item.average_price),
                "oid": item.oid,
            }
            return {"filled": _named(item, filled)}


def _named(item: Resting | Filled, body: Json) -> Json:
    return body if item.cloid is None else body | {"cloid": item.cloid}
