"""What the venue allows: ticks, lots, minimum notional. Rounding is away from the market."""

import math
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal

from msgspec import Struct

from mm.model.units import Side, exact

SLACK = 1e-9  # relative; a float within this of a tick is on it
POWERS = {exponent: Decimal(1).scaleb(exponent) for exponent in range(-18, 19)}


class Instrument(Struct, frozen=True, kw_only=True):
    """One perpetual. Prices: `significant_figures`, at most `price_decimals`; integers always."""

    name: str
    asset: int
    size_decimals: int
    price_decimals: int
    significant_figures: int = 5
    max_leverage: int = 40
    min_notional: Decimal = Decimal(10)

    @property
    def size_step(self) -> Decimal:
        return POWERS[-self.size_decimals]

    def tick_exponent(self, price: float) -> int:
        """Power of ten of the tick at `price`; it changes where price crosses a power of ten."""
        if not 0.0 < price < math.inf:
            raise ValueError(f"no tick at price {price}")
        exponent = math.floor(math.log10(price)) - self.significant_figures + 1
        return 0 if exponent > 0 else max(exponent, -self.price_decimals)

    def tick(self, price: float) -> Decimal:
        return POWERS[self.tick_exponent(price)]

    def round_price(self, price: float, side: Side) -> Decimal:
        """The nearest valid price not closer to the market: bids floor, asks ceil.

        Raises ValueError where no valid price exists (not finite, not positive).
        """
        exponent = self.tick_exponent(price)
        scaled = price / 10.0**exponent
        slack = abs(scaled) * SLACK
        ticks = math.floor(scaled + slack) if side is Side.BID else math.ceil(scaled - slack)
        if ticks <= 0:
            raise ValueError(f"no valid {side.label} at or below {price}")
        return ticks * POWERS[exponent]

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

    def behind(self, touch: float, side: Side) -> Decimal:
        """The most aggressive post-only price on `side`: one tick behind the opposite touch."""
        inward = ROUND_CEILING if side is Side.BID else ROUND_FLOOR
        tick = self.tick(touch)
        on_grid = exact(touch).quantize(tick, inward)
        return on_grid - side * tick
