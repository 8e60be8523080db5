"""What the status of an order leaves open of a request in doubt."""

from msgspec import Struct

from mm.adapters.hyperliquid.answers import FoundOrder
from mm.adapters.hyperliquid.own import Doubt
from mm.model.events import RequestKind


class Unsettled(Struct, frozen=True):
    """`found`: the order, which has ended; None: the venue knows of none."""

    cloid: str
    doubt: Doubt
    found: FoundOrder | None

    @property
    def may_rest(self) -> bool:
        """Unknown to the status, or under another id than the one that has ended: a modify cancels
        its target, so one that filled was never replaced."""
        if self.found is None:
            return True
        target = self.found.order.oid == self.doubt.oid and self.found.status != "filled"
        return self.doubt.kind is RequestKind.MODIFY and target

    @property
    def may_have_filled(self) -> bool:
        return self.found is None or self.found.status == "filled"


def executed(doubt: Doubt, oid: int) -> bool:
    """Does an order of the id `oid` prove that the doubtful request was executed?"""
    if doubt.kind is RequestKind.PLACE:
        return True
    return doubt.kind is RequestKind.MODIFY and oid != doubt.oid
