"""A venue as small as the protocol allows: our orders, their fills, its words. No book, no price.

It answers what the venue port asks: actions (as JSON), order updates, fills, and REST questions.
"""

from collections import deque
from collections.abc import Coroutine, Generator, Sequence
from decimal import Decimal
from types import coroutine
from typing import Any

import msgspec

from mm.adapters.hyperliquid import answers
from mm.adapters.hyperliquid.budget import WeightMeter
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.wire import OrderCore, OrderUpdate, WireFill
from mm.model.actions import Cancel, Modify, Place
from mm.model.units import NS_PER_MS, Ns, Side

COIN = "TEST"
ZERO = Decimal(0)
NOT_OPEN = "Order was never placed, already canceled, or filled. asset=0"
NOT_MODIFIABLE = "Cannot modify canceled or filled order asset=0"
POST_ONLY = "Post only order would have immediately matched, bbo was 1@2. asset=0"

Request = Place | Modify | Cancel
Status = str | dict[str, Any]


class Clock:
    def __init__(self, start: Ns) -> None:
        self.ts = start

    def now(self) -> Ns:
        return self.ts

    @property
    def ms(self) -> int:
        return self.ts // NS_PER_MS


class VenueOrder:
    """One venue id."""

    def __init__(self, oid: int, ask: Place | Modify, ms: int) -> None:
        self.oid, self.cloid, self.side = oid, ask.cloid, ask.side
        self.price, self.size, self.level = ask.price, ask.size, ask.level
        self.remaining = ask.size
        self.status, self.status_ms = "open", ms

    def row(self) -> OrderCore:
        side: Any = "B" if self.side is Side.BID else "A"
        return OrderCore(COIN, side, self.price, self.remaining, self.oid, self.cloid)


class ModelVenue:
    """`updates` and `fill_words` are the streams: what was said, oldest first, with its time."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.orders: dict[int, VenueOrder] = {}
        self.newest: dict[str, int] = {}
        self.position = ZERO
        self.fills: list[WireFill] = []
        self.updates: deque[tuple[Ns, list[OrderUpdate]]] = deque()
        self.fill_words: deque[tuple[Ns, WireFill]] = deque()
        self.listening = True

    @property
    def resting(self) -> list[VenueOrder]:
        return [one for one in self.orders.values() if one.status == "open"]

    # -- what happens ---------------------------------------------------------------------------

    def execute(self, requests: Sequence[Request], fate: str) -> bytes:
        """The answer to one signed action. `fate`: of what may be refused, how it is."""
        if fate == "whole":
            return _json({"status": "err", "response": "Insufficient margin to place order."})
        statuses = [self._item(one, fate) for one in requests]
        return _json(
            {"status": "ok", "response": {"type": "order", "data": {"statuses": statuses}}}
        )

    def _item(self, request: Request, fate: str) -> Status:
        old = self.orders.get(self.newest.get(request.cloid, 0))
        if isinstance(request, Modify):
            old = self.orders.get(request.oid)
        if not isinstance(request, Place) and (old is None or old.status != "open"):
            return {"error": NOT_MODIFIABLE if isinstance(request, Modify) else NOT_OPEN}
        if isinstance(request, Cancel):
            assert old is not None
            self.end(old, "canceled")
            return "success"
        if isinstance(request, Place):
            return {"error": POST_ONLY} if fate == "refused" else self._open(request)
        assert old is not None
        if fate == "early":
            return {"error": "Price must be divisible by tick size. asset=0"}
        if fate == "refused":
            self.end(old, "canceled")
            return {"error": f"Error placing new order during modify: {POST_ONLY}"}
        return self._replace(request, old, closes_first=fate == "closes first")

    def _replace(self, request: Modify, old: VenueOrder, *, closes_first: bool) -> Status:
        if closes_first:
            self.end(old, "canceled")
            return self._open(request)
        old.status, old.status_ms = "canceled", self.clock.ms
        answer = self._open(request)
        self._say(old)
        return answer

    def _open(self, ask: Place | Modify) -> Status:
        order = VenueOrder(100 + len(self.orders), ask, self.clock.ms)
        self.orders[order.oid] = order
        self.newest[order.cloid] = order.oid
        self._say(order)
        return {"resting": {"oid": order.oid, "cloid": order.cloid}}

    def end(self, order: VenueOrder, status: str) -> None:
        order.status, order.status_ms = status, self.clock.ms
        self._say(order)

    def take(self, order: VenueOrder, size: Decimal) -> None:
        """A taker trades with this order of ours."""
        order.remaining -= size
        letter: Any = "B" if order.side is Side.BID else "A"
        fill = WireFill(
            COIN, order.price, size, letter, self.clock.ms, self.position, order.oid, False, ZERO,
            len(self.fills) + 1, order.cloid,
        )  # fmt: skip
        self.position += order.side * size
        self.fills.append(fill)
        if self.listening:
            self.fill_words.append((self.clock.ts, fill))
        if not order.remaining:
            self.end(order, "filled")

    def _say(self, order: VenueOrder) -> None:
        if self.listening:
            word = OrderUpdate(order.row(), order.status, order.status_ms)
            self.updates.append((self.clock.ts, [word]))

    def disconnect(self) -> None:
        self.listening = False
        self.updates.clear()
        self.fill_words.clear()

    def subscribe(self) -> None:
        """Fills come with a snapshot, order updates without."""
        self.listening = True
        self.fill_words.extend((self.clock.ts, fill) for fill in self.fills[-5:])


# -- REST -----------------------------------------------------------------------------------------


@coroutine
def pause() -> Generator[None, None, None]:
    """On the way to the venue, or back: other things happen."""
    yield


class ModelRest(Rest):
    """Each question is a pause, the venue's word as of then, and another pause."""

    def __init__(self, venue: ModelVenue) -> None:
        super().__init__("http://127.0.0.1", 3.0, WeightMeter(venue.clock.now))
        self._venue = venue

    async def open_orders(
        self, user: str, dex: str = "", *, urgent: bool = False
    ) -> answers.Orders:
        await pause()
        rows = [one.row() for one in self._venue.resting]
        await pause()
        return rows

    async def fills_since(self, user: str, start_ms: int) -> answers.Fills:
        await pause()
        fills = [one for one in self._venue.fills if one.time >= start_ms]
        await pause()
        return fills

    async def order_status(self, user: str, target: str | int) -> answers.OrderStatus:
        await pause()
        order = self._venue.orders.get(self._venue.newest.get(str(target), 0))
        found = None
        if order is not None:
            found = answers.FoundOrder(order.row(), order.status, order.status_ms)
        await pause()
        return answers.OrderStatus("unknownOid" if found is None else "order", found)

    async def clearinghouse(self, user: str, dex: str = "") -> answers.Clearinghouse:
        await pause()
        held = {"type": "oneWay", "position": {"coin": COIN, "szi": str(self._venue.position)}}
        word = {
            "assetPositions": [held],
            "marginSummary": {"accountValue": "10000"},
            "time": self._venue.clock.ms,
        }
        await pause()
        return msgspec.convert(word, answers.Clearinghouse, strict=False)

    async def exchange(self, envelope: dict[str, Any], weight: int = 1) -> bytes:
        """Cancels only: what the way out sends."""
        await pause()
        cancels = [Cancel(one["cloid"]) for one in envelope["action"]["cancels"]]
        answer = self._venue.execute(cancels, "done")
        await pause()
        return answer


class Task:
    """A coroutine that goes on when it is told to."""

    def __init__(self, name: str, work: Coroutine[None, None, object], ts: Ns) -> None:
        self.name, self.work, self.ts = name, work, ts

    def step(self, ts: Ns, *, fail: bool = False) -> bool:
        """True once it has ended. `fail`: the venue cannot be reached this time."""
        self.ts = ts
        try:
            if fail:
                self.work.throw(RestError("HTTP 502"))
            else:
                self.work.send(None)
        except (StopIteration, RestError):
            return True
        return False


def _json(value: dict[str, Any]) -> bytes:
    return msgspec.json.encode(value)
