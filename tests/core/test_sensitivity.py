"""Every control, through the whole engine: what is set or happens must reach an order's price."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from msgspec import Struct, structs

from mm.core.engine import Engine
from mm.core.settings import EngineSettings
from mm.model.events import Fees
from mm.model.market_params import MarketParams
from mm.model.units import Side, depth_bps
from tests.core.stage import INSTRUMENT, Stage, settings

LOT = 10
Scene = Callable[[Stage], None]


def configured(key: str, value: object) -> EngineSettings:
    """The stage's settings with one dotted key changed."""
    *path, leaf = key.split(".")
    nodes = [settings()]
    for name in path:
        nodes.append(getattr(nodes[-1], name))
    changed: object = value
    for node, name in zip(reversed(nodes), reversed([*path, leaf]), strict=True):
        changed = structs.replace(node, **{name: changed})
    assert isinstance(changed, EngineSettings)
    return changed


def play(
    given: EngineSettings, lots: int = 0, move: float = 1e-4, scene: Scene | None = None
) -> Stage:
    """An engine that holds `lots`, warm on books that step by `move`; then `scene`."""
    stage = Stage(Engine(given, INSTRUMENT))
    stage.start(position=Decimal(lots * LOT), cash=Decimal(-lots * LOT * 100))
    for number in range(10):
        stage.tick(stage.mid * (1.0 + move * (number % 2)))
    stage.tick()
    if scene is not None:
        scene(stage)
    return stage


def depths(stage: Stage) -> dict[Side, float]:
    """How far the first wanted order of each side lies from S, after all rules and rounding."""
    quoting = stage.engine.quoting
    assert isinstance(quoting.params, MarketParams)
    return {
        side: depth_bps(side, float(quoting.ladder.levels(side)[0].price), quoting.params.fair)
        for side in Side
    }


def lose_each_trade(stage: Stage) -> None:
    """Ten times: a taker sells to us, S falls by 4 bps within the horizon; a seller's mirror."""
    for _ in range(10):
        stage.fill(Side.BID, size="1")
        for _ in range(8):
            stage.tick(stage.mid * (1.0 - 4e-4))
        stage.fill(Side.ASK, size="1")
        for _ in range(8):
            stage.tick()


def quiet(stage: Stage) -> None:
    """No news of the book for four seconds: less than makes it withdraw."""
    stage.lone_tick(4.0)


def one_fill(stage: Stage) -> None:
    stage.fill(Side.BID, size="1")
    stage.tick()


class Control(Struct, frozen=True):
    """A setting, two values of it, and where the second puts an order: +1 is away from S."""

    key: str
    low: object
    high: object
    sign: int
    lots: int = 0
    side: Side = Side.BID
    scene: Scene | None = None


CONTROLS = [
    Control("strategy.gamma", 0.005, 0.05, +1, lots=1),
    Control("strategy.gamma", 0.005, 0.05, -1, lots=1, side=Side.ASK),
    Control("strategy.lot_usd", 1000.0, 2000.0, -1, lots=2),
    Control("strategy.min_edge_bps", 0.1, 8.0, +1),
    Control("strategy.max_premia_bps", 0.0, 20.0, +1, scene=quiet),
    Control("strategy.exact_glft", True, False, +1, lots=8),
    Control("stochastic.intensity.kappa_prior", 0.15, 0.6, -1),
    Control("stochastic.intensity.arrival_prior_per_s", 0.01, 0.2, -1, lots=1),
    Control("stochastic.adverse.prior_sd_bps", 0.01, 2.0, +1, scene=lose_each_trade),
    Control("stochastic.adverse.adverse_max_bps", 0.1, 20.0, +1, scene=lose_each_trade),
    Control("stochastic.calibration.min_fill_hungry_gamma", 0.3, 1.0, +1),
    Control("stochastic.calibration.policy", "fill_hungry", "off", +1),
    Control("stochastic.calibration.lever", "width", "gamma", +1),
    Control("stochastic.calibration.target_fill_rate_per_hour", 1.0, 100.0, -1, scene=one_fill),
]


@pytest.mark.parametrize("control", CONTROLS, ids=lambda c: f"{c.key}-{c.side.label}")
def test_every_setting_moves_an_order_with_its_sign(control: Control) -> None:
    low, high = (
        depths(play(configured(control.key, value), control.lots, scene=control.scene))
        for value in (control.low, control.high)
    )
    assert control.sign * (high[control.side] - low[control.side]) > 0.1


@pytest.mark.parametrize(("side", "sign"), [(Side.BID, +1), (Side.ASK, -1)])
def test_volatility_moves_the_skew_of_a_held_position(side: Side, sign: int) -> None:
    calm, wild = (depths(play(settings(), 1, move)) for move in (1e-5, 5e-5))
    assert sign * (wild[side] - calm[side]) > 0.1


@pytest.mark.parametrize("side", list(Side))
def test_the_venues_fee_moves_both_sides(side: Side) -> None:
    """By itself, and a little by the intensity that is left after costs."""

    def pays(fee_bps: float) -> Scene:
        def scene(stage: Stage) -> None:
            stage.happen(Fees(stage.ts, fee_bps, 4.5))
            stage.tick()

        return scene

    cheap, dear = (depths(play(settings(), scene=pays(bps))) for bps in (-0.2, 2.8))
    assert 2.9 < dear[side] - cheap[side] < 5.0


def test_inventory_moves_both_sides_against_itself() -> None:
    short, flat, long = (depths(play(settings(), lots)) for lots in (-1, 0, 1))
    for long_side in Side:
        mine, theirs = (long, short) if long_side is Side.BID else (short, long)
        assert mine[long_side] - flat[long_side] > 0.1
        assert flat[long_side] - theirs[long_side] > 0.1


def test_before_rounding_opposite_inventories_swap_the_quotes() -> None:
    long, short = (play(settings(), lots).engine.quoting.quote for lots in (1, -1))
    assert long is not None
    assert short is not None
    for mine, theirs in ((long.bid, short.ask), (long.ask, short.bid)):
        assert mine is not None
        assert theirs is not None
        assert mine.depth_bps == pytest.approx(theirs.depth_bps, abs=0.05)  # ticks differ in σ


def test_a_stale_book_widens_but_never_the_side_that_reduces() -> None:
    fresh, stale = depths(play(settings(), 3)), depths(play(settings(), 3, scene=quiet))
    assert stale[Side.BID] - fresh[Side.BID] > 0.1
    assert stale[Side.ASK] == fresh[Side.ASK]


def test_a_cold_start_quotes_three_tenths_of_the_optimal_width_exactly() -> None:
    quote = play(settings()).engine.quoting.quote
    assert quote is not None
    for side in (quote.bid, quote.ask):
        assert side is not None
        terms = {term.name: term.bps for term in side.terms}
        assert terms["half_spread"] == 0.3 * quote.half_spread_bps


def test_adverse_moves_after_purchases_are_a_cost_on_the_side_that_bought() -> None:
    """Both sides lose here: after each purchase S falls, after each sale it rises."""
    stage = play(settings(), scene=lose_each_trade)
    params = stage.engine.quoting.params
    assert isinstance(params, MarketParams)
    assert 2.0 < params.adverse_bid_bps < 4.1
    assert 2.0 < params.adverse_ask_bps < 4.1
