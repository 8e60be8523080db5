"""What several instruments hold together never breaks a limit, whoever takes the room first."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from mm.core.engine import Engine
from mm.core.portfolio import Exposure, Member, Portfolio, loss
from mm.core.settings import PortfolioSettings
from mm.model.actions import CancelAll, Halt, Place
from mm.model.events import Allowance, Command
from mm.model.units import Side
from tests.core.stage import INSTRUMENT, Stage, settings

GROSS, NET, OWN = 100, 60, 80
NAMES = ("BTC", "ETH", "SOL")


def portfolio(
    gross: float | None = GROSS,
    net: float | None = NET,
    pools: str = "aaa",
    own: int = OWN,
    lot: int = 0,
) -> Portfolio:
    limits = PortfolioSettings(max_gross_usd=gross, max_net_usd=net)
    members = (
        Member(name, pool, Decimal(own), Decimal(5), Decimal(lot))
        for name, pool in zip(NAMES, pools, strict=True)
    )
    return Portfolio(limits, members)


def holding(long: int, short: int, pnl: str = "0", equity: str | None = None) -> Exposure:
    worth = None if equity is None else Decimal(equity)
    return Exposure(Decimal(long), Decimal(short), Decimal(pnl), worth)


def room(of: Portfolio, name: str) -> tuple[int, int] | None:
    found = of.allowance(name, 1)
    return None if found is None else (int(found.long_usd), int(found.short_usd))


# -- what is left -------------------------------------------------------------------------------


def test_wide_limits_say_nothing() -> None:
    of = portfolio(gross=None, net=None)

    assert of.see("BTC", holding(80, 80)) == []
    assert of.allowance("ETH", 1) is None


def test_what_one_takes_the_others_lack_and_are_told_at_once() -> None:
    of = portfolio()

    assert of.see("BTC", holding(50, 30)) == ["ETH", "SOL"]
    assert room(of, "ETH") == (10, 30)
    assert of.see("BTC", holding(50, 30)) == ["SOL"]


def test_room_that_comes_back_is_told_when_asked() -> None:
    of = portfolio()
    of.see("BTC", holding(50, 50))
    assert room(of, "ETH") == (10, 10)

    of.see("BTC", holding(0, 0))
    assert room(of, "ETH") == (60, 60)


def test_offsetting_positions_leave_net_but_not_gross() -> None:
    of = portfolio(gross=200, net=60)
    of.see("BTC", holding(50, -50))
    of.see("ETH", holding(-50, 50))

    assert room(of, "SOL") == (60, 60)


def test_room_for_a_lot_of_each_other_is_kept_free() -> None:
    of = portfolio(net=None, lot=30)

    assert room(of, "BTC") == (40, 40)
    of.see("ETH", holding(50, 50))
    assert room(of, "BTC") == (20, 20)


def test_where_not_all_lots_fit_each_gets_an_even_share() -> None:
    of = portfolio(gross=60, net=None, lot=50)

    assert [room(of, name) for name in NAMES] == [(20, 20)] * 3


def test_nothing_is_kept_for_who_is_halted() -> None:
    of = portfolio(net=None, lot=30)
    of.see("SOL", structs.replace(holding(0, 0), wants=False))

    assert room(of, "BTC") == (70, 70)


def test_margin_is_shared_within_a_pool_only() -> None:
    of = portfolio(gross=None, net=None, pools="aab")
    of.see("BTC", holding(70, 70, equity="20"))
    of.see("ETH", holding(0, 0, equity="20"))
    of.see("SOL", holding(0, 0, equity="20"))

    assert room(of, "ETH") == (30, 30)
    assert room(of, "SOL") is None


def test_the_others_profit_is_told_from_where_it_began_and_within_a_pool() -> None:
    of = portfolio(gross=None, net=None, pools="aab")
    of.see("BTC", holding(0, 0, pnl="1000"))
    of.see("SOL", holding(0, 0, pnl="7"))
    of.see("BTC", holding(0, 0, pnl="990.5"))
    of.see("SOL", holding(0, 0, pnl="70"))

    told = of.allowance("ETH", 1)

    assert told is not None
    assert told.others_pnl == Decimal("-9.50")
    assert of.allowance("ETH", 2) is None


def test_a_loss_concerns_all_and_another_halt_does_not() -> None:
    assert loss((CancelAll("x"), Halt("daily loss: equity 1 from 2"))).startswith("daily loss")
    assert loss((Halt("drawdown: equity 1 from peak 2"),)).startswith("drawdown")
    assert loss((Halt("operator: lunch"), Halt(""))) == ""


# -- any interleaving ---------------------------------------------------------------------------


class Trader:
    """An engine as the guard knows it: takes what it was told it may."""

    def __init__(self) -> None:
        self.position = 0
        self.resting = dict.fromkeys(Side, 0)
        self.may = dict.fromkeys(Side, OWN)

    def worst(self, side: Side) -> int:
        return side * self.position + self.resting[side]

    def place(self, side: Side, size: int) -> str:
        """ "" where it is refused."""
        worst = self.worst(side) + size
        if side * self.position < 0 and worst <= 0:
            self.resting[side] += size
            return "reducing"
        if worst > self.may[side]:
            return ""
        self.resting[side] += size
        return "adding"

    def fill(self, side: Side, size: int) -> None:
        size = min(size, self.resting[side])
        self.resting[side] -= size
        self.position += side * size

    def exposure(self) -> Exposure:
        return holding(self.worst(Side.BID), self.worst(Side.ASK))


class Crowd:
    def __init__(self) -> None:
        self.guard = portfolio()
        self.traders = {name: Trader() for name in NAMES}
        for name in NAMES:  # as each engine is at the start
            self.told(name)

    def told(self, name: str) -> None:
        allowance = self.guard.allowance(name, 1)
        if allowance is not None:
            may = self.traders[name].may
            may[Side.BID], may[Side.ASK] = int(allowance.long_usd), int(allowance.short_usd)

    def act(self, name: str, what: str, side: Side, size: int) -> str:
        trader, how = self.traders[name], ""
        if what == "place":
            how = trader.place(side, size)
        elif what == "fill":
            trader.fill(side, size)
        elif what == "cancel":
            trader.resting[side] = 0
        else:
            self.told(name)
        for short in self.guard.see(name, trader.exposure()):
            self.told(short)
        return how

    def gross(self) -> int:
        return sum(max(t.worst(Side.BID), t.worst(Side.ASK)) for t in self.traders.values())

    def net(self, side: Side) -> int:
        return sum(trader.worst(side) for trader in self.traders.values())


steps = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(("place", "place", "fill", "fill", "cancel", "tick")),
        st.sampled_from(Side),
        st.integers(1, 70),
    ),
    max_size=60,
)


@given(steps)
def test_gross_is_never_exceeded_nor_net_by_what_adds_to_a_position(
    taken: list[tuple[str, str, Side, int]],
) -> None:
    crowd = Crowd()
    for name, what, side, size in taken:
        how = crowd.act(name, what, side, size)

        assert crowd.gross() <= GROSS
        if how == "adding":
            assert crowd.net(side) <= NET


@given(steps)
def test_a_reduction_is_never_in_the_way_of_the_guard(
    taken: list[tuple[str, str, Side, int]],
) -> None:
    crowd = Crowd()
    for step in taken:
        crowd.act(*step)
    for trader in crowd.traders.values():
        trader.resting = dict.fromkeys(Side, 0)
        if trader.position:
            side = Side.ASK if trader.position > 0 else Side.BID
            assert trader.place(side, abs(trader.position)) == "reducing"


# -- what an engine makes of it -----------------------------------------------------------------


@pytest.fixture
def stage() -> Stage:
    found = Stage(Engine(settings(), INSTRUMENT))
    found.start()
    found.warm()
    return found


def allow(stage: Stage, long_usd: str, short_usd: str, others: str = "0") -> None:
    stage.happen(Allowance(stage.ts, Decimal(long_usd), Decimal(short_usd), Decimal(others)))


def test_a_side_without_room_is_withdrawn_and_says_whose_limit_it_is(stage: Stage) -> None:
    allow(stage, "0", "10000")
    stage.tick()
    stage.tick()

    view = stage.engine.view()
    assert view.bid.blocked == "risk limit: 0 USD by the portfolio"
    assert view.ask.blocked == ""
    assert not [order for order in view.orders if order.side == "bid" and order.state == "open"]


def test_an_allowance_comes_back(stage: Stage) -> None:
    allow(stage, "0", "0")
    stage.tick()
    stage.tick()
    allow(stage, "10000", "10000")

    assert {action.side for action in stage.tick() if isinstance(action, Place)} == set(Side)


def test_the_others_losses_are_the_accounts(stage: Stage) -> None:
    """One instrument that never traded halts when the account has lost 5 %."""
    allow(stage, "10000", "10000", others="-499")
    stage.tick()
    assert not stage.engine.state.kill.halted
    assert stage.engine.state.equity == 9501

    allow(stage, "10000", "10000", others="-501")
    stage.tick()

    assert loss(stage.actions).startswith("daily loss")


def test_the_others_profit_is_no_deposit(stage: Stage) -> None:
    allow(stage, "10000", "10000", others="900")
    for _ in range(3):
        stage.audit(equity="10900")

    assert not [note for note in stage.notes if note.text.startswith("Deposit")]


def test_a_smaller_leverage_of_the_venue_binds() -> None:
    """Short of it: the venue values orders at their own prices, asks above S."""
    low = structs.replace(INSTRUMENT, max_leverage=2)
    stage = Stage(Engine(settings(max_position_usd=1e6, max_order_usd=1e6), low))
    stage.start(equity="1000")

    assert round(stage.engine.state.limits(100.0).max_position, 2) == Decimal("19.68")


def test_a_tier_of_the_venue_binds_where_the_limit_reaches_it() -> None:
    tiered = structs.replace(INSTRUMENT, leverage_tiers=((50_000.0, 3),))
    for limit, most in ((49_000.0, "50.0"), (60_000.0, "29.4")):
        stage = Stage(Engine(settings(max_position_usd=limit, max_order_usd=1e6), tiered))
        stage.start(equity="1000")
        assert round(stage.engine.state.limits(100.0).max_position, 1) == Decimal(most)


def test_a_position_without_a_price_is_no_loss() -> None:
    """The account's word may come before the first book."""
    stage = Stage(Engine(settings(), INSTRUMENT))
    stage.start(position=Decimal(-50), cash=Decimal(5000), peak_equity=Decimal(10000))

    stage.lone_tick()
    assert stage.engine.state.equity is None
    stage.book(100.0)
    stage.lone_tick()

    assert stage.engine.state.equity == 10000
    assert not stage.engine.state.kill.halted


def test_a_resumed_engine_counts_its_losses_afresh(stage: Stage) -> None:
    allow(stage, "10000", "10000", others="-600")
    stage.tick()
    assert stage.engine.state.kill.halted

    stage.happen(Command(stage.ts, "resume", "operator"))
    stage.tick()

    assert not stage.engine.state.kill.halted
    assert stage.engine.view().pnl.day_total == -600  # what the day lost stays lost
