"""The connection's watch: pings, silence, patience; and a consumer that breaks."""

import asyncio
import time

import pytest

from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.server import Cadence
from mm.adapters.hyperliquid.settings import NO_HOOKS, VenueSettings
from mm.adapters.hyperliquid.stream import LinkLostError, Stream
from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.model.events import Bbo, Book, Event, OrderOpened
from mm.model.units import NS_PER_S
from tests.adapters.hyperliquid.rig import HandClock
from tests.adapters.hyperliquid.stand import ME, PREFIX, WallClock, bid, live, stand

MUTE = Cadence(pump_s=0.005, fast_book_s=3600.0, context_s=3600.0)
ALMOST_MUTE = Cadence(pump_s=0.005, fast_book_s=3600.0, context_s=0.1)


def pongs(frames: list[tuple[int, str]]) -> int:
    return sum('"pong"' in text for _, text in frames)


async def test_a_quiet_but_living_connection_is_pinged_and_kept() -> None:
    async with stand(MUTE) as at:
        changes = {"book_stale_s": 0.2, "full_book_poll_s": 3600.0}
        async with live(at, **changes) as (_, probe):
            await probe.until(lambda: pongs(probe.frames) >= 5)
            assert probe.links == [True]


async def test_a_silent_stream_is_subscribed_again_and_no_other() -> None:
    async with stand(ALMOST_MUTE) as at:
        changes = {"book_stale_s": 0.2, "full_book_poll_s": 3600.0}
        async with live(at, **changes) as (venue, probe):
            await probe.until(lambda: len(probe.of(Book)) >= 3)
            assert venue.health.resubscribes >= 2
            assert not venue.health.venue_errors
            assert probe.links == [True]
            (connection,) = at.server.connections
            assert len(connection.subscriptions) >= 6
            await probe.until(lambda: len(probe.of(Bbo)) >= 2)  # patience for the touch is longer


async def test_feed_ages_name_the_streams() -> None:
    async with stand() as at, live(at) as (venue, probe):
        await probe.until(
            lambda: {"book", "bbo", "reference", "user"} <= set(venue.health.feed_age_s())
        )
        assert all(0.0 <= age < 10.0 for age in venue.health.feed_age_s().values())


async def test_backoff_doubles_jitters_and_is_bounded() -> None:
    settings = VenueSettings(network="testnet", coins=("BTC",), reconnect_max_s=30.0)
    clock = WallClock()
    stream = Stream(settings, ME.address, clock, Health(clock, NO_HOOKS), Mute())
    for attempt in range(40):
        waits = [stream.backoff(attempt) for _ in range(50)]
        ceiling = min(30.0, 0.25 * 2.0**attempt)
        assert all(ceiling / 2 <= wait <= ceiling for wait in waits)
        assert len(set(waits)) > 1


async def test_a_connection_that_served_is_soon_replaced_whatever_came_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures: list[int] = []

    def soon(count: int) -> float:
        failures.append(count)
        return 0.0

    async with stand() as at, live(at) as (venue, probe):
        monkeypatch.setattr(venue.stream, "backoff", soon)

        def is_back() -> bool:
            return len(probe.links) == known + 2

        for _ in range(3):
            known = len(probe.links)
            at.server.drop_all()
            await probe.until(is_back)
        assert failures == [0, 0, 0]


def pauses_s(*, took_s: float, served: bool) -> list[float]:
    """Before each of sixty tries, none of which comes to more than that."""
    clock = HandClock()
    settings = VenueSettings(network="testnet", coins=("BTC",))
    stream = Stream(settings, ME.address, clock, Health(clock, NO_HOOKS), Mute())
    waits_s = []
    for tried in range(1, 61):
        stream._tries.append(clock.now())
        waits_s.append(stream.backoff(stream._patience(0 if served else tried)))
        clock.now_ns += round((took_s + waits_s[-1]) * NS_PER_S)
    return waits_s


async def test_not_even_connections_that_served_are_more_than_thirty_a_minute() -> None:
    waits_s = pauses_s(took_s=0.2, served=True)
    assert max(waits_s[:14]) <= 0.25
    assert all(sum(waits_s[at : at + 30]) > 54.0 for at in range(30)), "with 0.2 s each: a minute"


async def test_a_venue_that_was_away_for_minutes_is_back_for_us_within_seconds() -> None:
    """Its silence had been waited for up to half a minute longer than it lasted."""
    waits_s = pauses_s(took_s=0.05, served=False)
    assert max(waits_s) <= 4.0
    assert all(sum(waits_s[at : at + 30]) > 60.0 for at in range(30)), "nor thirty a minute then"


class Mute:
    async def on_connected(self) -> None: ...
    def on_frame(self, text: str, ts: int) -> None: ...
    def on_lost(self, reason: str) -> None: ...


class Fickle(Mute):
    """Loses the link when it is told to."""

    def __init__(self) -> None:
        self.connected, self.lose = asyncio.Event(), asyncio.Event()

    async def on_connected(self) -> None:
        self.connected.set()
        await self.lose.wait()
        raise LinkLostError("lost")


async def test_a_stop_in_the_moment_of_a_loss_is_not_forgotten() -> None:
    """SIGTERM hung for ever where the connection broke in the same turn of the event loop."""
    async with stand() as at:
        clock, fickle = at.clock, Fickle()
        stream = Stream(at.settings(), ME.address, clock, Health(clock, NO_HOOKS), fickle)
        running = asyncio.create_task(stream.run())
        async with asyncio.timeout(5):
            await fickle.connected.wait()
        fickle.lose.set()
        await asyncio.sleep(0)  # it fails now; its group hears of it after us
        running.cancel()
        await asyncio.wait({running}, timeout=2)
        stopped = running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert stopped


async def test_a_consumer_that_breaks_ends_run_and_orders_can_still_be_cancelled() -> None:
    async with stand() as at:

        def emit(event: Event) -> None:
            if isinstance(event, OrderOpened):
                raise RuntimeError("the engine is broken")

        venue = HyperliquidVenue(at.settings(), ME, at.clock, emit, PREFIX)
        run = asyncio.create_task(venue.run())
        venue.send([bid(1)])
        async with asyncio.timeout(10):
            while not at.resting():
                venue.send([bid(1)])
                await asyncio.sleep(0.02)
            with pytest.raises(RuntimeError, match="engine is broken"):
                await run
        assert await venue.cancel_all() == 0
        assert at.resting() == {}


async def test_frames_that_do_not_parse_are_noted_and_survived() -> None:
    async with stand() as at, live(at) as (venue, probe):
        ts = time.time_ns()
        for _ in range(12):
            venue.on_frame('{"channel":"userFills","data":{"fills":7}}', ts)
        venue.on_frame('{"channel":"brandNew","data":{}}', ts)
        noted = [note for note in probe.notes if note.text == "frames do not parse"]
        assert [note.data["count"] for note in noted] == [1, 10]
        assert venue.router.decoder.unparsed == 12
        assert dict(venue.router.decoder.unknown) == {"brandNew": 1}
        assert probe.links == [True]
