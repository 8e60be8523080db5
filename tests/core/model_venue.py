"""A venue as small as the protocol allows: our orders, their fills, its words. No book, no price.

It answers what the venue port asks: actions (as JSON), order updates, fills, and REST questions.
"""

from collections import deque
from collections.abc import Coroutine, Generator, Sequence
from decimal import Decimal
from itertools import cycle
from types import coroutine
from typing import Any

import msgspec

from mm.adapters.hyperliquid import answers
from mm.adapters.hyperliquid.budget import WeightMeter
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.wire import OrderCore, OrderUpdate, WireFill, WireFunding, WireTrade
from mm.model.actions import Cancel, Modify, Place
from mm.model.units import NS_PER_MS, SIDES, Ns, Side

COIN = "TEST"
ZERO = Decimal(0)
NOT_OPEN = "Order was never placed, already canceled, or filled. asset=0"
NOT_MODIFIABLE = "Cannot modify canceled or filled order asset=0"
POST_ONLY = "Post only order would have immediately matched, bbo was 1@2. asset=0"
REDUCE_ONLY = "Reduce only order would increase position. asset=0"
NO_MATCH = "Order could not immediately match against any resting orders. asset=0"
DUPLICATE_NONCE = b'{"status":"err","response":"Invalid nonce: duplicate nonce 7"}'
OK = {"status": "ok", "response": {"type": "default"}}
MIXED = ("refused", "done", "early", "closes first")
"""What befalls the requests of one action, in turn."""
US = "0x" + "ab" * 20

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

    __slots__ = (
        "cloid", "filled", "level", "oid", "price", "reduce_only", "remaining", "side", "size",
        "status", "status_ms",
    )  # fmt: skip

    def __init__(self, oid: int, ask: Place | Modify, ms: int) -> None:
        self.oid, self.cloid, self.side = oid, ask.cloid, ask.side
        self.price, self.size, self.level = ask.price, ask.size, ask.level
        self.filled, self.remaining = ZERO, ask.size
        self.reduce_only = ask.reduce_only
        self.status, self.status_ms = "open", ms

    def row(self) -> OrderCore:
        side: Any = "B" if self.side is Side.BID else "A"
        return OrderCore(COIN, side, self.price, self.remaining, self.oid, self.cloid)


class ModelVenue:
    """`updates`, `fill_words` and `prints` are the streams: what was said, oldest first, with its
    time. `mute`, `still`: that of fills, of orders says nothing, though the connection stands."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.orders: dict[int, VenueOrder] = {}
        self.open: dict[int, VenueOrder] = {}
        self.newest: dict[str, int] = {}
        self.forgotten: set[str] = set()
        """Client ids that a question for their status finds no more."""
        self.position = ZERO
        self.fills: list[WireFill] = []
        self.updates: deque[tuple[Ns, list[OrderUpdate]]] = deque()
        self.fill_words: deque[tuple[Ns, WireFill]] = deque()
        self.prints: deque[tuple[Ns, WireTrade]] = deque()
        self.listening = True
        self.mute = self.still = False
        self.nonces: set[int] = set()

    def takes(self, nonce: int) -> bool:
        """Once."""
        known = nonce in self.nonces
        self.nonces.add(nonce)
        return not known

    @property
    def resting(self) -> list[VenueOrder]:
        return list(self.open.values())

    @property
    def says(self) -> bool:
        """Is there a word that nobody has heard yet?"""
        return bool(self.updates or self.fill_words or self.prints)

    # -- what happens ---------------------------------------------------------------------------

    def execute(self, requests: Sequence[Request], fate: str) -> bytes:
        """The answer to one signed action. `fate`: of what may be refused, how it is."""
        if fate == "whole":
            return _json({"status": "err", "response": "Insufficient margin to place order."})
        fates = MIXED if fate == "mixed" else (fate,)
        statuses = [
            self._item(one, each) for one, each in zip(requests, cycle(fates), strict=False)
        ]
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
            return self._place(request, fate)
        assert old is not None
        if fate == "early":
            return {"error": "Price must be divisible by tick size. asset=0"}
        if fate in ("refused", "refused aloud"):
            self.end(old, "canceled")
            return {
                "error": f"Error placing new order during modify: {self._refuse(request, fate)}"
            }
        return self._replace(request, old, closes_first=fate == "closes first")

    def _place(self, request: Place, fate: str) -> Status:
        if fate in ("refused", "refused aloud"):
            return {"error": NO_MATCH if request.flatten else self._refuse(request, fate)}
        if request.flatten:
            return self._exit(request, fate)
        return self._open(request) if self._reduces(request) else {"error": REDUCE_ONLY}

    def _reduces(self, ask: Place | Modify) -> bool:
        return not ask.reduce_only or ask.side * self.position < 0

    def _refuse(self, request: Place | Modify, fate: str) -> str:
        """`aloud`: under an id of its own, of which the stream tells as well."""
        if fate == "refused aloud":
            self.end(self._new(request), "badAloPxRejected")
        return POST_ONLY

    def _exit(self, request: Place, fate: str) -> Status:
        """Immediate or cancel, and reduce only: all of it trades, or a part."""
        most = min(request.size, -request.side * self.position)
        if most <= 0:
            return {"error": REDUCE_ONLY}
        order = self._new(request)
        size = min(most, Decimal(1)) if fate == "closes first" else most
        self.take(order, size)
        if order.status == "open":
            self.end(order, "filled")
        filled = {"oid": order.oid, "cloid": order.cloid, "totalSz": str(size), "avgPx": "100"}
        return {"filled": filled}

    def _replace(self, request: Modify, old: VenueOrder, *, closes_first: bool) -> Status:
        if not self._reduces(request):
            self.end(old, "canceled")
            return {"error": f"Error placing new order during modify: {REDUCE_ONLY}"}
        if closes_first:
            self.end(old, "canceled")
            return self._open(request)
        self._close(old, "canceled")
        answer = self._open(request)
        self._say(old)
        return answer

    def _open(self, ask: Place | Modify) -> Status:
        order = self._new(ask)
        self.open[order.oid] = order
        self._say(order)
        self._shrink()
        return {"resting": {"oid": order.oid, "cloid": order.cloid}}

    def _new(self, ask: Place | Modify) -> VenueOrder:
        order = VenueOrder(100 + len(self.orders), ask, self.clock.ms)
        self.orders[order.oid] = order
        self.newest[order.cloid] = order.oid
        return order

    def end(self, order: VenueOrder, status: str) -> None:
        self._close(order, status)
        self._say(order)

    def _close(self, order: VenueOrder, status: str) -> None:
        order.status, order.status_ms = status, self.clock.ms
        self.open.pop(order.oid, None)

    def take(self, order: VenueOrder, size: Decimal) -> None:
        """A taker trades with this order of ours."""
        order.remaining -= size
        order.filled += size
        letter: Any = "B" if order.side is Side.BID else "A"
        fill = WireFill(
            COIN, order.price, size, letter, self.clock.ms, self.position, order.oid, False, ZERO,
            len(self.fills) + 1, order.cloid,
        )  # fmt: skip
        self.position += order.side * size
        self.fills.append(fill)
        if self.listening:
            if not self.mute:
                self.fill_words.append((self.clock.ts, fill))
            users = (US, "0x") if order.side is Side.BID else ("0x", US)
            price, amount = float(order.price), float(size)
            word = WireTrade(COIN, letter, price, amount, fill.time, fill.tid, users)
            self.prints.append((self.clock.ts, word))
        if not order.remaining:
            self.end(order, "filled")
        self._shrink()

    def _shrink(self) -> None:
        """Reduce-only orders together are no larger than the position; the latest come first."""
        left = {side: max(ZERO, -side * self.position) for side in SIDES}
        for order in reversed([one for one in self.resting if one.reduce_only]):
            order.remaining = min(order.remaining, left[order.side])
            left[order.side] -= order.remaining
            if not order.remaining:
                self.end(order, "reduceOnlyCanceled")

    def _say(self, order: VenueOrder) -> None:
        if self.listening and not self.still:
            word = OrderUpdate(order.row(), order.status, order.status_ms)
            self.updates.append((self.clock.ts, [word]))

    def disconnect(self) -> None:
        self.listening = self.mute = self.still = False
        self.updates.clear()
        self.fill_words.clear()
        self.prints.clear()

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

    async def fills_since(self, user: str, start_ms: int, *, urgent: bool = False) -> answers.Fills:
        await pause()
        fills = [one for one in self._venue.fills if one.time >= start_ms]
        await pause()
        return fills

    async def fundings_since(self, user: str, start_ms: int) -> list[WireFunding]:
        await pause()
        return []

    async def order_status(self, user: str, target: str | int) -> answers.OrderStatus:
        await pause()
        order = self._venue.orders.get(self._venue.newest.get(str(target), 0))
        if target in self._venue.forgotten and order is not None and order.status != "open":
            order = None
        found = None
        if order is not None:
            found = answers.FoundOrder(order.row(), order.status, order.status_ms)
        await pause()
        return answers.OrderStatus("unknownOid" if found is None else "order", found)

    async def order_statuses(
        self, user: str, targets: Sequence[str]
    ) -> list[answers.OrderStatus | RestError]:
        found: list[answers.OrderStatus | RestError] = []
        for target in targets:
            try:
                found.append(await self.order_status(user, target))
            except RestError as error:
                found.append(error)
        return found

    async def clearinghouse(
        self, user: str, dex: str = "", *, urgent: bool = False
    ) -> answers.Clearinghouse:
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
        """Cancels and no-operations: what goes by REST on its own account."""
        await pause()
        if envelope["action"]["type"] == "noop":
            taken = self._venue.takes(envelope["nonce"])
            await pause()
            return _json(OK) if taken else DUPLICATE_NONCE
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
