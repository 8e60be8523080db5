"""Each action that leaves us names the moment after which the venue must not execute it."""

import pytest

from mm.model.actions import Cancel, CancelAll, Modify
from mm.model.custody import ScheduleCancel
from mm.model.events import OrderClosed, OrderOpened
from mm.model.exchange import CancelOrders, ModifyOrders, PlaceOrders, Request, Signed
from mm.model.units import NS_PER_MS
from tests.adapters.hyperliquid.stand import ME, bid, cloid, live, stand


async def test_every_kind_of_action_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stand() as at:
        seen: list[tuple[type[Request], float]] = []
        submit = at.exchange.submit

        def noted(signed: Signed, now_ms: int) -> int:
            if signed.signer == ME.address:
                assert signed.expires_after_ms is not None, signed
                ahead_ms = signed.expires_after_ms - at.clock.now() // NS_PER_MS
                seen.append((type(signed.request), ahead_ms / 1e3))
            return submit(signed, now_ms)

        monkeypatch.setattr(at.exchange, "submit", noted)
        async with live(at, dead_man_s=30.0, expires_after_s=4.0) as (venue, probe):
            venue.send([bid(1), bid(2)])
            opened = await probe.first(OrderOpened)
            again = bid(1, "99970")
            venue.send([Modify(cloid(1), opened.oid, again.side, 1, again.price, again.size)])
            await probe.first(OrderOpened, lambda event: event.oid > opened.oid + 1)
            venue.send([Cancel(cloid(2))])
            await probe.first(OrderClosed, lambda event: event.cloid == cloid(2))
            venue.send([CancelAll("test")])
            await probe.until(lambda: at.resting() == {})
            at.server.drop_all()
            await probe.until(lambda: not venue.stream.is_open)
            venue.send([Cancel(cloid(9))])
            await venue.cancel_all()
        kinds = {kind for kind, _ in seen}
        assert kinds == {PlaceOrders, ModifyOrders, CancelOrders, ScheduleCancel}
        assert all(2.0 < ahead_s < 5.0 for _, ahead_s in seen)
