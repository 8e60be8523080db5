"""What a fill costs: less for those who trade much, twice on builders' exchanges."""

from decimal import Decimal

from msgspec import Struct

from mm.model.exchange import FeeRates, FeeTier
from mm.sim.grid import MICRO_DECIMALS

BUILDER_FACTOR = 2
DAYS = 14


def _tier(volume_usd: str, maker: str, taker: str) -> FeeTier:
    rates = FeeRates(maker=Decimal(maker).scaleb(-2), taker=Decimal(taker).scaleb(-2))
    return FeeTier(volume_usd=Decimal(volume_usd), rates=rates)


TIERS = (
    _tier("5e6", "0.012", "0.040"),
    _tier("25e6", "0.008", "0.035"),
    _tier("100e6", "0.004", "0.030"),
    _tier("500e6", "0", "0.028"),
    _tier("2e9", "0", "0.026"),
    _tier("7e9", "0", "0.024"),
)
"""Volume of the last 14 days above which; rates in per cent. Of rebates for a share of all makers'
volume the page says more, but here one client may be all of them."""


class Volumes:
    """Micro-USD that one account has traded, by day (UTC)."""

    __slots__ = ("_days", "_tier", "_today")

    def __init__(self) -> None:
        self._days: dict[int, int] = {}
        self._today = -1
        self._tier: FeeRates | None = None

    def add(self, day: int, micro: int) -> None:
        self._days[day] = self._days.get(day, 0) + micro

    def rates(self, day: int, fees: "Fees") -> FeeRates:
        """By the volume of the 14 days before this one: a tier holds for a whole day."""
        if self._tier is None or day != self._today:
            self._days = {at: micro for at, micro in self._days.items() if at >= day - DAYS}
            known = sum(micro for at, micro in self._days.items() if at < day)
            self._today, self._tier = day, fees.at(Decimal(known).scaleb(-MICRO_DECIMALS))
        return self._tier


class Fees(Struct, frozen=True):
    """`base` for everybody; no tier ever charges more."""

    base: FeeRates
    tiers: tuple[FeeTier, ...] = ()

    def at(self, volume_usd: Decimal) -> FeeRates:
        reached = [tier.rates for tier in self.tiers if volume_usd > tier.volume_usd]
        least = [self.base, *reached[-1:]]
        return FeeRates(
            maker=min(rates.maker for rates in least), taker=min(rates.taker for rates in least)
        )


def rate_on(coin: str, rate: Decimal) -> Decimal:
    """A builder's exchange gives no rebate."""
    return max(Decimal(0), rate) * BUILDER_FACTOR if ":" in coin else rate
