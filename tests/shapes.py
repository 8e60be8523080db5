"""Events of which a test says only what it is about."""

from decimal import Decimal

from msgspec import structs

from mm.model.events import Fill
from mm.model.units import Side

ZERO, ONE = Decimal(0), Decimal(1)


def some_fill(**told: object) -> Fill:
    """Of a quote: one bought at 100 from flat, without fee, at the time 0."""
    plain = Fill(0, 0, 1, "0x6d6d", 1, Side.BID, 100 * ONE, ONE, ZERO, ZERO, True)
    return structs.replace(plain, **told)
