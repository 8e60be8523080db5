"""Market data without a key, over real sockets: what keeps its connection."""

import asyncio
from contextlib import suppress

from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.public_feed import Public, PublicFeed
from mm.adapters.hyperliquid.settings import Hooks
from mm.model.units import Ns
from tests.adapters.hyperliquid.stand import Stand, stand, until


class Hearer:
    def __init__(self) -> None:
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


def feed_of(at: Stand, hearer: Hearer) -> PublicFeed:
    settings = at.settings(ping_s=1.0)
    return PublicFeed(settings, at.clock, Health(at.clock, Hooks()), hearer, hearer.record)


async def test_a_connection_that_answers_each_ping_is_kept() -> None:
    """One whose pongs nobody heeds would be taken for half-open, and be lost after each ping."""
    async with stand() as at:
        hearer = Hearer()
        running = asyncio.create_task(feed_of(at, hearer).run())
        await until(lambda: hearer.pongs >= 2 or hearer.losses)
        assert hearer.losses == []
        assert hearer.ups == 1
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
