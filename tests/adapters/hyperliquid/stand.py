"""A stand for the client: the real exchange behind the real server, in real time, with faults."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import TypeVar

from mm.adapters.hyperliquid.server import Cadence, HyperliquidServer, Limits, Options
from mm.adapters.hyperliquid.settings import Asking, Hooks, VenueSettings
from mm.adapters.hyperliquid.sign import Signer
from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.model.actions import Note, Place
from mm.model.events import Event, Link
from mm.model.exchange import CancelOrders, OrderRef, OrderSpec, PlaceOrders, Request, Signed, Tif
from mm.model.units import NS_PER_MS, Ns, Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scripted import calm_market
from tests.patience import now_ns

ME = Signer("0x" + "11" * 32)
OTHER = "0x" + "b0" * 20
PREFIX = "6d6d"
QUICK = Cadence(pump_s=0.005, fast_book_s=0.1, context_s=0.2)
PATIENT = Limits(connections_per_min=100_000, weight_per_min=10_000_000, messages_per_min=1_000_000)
RULES = ExchangeOptions(block_ms=20, schedule_cancel_volume=None)
LIMIT_S = 60.0
"""No test waits longer for what must come: far more than a busy machine takes."""
T = TypeVar("T", bound=Event)


def cloid(number: int, run: int = 1) -> str:
    return f"0x{PREFIX}{run:08x}{number:020x}"


def bid(number: int, price: str = "99980", size: str = "0.01") -> Place:
    return Place(cloid(number), Side.BID, 1, Decimal(price), Decimal(size))


class WallClock:
    def __init__(self, ahead: Ns = 0) -> None:
        self._ahead = ahead

    def now(self) -> Ns:
        return now_ns() + self._ahead


class Probe:
    """What a venue said, and a way to wait for it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.notes: list[Note] = []
        self.frames: list[tuple[Ns, str]] = []
        self.round_trips: list[tuple[str, float]] = []
        self._news = asyncio.Event()

    def emit(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, condition: Callable[[], object], within_s: float = LIMIT_S) -> None:
        async with asyncio.timeout(within_s):
            while not condition():
                self._news.clear()
                with suppress(TimeoutError):  # a condition may hang on more than events
                    await asyncio.wait_for(self._news.wait(), 0.05)

    async def first(self, kind: type[T], matches: Callable[[T], bool] = lambda _: True) -> T:
        await self.until(lambda: any(map(matches, self.of(kind))))
        return next(event for event in self.of(kind) if matches(event))

    @property
    def links(self) -> list[bool]:
        return [link.up for link in self.of(Link)]

    async def up(self, times: int = 1) -> None:
        await self.until(lambda: self.links.count(True) >= times)


class Stand:
    """One exchange, one server. `faults`: what to do with the next replies (None: lose it)."""

    def __init__(self, cadence: Cadence, limits: Limits, ahead: Ns, rules: ExchangeOptions) -> None:
        self.clock = WallClock(ahead)
        self._cadence, self._limits = cadence, limits
        self.faults: deque[float | None] = deque()
        start_ms = self.clock.now() // NS_PER_MS
        self.exchange = Exchange(
            [calm_market(start_ms)],
            start_ms,
            rules,
        )
        self._nonce = start_ms
        self.server = self._server(0)

    def _server(self, port: int) -> HyperliquidServer:
        options = Options(
            port=port, cadence=self._cadence, limits=self._limits, on_reply=self._on_reply
        )
        return HyperliquidServer(self.exchange, self.clock, options)

    def _on_reply(self) -> float | None:
        return self.faults.popleft() if self.faults else 0.0

    async def restart(self) -> None:
        """The same exchange behind a new server at the same address."""
        port = self.server.port
        await self.server.stop()
        self.server = self._server(port)
        await self.server.start()

    # -- others ---------------------------------------------------------------------------------

    def act(self, user: str, request: Request) -> None:
        self._nonce += 1
        now_ms = self.clock.now() // NS_PER_MS
        self.exchange.submit(Signed(user, self._nonce, request), now_ms)

    def place(self, user: str, side: Side, price: str, size: str, name: str | None = None) -> None:
        spec = OrderSpec(0, side, Decimal(price), Decimal(size), Tif.ALO, False, name)
        self.act(user, PlaceOrders((spec,)))

    def take(self, side: Side, price: str, size: str) -> None:
        """Somebody crosses the book."""
        spec = OrderSpec(0, side, Decimal(price), Decimal(size), Tif.IOC)
        self.act(OTHER, PlaceOrders((spec,)))

    def cancel(self, user: str, name: str) -> None:
        self.act(user, CancelOrders((OrderRef(0, cloid=name),)))

    def resting(self, user: str = ME.address) -> dict[str | None, str]:
        """Client id -> price of all that rests."""
        return {row.cloid: f"{row.price:f}" for row in self.exchange.open_orders(user)}

    def best_bid(self) -> float:
        bids, _ = self.exchange.book("BTC", 1)
        return bids[0][0] if bids else 0.0

    # -- us -------------------------------------------------------------------------------------

    def settings(self, **changes: object) -> VenueSettings:
        given: dict[str, object] = {
            "network": "local",
            "coins": ("BTC",),
            "base_url": self.server.url,
            "dead_man_s": None,
        }
        asking = {"audit_s": 60.0} | changes
        polls = {name: asking.pop(name) for name in set(asking) & set(Asking.__struct_fields__)}
        given["asking"] = Asking(**polls)  # type: ignore[arg-type]  # a test's choice
        return VenueSettings(**(given | asking))  # type: ignore[arg-type]  # a test's choice

    def venue(self, probe: Probe, **changes: object) -> HyperliquidVenue:
        hooks = Hooks(
            note=probe.notes.append,
            frame=lambda ts, text: probe.frames.append((ts, text)),
            round_trip=lambda kind, elapsed_s: probe.round_trips.append((kind, elapsed_s)),
        )
        settings = self.settings(**changes)
        return HyperliquidVenue(settings, ME, self.clock, probe.emit, PREFIX, hooks)


async def until(condition: Callable[[], object], within_s: float = LIMIT_S) -> None:
    """Wait for something to be true of the exchange."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the exchange has no event to wait for
            await asyncio.sleep(0.005)


@asynccontextmanager
async def stand(
    cadence: Cadence = QUICK,
    limits: Limits = PATIENT,
    ahead: Ns = 0,
    rules: ExchangeOptions = RULES,
) -> AsyncIterator[Stand]:
    """`ahead`: how far the clock of everybody is ahead of this machine's."""
    found = Stand(cadence, limits, ahead, rules)
    await found.server.start()
    try:
        yield found
    finally:
        await found.server.stop()


@asynccontextmanager
async def running(venue: HyperliquidVenue) -> AsyncIterator[HyperliquidVenue]:
    """`run` as a task; its failure is the test's, and it leaves no task behind."""
    before = asyncio.all_tasks()
    task = asyncio.create_task(venue.run())
    try:
        yield venue
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        left = {one for one in asyncio.all_tasks() - before if venue_task(one)}
        assert not left, left


def venue_task(task: "asyncio.Task[object]") -> bool:
    """Is it one of the adapter's own? (The server has its tasks on the same loop.)"""
    code = getattr(task.get_coro(), "cr_code", None)
    return (
        code is not None
        and "/hyperliquid/" in code.co_filename
        and ("/server/" not in code.co_filename and "/tests/" not in code.co_filename)
    )


@asynccontextmanager
async def live(at: Stand, **changes: object) -> AsyncIterator[tuple[HyperliquidVenue, Probe]]:
    """A venue that is up."""
    probe = Probe()
    async with running(at.venue(probe, **changes)) as venue:
        await probe.up()
        yield venue, probe
