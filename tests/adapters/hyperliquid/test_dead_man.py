"""The dead-man switch is never left set beside orders of others, whatever answer was lost."""

import asyncio

import msgspec
import pytest

from mm.adapters.hyperliquid.budget import WeightMeter
from mm.adapters.hyperliquid.dead_man import DeadMan
from mm.adapters.hyperliquid.desks import Desks
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.own import OwnOrders
from mm.adapters.hyperliquid.questions import Questions
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.settings import NO_HOOKS, VenueSettings
from tests.adapters.hyperliquid.stand import ME, WallClock


class Switch:
    """A dead-man switch, and a venue that may do as it is told without our hearing of it."""

    def __init__(self) -> None:
        self.foreign, self.deaf, self.set = 0, False, False
        clock = WallClock()
        rest = Rest("http://127.0.0.1:1", 1.0, WeightMeter(clock.now))
        seat = Seat(VenueSettings(network="local", coins=("BTC",)), ME, clock)
        own = OwnOrders("6d6d")

        async def exchange(envelope: dict[str, dict[str, object]], weight: int = 1) -> bytes:
            if "time" in envelope["action"]:
                self.set = True
            elif not self.deaf:
                self.set = False
            await asyncio.sleep(0)  # the way back
            if self.deaf:
                raise RestError("no answer")
            return msgspec.json.encode({"status": "ok", "response": {"type": "default"}})

        async def foreign_anywhere() -> int:
            return self.foreign

        rest.exchange = exchange  # type: ignore[method-assign]  # what this venue does
        self._ask = Questions(seat, rest, own, Desks(own))
        self._ask.foreign_anywhere = foreign_anywhere  # type: ignore[method-assign]  # as above
        self.dead_man = DeadMan(seat, rest, Health(clock, NO_HOOKS))

    async def refresh(self) -> None:
        await self.dead_man.refresh(self._ask)


@pytest.mark.parametrize("lost", ["set", "clear"])
async def test_beside_orders_of_others_it_is_cleared_until_the_venue_says_so(lost: str) -> None:
    """Said once, and the word lost, it fired: on orders placed by hand."""
    switch = Switch()
    switch.deaf = lost == "set"
    await switch.refresh()
    assert (switch.set, switch.dead_man.armed) == (True, lost == "clear")

    switch.foreign, switch.deaf = 1, True
    await switch.refresh()
    assert (switch.set, switch.dead_man.armed) == (True, False)

    switch.deaf = False
    await switch.refresh()
    assert not switch.set


async def test_what_is_set_while_it_is_being_cleared_is_cleared_on_the_way_out() -> None:
    """A halt cleared it while a new connection set it: the last answer was that it was cleared."""
    switch = Switch()
    await switch.refresh()
    await asyncio.gather(switch.dead_man.clear(), switch.refresh())
    assert (switch.set, switch.dead_man.armed) == (True, True)

    await switch.dead_man.clear()

    assert not switch.set


async def test_what_the_process_before_set_is_cleared_on_the_way_out() -> None:
    """Killed, and started anew on a venue that answers nothing readable: it never set its own."""
    switch = Switch()
    switch.set = True

    await switch.dead_man.clear()

    assert not switch.set
