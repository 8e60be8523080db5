"""What was lost with the wire is annulled by its nonce, and where it cannot be, waits."""

import math

import msgspec
import pytest

from mm.adapters.hyperliquid.annul import Annuller
from mm.adapters.hyperliquid.budget import AddressBudget, WeightMeter
from mm.adapters.hyperliquid.own import Doubt, OwnOrders
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.server import Faults
from mm.adapters.hyperliquid.server.options import FrameFaults
from mm.adapters.hyperliquid.settings import VenueSettings
from mm.model.events import OrderOpened, Rejected, RequestKind
from mm.model.units import seconds
from tests.adapters.hyperliquid.proxy import proxy
from tests.adapters.hyperliquid.stand import (
    ME,
    Probe,
    WallClock,
    bid,
    cloid,
    live,
    running,
    stand,
    until,
)

DUPLICATE = "Invalid nonce: duplicate nonce 7"
SPENT = "Too many cumulative requests sent (10001 > 10000) for cumulative volume traded $0.0."
NEVER = 2**62


class Desk:
    """An annuller, two orders of one lost action in doubt, and what the venue will answer."""

    def __init__(self, answer: bytes) -> None:
        self.asked: list[dict[str, object]] = []
        self.rung = 0
        clock = WallClock()
        rest = Rest("http://127.0.0.1:1", 1.0, WeightMeter(clock.now))

        async def exchange(envelope: dict[str, object], weight: int = 1) -> bytes:
            self.asked.append(envelope)
            return answer

        rest.exchange = exchange  # type: ignore[method-assign]  # what this venue answers
        self.own = OwnOrders("6d6d")
        self.budget = AddressBudget()
        seat = Seat(VenueSettings(network="local", coins=("BTC",)), ME, clock)
        self.annuller = Annuller(seat, rest, self.own, self.budget)
        self.annuller.on_annulled = self._ring
        for number, kind in enumerate((RequestKind.PLACE, RequestKind.MODIFY)):
            self.own.doubts[cloid(number)] = Doubt(kind=kind, expires=NEVER, nonce=7)
        self.own.doubts[cloid(2)] = Doubt(kind=RequestKind.CANCEL, expires=NEVER)

    def _ring(self) -> None:
        self.rung += 1

    def expired(self) -> list[str]:
        return list(self.own.expired(WallClock().now()))


def said(status: str, response: object) -> bytes:
    return msgspec.json.encode({"status": status, "response": response})


async def test_what_the_venue_lets_us_annul_was_not_executed_and_never_will_be() -> None:
    desk = Desk(said("ok", {"type": "default"}))
    assert desk.annuller.nonces == [7]
    await desk.annuller.annul(7)
    (envelope,) = desk.asked
    assert (envelope["action"], envelope["nonce"]) == ({"type": "noop"}, 7)
    assert desk.expired() == [cloid(0), cloid(1)]
    assert (desk.annuller.nonces, desk.budget.used, desk.rung) == ([], 1, 1)


@pytest.mark.parametrize(("words", "most_s"), [(DUPLICATE, 1.0), (SPENT, math.inf)])
async def test_what_it_refuses_to_annul_expires_with_its_nonce_or_as_before(
    words: str, most_s: float
) -> None:
    """A nonce that is used, by the request or an earlier try of ours, brings nothing any more once
    its block is through; refused for another reason, the request may still come."""
    desk = Desk(said("err", words))
    await desk.annuller.annul(7)
    assert desk.expired() == []
    assert (desk.annuller.nonces, desk.rung) == ([], 1), "asked again it would be refused again"
    left_s = seconds(desk.own.doubts[cloid(0)].expires - WallClock().now())
    assert 0.0 < left_s <= most_s
    assert left_s > 10.0**6 or words == DUPLICATE


async def test_an_answer_that_cannot_be_read_decides_nothing() -> None:
    desk = Desk(b"{")
    with pytest.raises(RestError):
        await desk.annuller.annul(7)
    assert desk.annuller.nonces == [7]
    assert desk.rung == 0


async def test_the_last_of_the_request_weight_is_not_for_this() -> None:
    desk = Desk(b"")
    desk.annuller._rest.meter.spend(1190)
    await desk.annuller.annul(7)
    assert desk.asked == []


async def test_one_that_was_executed_is_found() -> None:
    async with (
        stand() as at,
        live(at, request_timeout_s=0.4, expires_after_s=600.0) as (
            venue,
            probe,
        ),
    ):
        at.server.mischief.faults = Faults(frames=FrameFaults(muted=("orderUpdates",)))
        at.faults.append(None)
        venue.send([bid(1)])
        await probe.first(OrderOpened)
        assert at.resting().keys() == {cloid(1)}
        assert not probe.of(Rejected)
        assert not venue.own.doubts


async def test_on_the_way_out_what_was_under_way_is_annulled() -> None:
    """It might reach the venue after the last look, and rest there with nobody left."""
    async with stand() as at, proxy(at.server.port) as network:
        probe = Probe()
        venue = at.venue(probe, base_url=network.url)
        async with running(venue):
            await probe.up()
            network.swallow = True
            venue.send([bid(1)])
            await until(lambda: venue.own.in_flight(cloid(1)))
        network.swallow = False
        assert len(venue._annuller.nonces) == 1

        assert await venue.cancel_all() == 0

        assert not venue._annuller.nonces
        assert venue.own.expired(at.clock.now()).keys() == {cloid(1)}
