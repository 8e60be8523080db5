"""Events leave in order and completely, but for market snapshots that newer ones follow."""

import asyncio
import json
import math
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
    poor = ActionBudget(ts=4, used=9_997, cap=10_000, per_s=1.2, at_once=12.0)
    assert budget.news(4, 1.234, 12.34) == poor
    assert budget.news(5, 1.235, 12.33) is None


def test_actions_have_what_questions_and_polls_leave_of_the_weight() -> None:
    now = [0]
    meter = WeightMeter(lambda: now[0], limit=1200)
    assert (meter.actions_per_s, meter.actions_at_once) == (15.0, 1050.0)
    meter.spend(300)
    assert (meter.actions_per_s, meter.actions_at_once) == (10.0, 750.0)
    meter.act(100, 400)
    assert (meter.actions_per_s, meter.actions_at_once) == (40.0, 2600.0)
    meter.spend(700)
    assert (meter.actions_per_s, meter.actions_at_once) == (50.0 / 60.0 * 4.0, 0.0)
    now[0] = 60 * NS_PER_S
    assert (meter.actions_per_s, meter.actions_at_once) == (15.0, 1050.0)


def test_request_weight_is_counted_over_the_last_minute() -> None:
    """Not by the calendar's: a minute that begins at :59 is one to somebody."""
    now = [59 * NS_PER_S]
    meter = WeightMeter(lambda: now[0], limit=120)
    meter.spend(70)
    assert meter.spare == 50
    now[0] += 30 * NS_PER_S
    meter.spend(70)
    assert meter.spare == 0
    now[0] += 30 * NS_PER_S
    assert meter.spare == 50
    now[0] += 30 * NS_PER_S
    assert meter.spare == 120


def test_what_is_left_of_the_weight_is_for_what_matters_most() -> None:
    meter = WeightMeter(lambda: 0, limit=1200)
    meter.spend(600)
    assert meter.may_look
    meter.spend(300)
    assert not meter.may_look
    assert (meter.may_poll, meter.wait_s(100), meter.may_add_risk) == (True, 0.0, True)
    meter.spend(1)
    assert (meter.may_poll, meter.wait_s(99), meter.wait_s(100)) == (False, 0.0, 60.0)
    meter.spend(249)
    assert (meter.wait_s(1), meter.may_add_risk) == (60.0, True)
    meter.spend(1)
    assert not meter.may_add_risk


def test_weight_that_others_at_our_address_have_spent_is_waited_for() -> None:
    now = [0]
    meter = WeightMeter(lambda: now[0])
    meter.refused()
    assert meter.wait_s(2) == 5.0
    assert meter.spare == 0, "cancels need what is left"
    now[0] = 5 * NS_PER_S
    assert meter.wait_s(2) == 0.0
    assert meter.may_look


@given(
    st.lists(st.tuples(st.integers(1, 130), st.floats(0.0, 40.0)), max_size=60),
    st.integers(120, 1200),
)
def test_questions_that_wait_never_spend_more_in_any_minute(
    asked: list[tuple[int, float]], limit: int
) -> None:
    now, spent = [0], list[tuple[int, int]]()
    meter = WeightMeter(lambda: now[0], limit)
    for weight, pause_s in asked:
        now[0] += int(pause_s * NS_PER_S)
        while wait_s := meter.wait_s(weight):
            now[0] += math.ceil(wait_s * NS_PER_S)
        meter.spend(weight)
        spent.append((now[0], weight))
        last = [one for ts, one in spent if now[0] - ts < 60 * NS_PER_S]
        assert sum(last) <= limit - limit // 6 or len(last) == 1
