"""Actions to the wire: coalesced into few signed requests, and never blocking who decides."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from msgspec import structs

from mm.adapters.hyperliquid import encode
from mm.adapters.hyperliquid.budget import AddressBudget
from mm.adapters.hyperliquid.encode import AssetOf, WireAction
from mm.adapters.hyperliquid.posts import Posts
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.stream import LinkLostError, Stream
from mm.adapters.hyperliquid.verdicts import Request, Ticket, Verdicts
from mm.model.actions import Action, Cancel, CancelAll, Modify, Place
from mm.model.events import RejectCode


class Queue:
    """What waits to be sent, newest word per client id; `requests` in the order of the wire."""

    def __init__(self) -> None:
        self.cancels: dict[str, Cancel] = {}
        self.modifies: dict[str, Modify] = {}
        self.places: dict[str, Place] = {}
        self.flattens: dict[str, Place] = {}

    def add(self, action: Place | Modify | Cancel) -> None:
        match action:
            case Cancel(cloid=cloid):
                self.cancels[cloid] = action
            case Modify(cloid=cloid):
                self.modifies[cloid] = action
            case Place(cloid=cloid, flatten=True):
                self.flattens[cloid] = action
            case Place(cloid=cloid):
                self.places[cloid] = action

    def drop_quotes(self, concerns: Callable[[str], bool]) -> Iterator[Place | Modify]:
        """Such client ids are to be cancelled: what was not yet sent need not be."""
        for waiting in (self.places, self.modifies):
            for cloid in [cloid for cloid in waiting if concerns(cloid)]:
                yield waiting.pop(cloid)

    def take(self) -> Iterator[tuple[Request, ...]]:
        """Each tuple is one signed action, and waits here until its turn has come. Cancels first:
        they free margin and budget.

        Post-only orders travel alone, as that is what gives them priority in a block.
        """
        waiting: dict[str, Cancel] | dict[str, Modify] | dict[str, Place]
        for waiting in (self.cancels, self.modifies, self.places, self.flattens):
            while cloids := list(waiting)[: encode.MAX_ITEMS]:
                yield tuple(waiting.pop(cloid) for cloid in cloids)


class Sender:
    """`put` queues; `run` sends, what several coins have queued as one action.

    `on_cancel_all` is called with the coin of a CancelAll.
    """

    def __init__(
        self, seat: Seat, stream: Stream, rest: Rest, budget: AddressBudget, verdicts: Verdicts
    ) -> None:
        self._seat = seat
        self._own = verdicts.own
        self._stream = stream
        self._rest = rest
        self._budget = budget
        self._verdicts = verdicts
        verdicts.on_low_nonce = seat.outrank
        verdicts.on_expired = self._doubt_time
        verdicts.on_too_many = rest.meter.refused
        verdicts.on_spent = budget.refused
        self._time_doubtful = False
        self._queue, self._sending = Queue(), Queue()
        self._wake = asyncio.Event()
        self.posts = Posts(seat.settings.request_timeout_s, seat.settings.asking.posts_in_flight)
        self.posts.on_late = stream.suspect
        self.on_cancel_all: Callable[[str], None] = lambda _: None
        self.leaving: set[str] = set()
        """Coins that were told to cancel all, and have quoted nothing since."""

    def put(self, coin: str, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, CancelAll):
                self.drop_quotes(coin)
                self.leaving.add(coin)
                self.on_cancel_all(coin)
            elif isinstance(action, Place | Modify | Cancel):
                self._own.belongs(action.cloid, coin)
                self._queue.add(action)
                if isinstance(action, Place) and not action.flatten:
                    self.leaving.discard(coin)
        self._wake.set()

    def drop_quotes(self, coin: str | None = None) -> None:
        """Those of this coin, or all."""

        def concerns(cloid: str) -> bool:
            return coin is None or self._own.coin_of(cloid) == coin

        why = "dropped: everything is being cancelled"
        for queue in (self._sending, self._queue):
            for dropped in queue.drop_quotes(concerns):
                self._verdicts.unsent(self._ticket((dropped,)), why)

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._time_doubtful and self._rest.meter.may_poll:
                self._time_doubtful = False
                await self._seat.ask_time(self._rest)
            self._sending, self._queue = self._queue, Queue()
            for requests in self._sending.take():
                if affordable := self._affordable(requests):
                    await self._request(affordable)

    def left(self) -> dict[str, int]:
        """Of what the venue allows our IP address: weight and messages of the minute, posts."""
        return {
            "weight": self._rest.meter.spare,
            "messages": self._stream.messages.spare,
            "posts": max(0, self.posts.limit - len(self.posts)),
        }

    def _doubt_time(self) -> None:
        self._time_doubtful = True

    def _affordable(self, requests: tuple[Request, ...]) -> tuple[Request, ...]:
        """The venue would refuse all that is too much, or cut us off: the last of what it allows is
        for what takes risk away."""
        why = self._shortage()
        if not why:
            return requests
        goes = _by_rest if self._is_crowded else _sheds_risk
        held = tuple(one for one in requests if not goes(one))
        if held:
            self._verdicts.unsent(self._ticket(held), f"not sent: {why}", RejectCode.RATE)
        return tuple(one for one in requests if goes(one))

    def _shortage(self) -> str:
        """Of what there is too little left to add risk; "": of nothing."""
        if not self._rest.meter.may_add_risk:
            return "the minute's request weight is spent"
        if not self._stream.messages.may_add_risk:
            return "the minute's websocket messages are spent"
        return "" if self.posts.may_add_risk else "too many requests are unanswered"

    @property
    def _is_crowded(self) -> bool:
        """Would one more frame on the websocket be too much?"""
        return not (self._stream.messages.may_cancel and self.posts.may_cancel)

    async def _request(self, requests: tuple[Request, ...]) -> None:
        ticket = self._ticket(requests)
        by_rest = _by_rest(requests[0])
        if not self._stream.is_open and not by_rest:
            self._verdicts.unsent(ticket, "not connected: nothing was sent")
            return
        try:
            envelope = self._seat.envelope(_action(requests, self._asset_of))
        except ValueError as error:
            self._verdicts.unsent(ticket, f"not sent: {error}")
            return
        ticket = structs.replace(ticket, nonce=envelope["nonce"])
        self._verdicts.sent(ticket)
        self._budget.spend(len(requests))
        doubtful = self._stream.is_doubtful or self._is_crowded
        if self._stream.is_open and not (by_rest and doubtful):
            await self._post(ticket, envelope)
        else:
            await self._exchange(ticket, envelope)

    async def _post(self, ticket: Ticket, envelope: WireAction) -> None:
        actions = len(ticket.requests)
        self._rest.meter.act(encode.weight(actions), actions)
        request_id = self.posts.expect(
            partial(self._verdicts.reply, ticket), partial(self._verdicts.lost, ticket)
        )
        try:
            await self._stream.send(encode.post(request_id, "action", envelope))
        except LinkLostError as error:
            self.posts.lose(request_id, str(error))

    async def _exchange(self, ticket: Ticket, envelope: WireAction) -> None:
        try:
            weight = encode.weight(len(ticket.requests))
            self._verdicts.answer(ticket, await self._rest.exchange(envelope, weight))
        except RestError as error:
            (self._verdicts.refused if error.refused else self._verdicts.lost)(ticket, str(error))
        if isinstance(ticket.requests[0], Place):
            self._own.traded = True
            self._verdicts.wake()

    def _asset_of(self, cloid: str) -> int:
        return self._seat.assets[self._own.coin_of(cloid) or ""]

    def _ticket(self, requests: tuple[Request, ...]) -> Ticket:
        return Ticket(
            kind=requests[0].kind,
            requests=requests,
            sent=self._seat.now(),
            expires=self._seat.expiry(),
        )


def _sheds_risk(request: Request) -> bool:
    return isinstance(request, Cancel) or request.reduce_only


def _by_rest(request: Request) -> bool:
    """What is worth a second way out while the websocket is down or may be: what reduces risk.

    No modify is: of an order that some limit wants smaller or gone, the core asks a cancel.
    """
    return isinstance(request, Cancel) or (isinstance(request, Place) and request.flatten)


def _action(requests: Sequence[Request], asset_of: AssetOf) -> WireAction:
    places = [one for one in requests if isinstance(one, Place)]
    modifies = [one for one in requests if isinstance(one, Modify)]
    if places:
        return encode.place(places, asset_of)
    if modifies:
        return encode.modify(modifies, asset_of)
    return encode.cancel([one.cloid for one in requests], asset_of)
