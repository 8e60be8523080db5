"""What stands on our account besides what we quote."""

from decimal import Decimal

from msgspec import Struct

ZERO = Decimal(0)


class Beside(Struct, frozen=True, gc=False):
    """What of the account's margin others take, as it concerns one of our instruments; USD.

    `margin`: positions and orders in what we do not quote. `bids`, `asks`: notional of foreign
    orders in this instrument, which it bears as it bears ours.
    """

    margin: Decimal = ZERO
    bids: Decimal = ZERO
    asks: Decimal = ZERO


NOTHING_BESIDE = Beside()
