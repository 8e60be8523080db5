"""Several coins on a quarter of an address's request weight, in virtual time: daemon and venue."""

import asyncio
import sys
from pathlib import Path

import pytest
from msgspec import Struct, field, structs

from mm.app.simulate.faults import FAULTS
from mm.app.simulate.loop import run
from mm.app.simulate.plan import COINS, Plan, draw
from mm.app.simulate.run import alone
from mm.app.simulate.venue_side import USER
from mm.app.simulate.world import World
from mm.model.actions import Step
from mm.model.events import Event, RejectCode, Rejected
from mm.model.units import Side

NAMES = (*COINS, *(f"COIN{number}" for number in range(5)))
LOOK_S = 0.25
RICH = 10**15
"""Micro-dollars traded: an address with more actions than weight to send them."""
WARM_UP_S = 3.0
"""Of volatility, as the plan of a simulation sets it."""


class Seen(Struct):
    """`first_s`: when each coin was first quoted on both sides, seconds after the start."""

    first_s: dict[str, float] = field(default_factory=dict)
    looks: int = 0
    """At all coins, since each was first quoted on both sides."""
    two_sided: float = 0.0
    """Sum over those of the share of coins quoted on both sides."""
    short: int = 0
    """Orders not sent, or refused, for want of request weight."""
    least_left: int = 10**6
    """Of the minute's request weight, while looked at."""

    @property
    def present(self) -> float:
        return self.two_sided / max(self.looks, 1)


def plan_of(coins: tuple[str, ...], *settings: str) -> Plan:
    """A calm wire, no faults, a market that moves, and no limit of ours in the way."""
    plan = draw(1, tuple(FAULTS))
    limits = ("portfolio.", "risk.max_daily", "risk.max_drawdown")
    kept = (each for each in plan.settings if not each.startswith(limits))
    calm = structs.replace(plan, coins=coins, opening=(), faults=(), settings=(*kept, *settings))
    return structs.replace(calm, scenario="toxic", speed=10.0, latency_s=(0.02, 0.02))


class Watch:
    def __init__(self, plan: Plan, directory: Path) -> None:
        self.plan = plan
        self.world = World(plan, directory)
        self.seen = Seen()
        self._record = self.world.maker.record
        self.world.maker.record = self.record  # type: ignore[method-assign]  # listens in

    def record(self, coin: str, event: Event, step: Step) -> None:
        self.seen.short += isinstance(event, Rejected) and event.code is RejectCode.RATE
        self._record(coin, event, step)

    def run(self, for_s: float) -> Seen:
        with alone(), self.world.trace.heard():
            run(self.world.loop, self._run(for_s))
        return self.seen

    async def _run(self, for_s: float) -> None:
        world = self.world
        account = world.venue.exchange._accounts.known(USER)
        assert account is not None
        account.volume = RICH
        world.venue.start()
        await asyncio.sleep(0.5)
        supervising = asyncio.create_task(world.maker.supervise())
        began = world.now
        while world.now < began + for_s:
            await asyncio.sleep(LOOK_S)
            self._look(world.now - began)
        supervising.cancel()
        await self._end()

    async def _end(self) -> None:
        maker = self.world.maker
        assert maker.host is not None
        maker.host.terminate()
        while not maker.exits:  # noqa: ASYNC110 - looked at from outside
            await asyncio.sleep(LOOK_S)
        await asyncio.sleep(1.0)

    def _look(self, after_s: float) -> None:
        sides: dict[str, set[Side]] = {}
        for order in self.world.venue.orders():
            sides.setdefault(order.coin, set()).add(order.side)
        whole = [coin for coin, both in sides.items() if len(both) == 2]
        for coin in whole:
            self.seen.first_s.setdefault(coin, after_s)
        if self.world.maker.venue is not None:
            left = self.world.maker.venue.meter.spare
            self.seen.least_left = min(self.seen.least_left, left)
        if len(self.seen.first_s) == len(self.plan.coins):
            self.seen.looks += 1
            self.seen.two_sided += len(whole) / len(self.plan.coins)


def watch(directory: Path, share: float, coins: tuple[str, ...], for_s: float) -> Seen:
    return Watch(plan_of(coins, f"venue.ip_weight_share={share}"), directory).run(for_s)


def test_three_coins_on_a_quarter_quote_within_seconds(tmp_path: Path) -> None:
    """They waited a minute: open orders were listed three times."""
    seen = watch(tmp_path, 0.25, COINS, 10.0)
    assert set(seen.first_s) == set(COINS)
    assert max(seen.first_s.values()) < WARM_UP_S + 3.0


@pytest.mark.parametrize(("coins", "share"), [(1, 0.25), (3, 0.25), (8, 1.0)])
def test_quotes_are_moved_less_often_before_the_request_weight_is_spent(
    coins: int, share: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a fast market three coins on a quarter spent it: half of the time a side was gone."""
    seen = watch(tmp_path, share, NAMES[:coins], 120.0)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{coins} coins, share {share}: two-sided {seen.present:.1%}, {seen.short} orders "
            f"held for request weight, at least {seen.least_left} left\n"
        )
    assert seen.short == 0
    assert seen.present > 0.85
