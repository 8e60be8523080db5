"""The connection's life: dropped, half-open, restarted, refused; nothing lost, nothing doubled."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from mm.adapters.hyperliquid.rest import RestError
from mm.adapters.hyperliquid.wire import OrderCore
from mm.model.actions import Cancel, CancelAll, Modify, Place
from mm.model.events import (
    Account,
    Bbo,
    Book,
    Fill,
    Link,
    OrderClosed,
    OrderOpened,
    Reference,
    RejectCode,
    Rejected,
    Trades,
    Unresolved,
)
from mm.model.units import NS_PER_S, Side
from tests.adapters.hyperliquid.proxy import proxy
from tests.adapters.hyperliquid.stand import (
    ME,
    OTHER,
    Probe,
    Stand,
    bid,
    cloid,
    live,
    running,
    stand,
    until,
)

THIRD = "0x" + "c0" * 20


async def test_a_fill_during_a_gap_is_told_once_before_the_link_is_up() -> None:
    async with stand() as at, live(at) as (venue, probe):
        venue.send([bid(1, "99995"), bid(2, "99970")])
        await probe.until(lambda: len(at.resting()) == 2)
        at.server.drop_all()
        at.take(Side.ASK, "99995", "0.01")
        at.cancel(ME.address, cloid(2))
        await probe.up(times=2)

        assert probe.links == [True, False, True]
        (fill,) = probe.of(Fill)
        assert (fill.cloid, fill.size, fill.quote) == (cloid(1), Decimal("0.01"), True)
        ended = {event.cloid: event.reason for event in probe.of(OrderClosed)}
        assert ended == {cloid(1): "unlisted", cloid(2): "unlisted"}
        order = [type(event) for event in probe.events]
        last_up = max(i for i, event in enumerate(probe.events) if isinstance(event, Link))
        assert order.index(Fill) < last_up
        await probe.until(lambda: len(probe.of(Account)) == 2)
        account = probe.of(Account)[-1]
        assert account.position == Decimal("0.01")
        assert account.orders == ()
        assert venue.own.open == {}


async def test_a_modify_during_a_gap_is_found_by_its_new_id() -> None:
    """As if the answer and the update were lost with the socket: the listing has the last word."""
    async with stand() as at, live(at) as (venue, probe):
        venue.send([bid(1)])
        opened = await probe.first(OrderOpened)
        at.faults.append(None)
        venue.send([Modify(cloid(1), opened.oid, Side.BID, 1, Decimal(99970), Decimal("0.01"))])
        await probe.up(times=2)
        (row,) = at.exchange.open_orders(ME.address)
        await probe.first(OrderOpened, lambda event: event.oid == row.oid)
        assert row.oid != opened.oid


async def test_many_drops_leave_one_connection_and_all_streams() -> None:
    async with stand() as at, live(at, reconnect_max_s=0.05) as (venue, probe):
        for times in range(2, 12):
            at.server.drop_all()
            await probe.up(times=times)
        assert len(at.server.connections) == 1
        (connection,) = at.server.connections
        assert len(connection.subscriptions) == 7
        venue.send([bid(1, "99995")])
        await probe.first(OrderOpened)
        at.take(Side.ASK, "99995", "0.01")
        await probe.first(Fill)
        assert venue.health.reconnects == 10


async def test_link_down_is_told_at_once() -> None:
    async with stand() as at, live(at) as (_, probe):
        loop = asyncio.get_running_loop()
        start = loop.time()
        at.server.drop_all()
        await probe.until(lambda: probe.links == [True, False])
        assert loop.time() - start < 0.3
        assert probe.of(Link)[-1].reason


async def test_a_half_open_link_is_noticed_by_its_silence() -> None:
    async with stand() as at, proxy(at.server.port) as network:
        changes = {"base_url": network.url, "book_stale_s": 0.4, "request_timeout_s": 0.5}
        async with live(at, **changes) as (venue, probe):
            venue.send([bid(1, "99995")])
            await probe.first(OrderOpened)
            network.swallow = True
            at.take(Side.ASK, "99995", "0.01")
            await probe.until(lambda: not probe.links[-1])
            network.swallow = False
            await probe.up(times=2)
            assert len(probe.of(Fill)) == 1
            assert "no frame" in probe.of(Link)[1].reason


@pytest.mark.parametrize("annulled", [True, False])
async def test_what_is_sent_into_a_half_open_link_is_in_doubt_then_never_placed(
    annulled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its side waited for nine seconds: now until its nonce is used up, else until it expires."""
    async with stand() as at, proxy(at.server.port) as network:
        changes = {
            "base_url": network.url,
            "book_stale_s": 0.4,
            "request_timeout_s": 0.4,
            "expires_after_s": 600.0 if annulled else 0.5,
        }
        async with live(at, **changes) as (venue, probe):
            if not annulled:
                monkeypatch.setattr(venue._annuller, "annul", unanswered)
            network.swallow = True
            venue.send([bid(1)])
            await probe.first(Unresolved)
            network.swallow = False
            refused = await probe.first(Rejected)
            assert refused.code is RejectCode.EXPIRED
            assert not venue.own.doubts
            assert at.resting() == {}


async def unanswered(nonce: int) -> None:
    raise RestError(f"no answer to {nonce}")


async def test_a_restarted_server_is_found_again() -> None:
    async with stand() as at, live(at, reconnect_max_s=0.2) as (venue, probe):
        venue.send([bid(1)])
        await probe.first(OrderOpened)
        await at.restart()
        await probe.up(times=2)
        await probe.until(lambda: len(probe.of(Account)) == 2)
        account = probe.of(Account)[-1]
        assert [one.cloid for one in account.orders or ()] == [cloid(1)]


async def test_while_down_quotes_are_refused_and_cancels_go_by_rest() -> None:
    async with stand() as at, live(at) as (venue, probe):
        venue.send([bid(1)])
        await probe.first(OrderOpened)
        at.server.drop_all()
        await probe.until(lambda: not venue.stream.is_open)
        venue.send([bid(2), Cancel(cloid(1))])
        refused = await probe.first(Rejected)
        assert (refused.cloid, refused.message) == (cloid(2), "not connected: nothing was sent")
        await probe.until(lambda: at.resting() == {})
        assert probe.links == [True, False], "it did not wait for the websocket"


async def test_a_cancel_lost_with_its_connection_goes_again_by_rest_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It waited until it had expired, while the order rested on a book that nobody saw."""
    async with (
        stand() as at,
        proxy(at.server.port) as network,
        live(at, base_url=network.url) as (venue, probe),
    ):
        venue.send([bid(1)])
        await probe.first(OrderOpened)
        monkeypatch.setattr(venue.stream, "backoff", lambda _: 60.0)
        network.swallow = True
        venue.send([Cancel(cloid(1))])
        await until(lambda: venue.own.in_flight(cloid(1)))
        network.swallow = False
        at.server.drop_all()

        closed = await probe.first(OrderClosed)

        assert closed.reason == "canceled"
        assert at.resting() == {}
        assert len(probe.of(Unresolved)) == 1
        assert not venue.own.doubts
        assert probe.links == [True, False], "it did not wait for the websocket"


async def test_a_lost_cancel_goes_again_until_there_is_a_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        stand() as at,
        proxy(at.server.port) as network,
        live(at, base_url=network.url) as (venue, probe),
    ):
        venue.send([bid(1)])
        await probe.first(OrderOpened)
        monkeypatch.setattr(venue.stream, "backoff", lambda _: 60.0)
        await network.close()
        await probe.until(lambda: not venue.stream.is_open)
        tries, exchange = list[int](), venue._rest.exchange

        async def counted(envelope: dict[str, Any], weight: int = 1) -> bytes:
            tries.append(at.clock.now())
            return await exchange(envelope, weight)

        monkeypatch.setattr(venue._rest, "exchange", counted)
        used = venue.budget.used
        venue.send([Cancel(cloid(1))])
        await until(lambda: len(tries) >= 4)
        assert tries[-1] - tries[1] > 0.6 * NS_PER_S, "not in a hot loop"
        assert venue.budget.used == used + 1, "what never arrived costs no action"
        assert len(probe.of(Unresolved)) == 1, "it is told once"
        await network.open()

        await probe.first(OrderClosed)

        assert at.resting() == {}
        assert probe.links[-1] is False


async def test_while_down_an_exit_goes_by_rest_and_its_fills_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without its fills the position would seem unchanged, and be sold again."""
    async with stand() as at, live(at) as (venue, probe):
        venue.send([bid(1, "99995")])
        await probe.first(OrderOpened)
        at.take(Side.ASK, "99995", "0.01")
        await probe.first(Fill)
        monkeypatch.setattr(venue.stream, "backoff", lambda _: 60.0)
        at.server.drop_all()
        await probe.until(lambda: not venue.stream.is_open)

        size, price = Decimal("0.01"), Decimal(99900)
        venue.send([Place(cloid(2), Side.ASK, 1, price, size, reduce_only=True, flatten=True)])
        taken = await probe.first(Fill, lambda fill: fill.cloid == cloid(2))

        assert (taken.size, taken.quote) == (size, False)
        assert probe.links == [True, False], "it did not wait for the websocket"
        assert not venue.own.traded


async def test_while_down_only_a_coin_that_is_being_left_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An exit needs a price; quotes may not rest on a book that is seen every few seconds."""
    async with stand() as at, live(at) as (venue, probe):
        monkeypatch.setattr(venue.stream, "backoff", lambda _: 60.0)
        at.server.drop_all()
        await probe.until(lambda: not venue.stream.is_open)
        known = len(probe.of(Book))
        await venue._lookout.glance()
        venue.desks.flush()
        assert len(probe.of(Book)) == known

        venue.send([CancelAll("halted")])
        await probe.until(lambda: len(probe.of(Book)) > known)

        assert float(probe.of(Book)[-1].bids[0][0]) == at.best_bid()
        assert probe.links == [True, False], "it did not wait for the websocket"
        venue.send([bid(1)])
        assert not venue._sender.leaving


async def test_what_is_left_of_the_weight_goes_to_what_sheds_risk() -> None:
    """The venue would refuse all of it: a cancel must not wait behind quotes."""
    async with stand() as at, live(at) as (venue, probe):
        venue.send([bid(1)])
        await probe.first(OrderOpened)
        venue.meter.spend(venue.meter.spare - 49)

        venue.send([bid(2), Cancel(cloid(1))])

        held = await probe.first(Rejected)
        assert (held.cloid, held.code) == (cloid(2), RejectCode.RATE)
        assert not venue.health.rejects, "the venue was not asked"
        await probe.until(lambda: at.resting() == {})


async def test_the_last_of_the_weight_is_not_spent_on_looking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A halt looked six times for what may have been on its way, until 429 met its cancels."""
    async with stand() as at, live(at) as (venue, _):
        asked, ask = list[str](), venue._rest.open_orders

        async def counted(user: str, dex: str = "", *, urgent: bool = False) -> list[OrderCore]:
            asked.append(user)
            return await ask(user, dex, urgent=urgent)

        monkeypatch.setattr(venue._rest, "open_orders", counted)
        venue.own.sent([cloid(1)])
        venue.meter.spend(venue.meter.spare - 60)
        assert await venue.cancel_all() == 0
        assert len(asked) in {2, 3}


async def test_orders_of_a_former_run_are_cancelled_before_the_link_is_up() -> None:
    async with stand() as at:
        foreign = "0x" + "f" * 32
        at.place(ME.address, Side.BID, "99960", "0.01", cloid(1, run=7))
        at.place(ME.address, Side.BID, "99961", "0.01", cloid(2, run=7))
        at.place(ME.address, Side.BID, "99950", "0.01", foreign)
        at.place(OTHER, Side.BID, "99950", "0.01", cloid(3, run=7))
        await until(lambda: len(at.resting()) == 3)
        async with live(at) as (_, probe):
            assert at.resting() == {foreign: "99950.0"}
            assert len(at.resting(OTHER)) == 1
            assert probe.of(Account)[0].orders == ()


async def test_missed_fills_of_a_restart_are_told_once_and_known_ones_never() -> None:
    async with stand() as at:
        async with live(at) as (venue, probe):
            venue.send([bid(1, "99995"), bid(2, "99994")])
            await probe.until(lambda: len(at.resting()) == 2)
            at.take(Side.ASK, "99995", "0.01")
            known = await probe.first(Fill)
        at.take(Side.ASK, "99994", "0.01")
        await until(lambda: not at.resting())  # and nobody watched
        again = Probe()
        venue = at.venue(again)
        boot = await venue.bootstrap()
        venue.remember(
            [(known.trade_id, known.venue_ts)], known.venue_ts // 1_000_000, boot.venue_ms
        )
        async with running(venue):
            await again.up()
            assert [fill.cloid for fill in again.of(Fill)] == [cloid(2)]


async def test_a_first_start_does_not_tell_of_old_fills() -> None:
    async with stand() as at:
        async with live(at) as (venue, probe):
            venue.send([bid(1, "99995")])
            await probe.first(OrderOpened)
            at.take(Side.ASK, "99995", "0.01")
            await probe.first(Fill)
        async with live(at) as (_, again):
            assert again.of(Account)[0].position == Decimal("0.01")
            assert not again.of(Fill)


async def test_a_new_connections_audit_settles_doubts_and_stands_for_the_next() -> None:
    """Each reconnection takes its part of the minute's request weight, once."""
    async with stand() as at, live(at) as (venue, probe):
        at.server.drop_all()
        await probe.until(lambda: not venue.stream.is_open)
        assert venue._reconciler.resolver.relinking_until > venue.health._clock.now()
        await probe.until(lambda: probe.links == [True, False, True])
        assert venue._reconciler.resolver.relinking_until == 0
        await probe.until(lambda: len(probe.of(Account)) == 2)
        audits = len(probe.of(Account))
        await venue._audit()
        venue.desks.flush()
        assert len(probe.of(Account)) == audits
        venue._reconciler.audited = 0
        await venue._audit()
        venue.desks.flush()
        assert len(probe.of(Account)) == audits + 1


async def test_the_market_comes_in_without_the_replay_of_old_trades() -> None:
    async with stand() as at:
        await trade_at(at, "99996")
        async with live(at, full_book_poll_s=0.05) as (_, probe):
            await probe.first(Bbo)
            book = await probe.first(Book)
            assert book.bids[0] == (99990.0, 1.0)
            await probe.first(Reference)
            await probe.until(lambda: heard(probe, '"trades"', "99996"))
            await trade_at(at, "99997")
            await probe.first(Trades)
            prints = [trade for event in probe.of(Trades) for trade in event.trades]
            assert [(one.price, one.aggressor) for one in prints] == [(99997.0, Side.ASK)]
            await probe.until(lambda: heard(probe, '"post"', '"l2Book"'))


async def trade_at(at: Stand, price: str) -> None:
    at.place(THIRD, Side.BID, price, "0.02")
    await until(lambda: at.best_bid() == float(price))
    at.take(Side.ASK, price, "0.02")
    await until(lambda: at.best_bid() != float(price))


def heard(probe: Probe, *words: str) -> bool:
    return any(all(word in text for word in words) for _, text in probe.frames)


async def test_the_link_is_up_again_before_the_account_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Orders and fills are what quotes stand on; on a slow wire each question more is a round trip.
    One that fails costs no connection."""
    async with stand() as at, live(at) as (venue, probe):
        asked = asyncio.Event()

        async def late(*_: object) -> None:
            await asked.wait()
            raise RestError("HTTP 502")

        monkeypatch.setattr(venue._rest, "clearinghouse", late)
        at.server.drop_all()
        await probe.up(times=2)
        assert len(probe.of(Account)) == 1
        asked.set()
        await probe.until(lambda: "account failed" in [note.text for note in probe.notes])
        monkeypatch.undo()
        venue.send([bid(1)])
        await probe.first(OrderOpened)
        assert probe.links == [True, False, True]
