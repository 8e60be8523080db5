"""Exact integers of one instrument: price ticks, size lots, and micro-USD."""

from decimal import Decimal

from mm.model.instrument import Instrument

MICRO_DECIMALS = 6


class Grid:
    """Prices count 10^-price_decimals, sizes 10^-size_decimals; price·size·`micro` is micro-USD.

    Raises ValueError where a product would need more than six decimals of a dollar.
    """

    __slots__ = ("instrument", "micro", "price_scale", "size_scale")

    def __init__(self, instrument: Instrument) -> None:
        spare = MICRO_DECIMALS - instrument.price_decimals - instrument.size_decimals
        if spare < 0:
            raise ValueError(
                f"{instrument.name}: price_decimals + size_decimals must be at most 6, so that "
                "price times size is an exact number of micro-USD"
            )
        self.instrument = instrument
        self.micro: int = 10**spare
        self.price_scale: int = 10**instrument.price_decimals
        self.size_scale: int = 10**instrument.size_decimals

    def price(self, value: float) -> int:
        return round(value * self.price_scale)

    def size(self, value: float) -> int:
        return round(value * self.size_scale)

    def exact_price(self, value: Decimal) -> int | None:
        """None where the price has more decimals than the instrument allows."""
        return _whole(value, self.instrument.price_decimals)

    def exact_size(self, value: Decimal) -> int | None:
        return _whole(value, self.instrument.size_decimals)

    def price_out(self, price: int) -> Decimal:
        return Decimal(price).scaleb(-self.instrument.price_decimals)

    def size_out(self, size: int) -> Decimal:
        return Decimal(size).scaleb(-self.instrument.size_decimals)

    def notional(self, price: int, size: int) -> int:
        """Micro-USD, exact."""
        return price * size * self.micro

    def average_price(self, notional: int, size: int) -> Decimal:
        """Micro-USD over lots as a price, rounded to six decimals."""
        price = usd(notional) / self.size_out(size)
        return round(price, MICRO_DECIMALS)


def usd(micro: int) -> Decimal:
    return Decimal(micro).scaleb(-MICRO_DECIMALS)


def micro_usd(value: Decimal) -> int:
    """Rounded half-even to the micro-dollar."""
    return int(value.scaleb(MICRO_DECIMALS).to_integral_value())


def _whole(value: Decimal, decimals: int) -> int | None:
    scaled = value.scaleb(decimals)
    whole = int(scaled)
    return whole if whole == scaled else None
