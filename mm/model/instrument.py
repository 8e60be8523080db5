"""What the venue allows: ticks, lots, minimum notional. Rounding is away from the market."""

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal

from msgspec import Struct

from mm.model.units import BPS, Side, exact

SLACK = 1e-9  # relative; a float within this of a tick is on it
POWERS = {exponent: Decimal(1).scaleb(exponent) for exponent in range(-18, 19)}
FLOATS = {exponent: float(power) for exponent, power in POWERS.items()}


class Instrument(Struct, frozen=True, kw_only=True):
    """One perpetual. Prices: `significant_figures`, at most `price_decimals`; integers always."""

    name: str
    asset: int
    size_decimals: int
    price_decimals: int
    significant_figures: int = 5
    max_leverage: int = 40
    min_notional: Decimal = Decimal(10)
    leverage_tiers: tuple[tuple[float, int], ...] = ()
    """(position in USD from which, leverage at most): large positions get less."""

    @property
    def size_step(self) -> Decimal:
        return POWERS[-self.size_decimals]

    def leverage_at(self, notional_usd: float) -> int:
        """The most that the venue allows to a position of this size."""
        if not self.leverage_tiers:
            return self.max_leverage
        tiers = (most for start, most in self.leverage_tiers if notional_usd >= start)
        return min([self.max_leverage, *tiers])

    def tick_exponent(self, price: float) -> int:
        """Power of ten of the tick at `price`; it changes where price crosses a power of ten."""
        if not 0.0 < price < math.inf:
            raise ValueError(f"no tick at price {price}")
        exponent = math.floor(math.log10(price)) - self.significant_figures + 1
        return 0 if exponent > 0 else max(exponent, -self.price_decimals)

    def tick(self, price: float) -> Decimal:
        return POWERS[self.tick_exponent(price)]

    def tick_bps(self, price: float) -> float:
        return BPS * FLOATS[self.tick_exponent(price)] / price

    def round_price(self, price: float, side: Side) -> Decimal:
        """The nearest valid price not closer to the market: bids floor, asks ceil.

        Raises ValueError where no valid price exists (not finite, not positive).
        """
        return self.round_prices([price], side)[0]

    def round_prices(self, prices: Sequence[float], side: Side) -> list[Decimal]:
        """`round_price` of each of some that rise or fall: the tick is looked up at their ends."""
        exponent = self.tick_exponent(prices[0])
        if len(prices) > 1 and exponent != self.tick_exponent(prices[-1]):
            return [self.round_price(price, side) for price in prices]
        scale, tick = FLOATS[exponent], POWERS[exponent]
        ticks = [_ticks(price / scale, side) for price in prices]
        if min(ticks) <= 0:
            raise ValueError(f"no valid {side.label} at or below {min(prices)}")
        return [count * tick for count in ticks]

    def is_valid_price(self, price: Decimal) -> bool:
        return price > 0 and price == price.quantize(self.tick(float(price)))

    def round_size(self, size: float | Decimal) -> Decimal:
        """Down to the size step; never up, so no limit is exceeded by rounding."""
        value = size if isinstance(size, Decimal) else exact(size)
        return value.quantize(self.size_step, ROUND_DOWN)

    def is_valid_size(self, size: Decimal) -> bool:
        return size > 0 and size == size.quantize(self.size_step)

    def min_size(self, price: Decimal) -> Decimal:
        """Smallest size whose notional at `price` the venue accepts."""
        return (self.min_notional / price).quantize(self.size_step, ROUND_CEILING)

    def min_steps(self, price: Decimal) -> int:
        """The same in size steps, at least one."""
        steps, rest = divmod(self.min_notional * POWERS[self.size_decimals], price)
        return int(steps) + bool(rest) or 1

    def each_min_steps(self, prices: Sequence[Decimal]) -> tuple[int, ...]:
        """`min_steps` of each of some that rise or fall: mostly that of their ends."""
        first = self.min_steps(prices[0])
        if len(prices) == 1 or first == self.min_steps(prices[-1]):
            return (first,) * len(prices)
        return tuple([self.min_steps(price) for price in prices])

    def behind(self, touch: float, side: Side) -> Decimal:
        """The most aggressive post-only price on `side`: one tick behind the opposite touch."""
        exponent = self.tick_exponent(touch)
        ticks = _ticks(touch / FLOATS[exponent], side.opposite)
        return (ticks - side) * POWERS[exponent]


def dex_of(coin: str) -> str:
    """The builder's exchange that a coin is listed on ("dex:COIN"); "" for the venue's own."""
    dex, colon, _ = coin.partition(":")
    return dex if colon else ""


def _ticks(count: float, side: Side) -> int:
    """Whole ticks, away from the market."""
    if side > 0:
        return math.floor(count * (1.0 + SLACK))
    return math.ceil(count * (1.0 - SLACK))
