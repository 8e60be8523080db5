"""A crowd of frames at once: snapshots are conflated, prints and fills are told, each of them."""

from collections.abc import Sequence
from typing import Any

from mm.adapters.hyperliquid.server.feeds import frame
from mm.model.events import Bbo, Book, Event, Fill, Trades
from mm.model.units import NS_PER_MS
from tests.adapters.hyperliquid.stand import ME, cloid, live, stand

FRAMES = 900
"""A hundredfold market sends as many in the time of a few garbage collections."""
PRINT_EVERY, FILL_EVERY = 7, 50


def touch(number: int, now_ms: int) -> dict[str, Any]:
    sides = [{"px": str(price + number / 10), "sz": "1", "n": 1} for price in (99_000, 99_500)]
    return {"coin": "BTC", "time": now_ms, "bbo": sides}


def book(number: int, now_ms: int) -> dict[str, Any]:
    bid, ask = touch(number, now_ms)["bbo"]
    return {"coin": "BTC", "time": now_ms, "levels": [[bid], [ask]]}


def trade(number: int, now_ms: int) -> list[dict[str, Any]]:
    row = {"coin": "BTC", "side": "B", "px": "99500", "sz": "1", "time": now_ms, "tid": number}
    return [row | {"hash": "0x0", "users": ["0x1", "0x2"]}]


def fill(number: int, now_ms: int) -> dict[str, Any]:
    row = {
        "coin": "BTC", "px": "99000", "sz": "0.01", "side": "B", "time": now_ms, "oid": number,
        "startPosition": "0", "crossed": False, "fee": "0.1", "tid": number,
        "cloid": cloid(number),
    }  # fmt: skip
    return {"user": ME.address, "fills": [row]}


def crowd(now_ms: int) -> list[tuple[str, Any]]:
    """(channel, data): mostly touches and books, now and then a print or a fill of ours."""
    frames: list[tuple[str, Any]] = []
    for number in range(1, FRAMES + 1):
        if number % FILL_EVERY == 0:
            frames.append(("userFills", fill(number, now_ms)))
        elif number % PRINT_EVERY == 0:
            frames.append(("trades", trade(number, now_ms)))
        else:
            snapshot = book if number % 2 else touch
            frames.append(("l2Book" if number % 2 else "bbo", snapshot(number, now_ms)))
    return frames


def seen(events: Sequence[Event]) -> list[int]:
    """Prints and fills, by their ids, in the order in which they were told."""
    prints = (event.trades if isinstance(event, Trades) else (event,) for event in events)
    return [one.trade_id for group in prints for one in group if hasattr(one, "trade_id")]


async def test_a_crowd_of_frames_is_conflated_and_loses_no_print_and_no_fill() -> None:
    async with stand() as at, live(at) as (_, probe):
        (connection,) = at.server.connections
        told, now_ms = len(probe.events), at.clock.now() // NS_PER_MS
        frames = crowd(now_ms)
        ids = [n for n, (channel, _) in enumerate(frames, 1) if channel in ("trades", "userFills")]

        for channel, data in frames:
            connection.send(frame(channel, data))
        last = ids[-1]
        await probe.until(lambda: last in seen(probe.events[told:]))

        events = [event for event in probe.events[told:] if isinstance(event, Trades | Fill)]
        snapshots = [event for event in probe.events[told:] if isinstance(event, Bbo | Book)]
        assert seen(events) == ids
        assert len(snapshots) < FRAMES / 2, "what is overtaken need not be looked at"
        stamps = [event.ts for event in probe.events]
        assert stamps == sorted(stamps)
