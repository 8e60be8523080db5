"""A market that can fall silent, so that what is on its way arrives and nothing follows."""

from mm.sim.market import Market, MarketEvent


class QuietMarket:
    """Another market until `quiet`: then nothing happens in it any more."""

    def __init__(self, market: Market) -> None:
        self.instrument = market.instrument
        self.quiet = False
        self._market = market

    def next_ms(self) -> int | None:
        return None if self.quiet else self._market.next_ms()

    def pop(self) -> MarketEvent:
        return self._market.pop()
