"""Market data without a key, over real sockets: what keeps its connection."""

import asyncio
from contextlib import suppress

from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.public_feed import Public, PublicFeed
from mm.adapters.hyperliquid.settings import Hooks
from mm.model.units import Ns
from tests.adapters.hyperliquid.stand import Stand, stand, until


class Hearer:
    def __init__(self, at: Stand) -> None:
        self.health = Health(at.clock, Hooks())
        self.deep = 0
        self.ups = 0
        self.losses: list[str] = []
        self.pongs = 0

    def on_up(self) -> None:
        self.ups += 1

    def on_market(self, coin: str, event: Public) -> None:
        """Nothing here depends on the market."""

    def on_lost(self, reason: str) -> None:
        self.losses.append(reason)

    def record(self, _: Ns, text: str) -> None:
        self.pongs += '"pong"' in text
        self.deep += '"channel":"post"' in text


def feed_of(at: Stand, hearer: Hearer, **changes: object) -> PublicFeed:
    settings = at.settings(**({"ping_s": 1.0} | changes))
    return PublicFeed(settings, at.clock, hearer.health, hearer, hearer.record)


async def test_a_connection_that_answers_each_ping_is_kept() -> None:
    """One whose pongs nobody heeds would be taken for half-open, and be lost after each ping."""
    async with stand() as at:
        hearer = Hearer(at)
        running = asyncio.create_task(feed_of(at, hearer).run())
        await until(lambda: hearer.pongs >= 2 or hearer.losses)
        assert hearer.losses == []
        assert hearer.ups == 1
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_deep_books_count_as_request_weight_and_are_left_out_where_it_is_short() -> None:
    """The venue counts them too; a recorder beside a trading daemon took its weight unseen."""
    async with stand() as at:
        hearer = Hearer(at)
        feed = feed_of(at, hearer, full_book_poll_s=0.2, ip_weight_share=1.0)
        running = asyncio.create_task(feed.run())
        await until(lambda: hearer.deep >= 2)
        left = hearer.health.left()
        assert left["weight"] in {1200 - 2 * hearer.deep, 1200 - 2 * hearer.deep - 2}
        assert left["messages"] < 2000 - 4 - hearer.deep + 1

        feed._meter.spend(600)
        await until(lambda: hearer.health.left()["weight"] == 1200 - 600 - 2 * hearer.deep)
        known, pongs = hearer.deep, hearer.pongs
        await until(lambda: hearer.pongs >= pongs + 2)
        assert hearer.deep == known
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
