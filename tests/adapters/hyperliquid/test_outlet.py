"""Events leave in order and completely, but for market snapshots that newer ones follow."""

import asyncio
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from mm.adapters.hyperliquid.budget import AddressBudget, WeightMeter
from mm.adapters.hyperliquid.outlet import Outlet
from mm.adapters.hyperliquid.posts import Posts
from mm.adapters.hyperliquid.wire import PostReply, PostResponse
from mm.model.events import ActionBudget, Bbo, Book, Event, Link, Trade, Trades
from mm.model.units import NS_PER_S, Side

TRADE = Trade(venue_ts=0, price=1.0, size=1.0, aggressor=Side.BID, trade_id=1)
MAKERS: dict[str, Callable[[int], Event]] = {
    "book": lambda ts: Book(ts=ts, venue_ts=0, bids=(), asks=()),
    "bbo": lambda ts: Bbo(ts=ts, venue_ts=0, bid=None, ask=None),
    "trades": lambda ts: Trades(ts=ts, trades=(TRADE,)),
    "link": lambda ts: Link(ts=ts, up=True, reason=""),
}


def through(kinds: list[str]) -> list[Event]:
    """One turn of the loop that puts all of these."""
    out: list[Event] = []

    async def turn() -> None:
        outlet = Outlet(out.append)
        for ts, kind in enumerate(kinds):
            outlet.put(MAKERS[kind](ts))
        assert not out, "nothing leaves while the turn goes on"
        await asyncio.sleep(0)

    asyncio.run(turn())
    return out


@given(st.lists(st.sampled_from(sorted(MAKERS)), max_size=30))
def test_only_overtaken_snapshots_are_dropped(kinds: list[str]) -> None:
    out = through(kinds)
    stamps = [event.ts for event in out]
    assert stamps == sorted(stamps)
    for ts, kind in enumerate(kinds):
        follows = kinds[ts + 1 :]
        until = follows.index("trades") if "trades" in follows else len(follows)
        overtaken = kind in ("book", "bbo") and kind in follows[:until]
        assert (ts in stamps) is not overtaken


async def test_an_emit_that_raises_ends_the_watch() -> None:
    def emit(_: Event) -> None:
        raise RuntimeError("the consumer is broken")

    outlet = Outlet(emit)
    watch = asyncio.create_task(outlet.watch())
    await asyncio.sleep(0)
    outlet.put(MAKERS["link"](1))
    with pytest.raises(RuntimeError, match="consumer is broken"):
        await watch


def reply(request_id: int) -> PostReply:
    payload = Raw(json.dumps({}).encode())
    return PostReply(id=request_id, response=PostResponse(type="action", payload=payload))


async def test_each_post_ends_once_by_answer_loss_or_time() -> None:
    said: list[str] = []
    posts = Posts(timeout_s=0.01)

    def expect(name: str) -> int:
        return posts.expect(
            lambda _: said.append(f"{name} answered"), lambda why: said.append(f"{name} {why}")
        )

    answered, cut = expect("a"), expect("b")
    posts.reply(reply(answered))
    posts.lose_all("cut")
    posts.reply(reply(cut))
    posts.lose(answered, "late")
    slow = expect("c")
    async with asyncio.timeout(5):
        while len(posts):  # noqa: ASYNC110 - the deadline itself is what is tested
            await asyncio.sleep(0.005)
    posts.reply(reply(slow))
    assert said == ["a answered", "b cut", "c no answer in time"]


def test_the_address_budget_tells_changes_only() -> None:
    budget = AddressBudget()
    budget.sync(9_990, 10_000)
    assert budget.news(1) == ActionBudget(ts=1, used=9_990, cap=10_000)
    assert budget.news(2) is None
    budget.spend(7)
    assert budget.news(3) == ActionBudget(ts=3, used=9_997, cap=10_000)


def test_request_weight_is_counted_by_the_minute() -> None:
    now = [0]
    meter = WeightMeter(lambda: now[0], limit=100)
    meter.spend(70)
    assert meter.spare == 30
    meter.spend(70)
    assert meter.spare == 0
    now[0] = 61 * NS_PER_S
    assert meter.spare == 100
