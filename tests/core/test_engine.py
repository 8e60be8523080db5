"""The engine as an operator knows it: quotes, withdraws, halts, resumes, and says why."""

from decimal import Decimal

import pytest

from mm.core.engine import Engine
from mm.core.ration import SPENT
from mm.core.strategy.distribution import entropy
from mm.model.actions import Cancel, CancelAll, Halt, Modify, Place
from mm.model.estimate import Source, told
from mm.model.events import (
    ActionBudget,
    Book,
    Fill,
    Funding,
    Link,
    OpenOrder,
    Reference,
    RejectCode,
    Rejected,
    RequestKind,
    Trade,
    Trades,
    Unresolved,
)
from mm.model.units import NS_PER_MS, NS_PER_S, Side
from tests.core.stage import INSTRUMENT, Stage, settings


def test_it_quotes_five_levels_on_both_sides(stage: Stage) -> None:
    assert len(stage.prices(Side.BID)) == 5
    assert len(stage.prices(Side.ASK)) == 5
    assert max(stage.prices(Side.BID)) < min(stage.prices(Side.ASK))
    view = stage.engine.view()
    assert view.safety.state == "quoting"
    assert view.safety.ready
    assert len(view.orders) == 10


def test_every_number_of_a_quote_says_where_it_is_from_and_how_old_it_is(fresh: Stage) -> None:
    before = fresh.engine.view().market
    assert before.maker_fee_bps == told(1.5, Source.PRIOR, None)
    assert (before.funding_bps_per_h, before.fair_source) == (None, "")

    fresh.start()
    fresh.warm()
    fresh.happen(Reference(fresh.ts, fresh.ts, oracle=100.0, mark=100.0, funding_rate=1e-5))
    fresh.tick()
    market = fresh.engine.view().market

    age_s = market.maker_fee_bps.age_s
    assert market.maker_fee_bps == told(1.5, Source.VENUE, age_s)
    assert age_s is not None
    assert age_s > 8.0
    assert market.funding_bps_per_h is not None
    assert (market.funding_bps_per_h.value, market.funding_bps_per_h.source) == (0.1, Source.VENUE)
    assert market.funding_bps_per_h.age_s == pytest.approx(1.3)
    assert market.fair_source == "mid"
    assert market.book_age_s == pytest.approx(0.3)
    for estimate in (market.sigma, market.kappa, market.arrival):
        assert estimate is not None
        assert estimate.low < estimate.value < estimate.high
        assert (estimate.n > 0) == (estimate.source is not Source.PRIOR)
    assert {row.side for row in market.adverse} == {"bid", "ask"}
    assert all(row.se_bps > 0 and row.source is Source.PRIOR for row in market.adverse)

    fresh.happen(Book(fresh.ts, fresh.ts + 1, ((99.9, 1.0),), ()))
    assert fresh.engine.view().market.fair_source == "last"


def test_the_sizes_of_a_side_total_one_lot(stage: Stage) -> None:
    lot = stage.engine.state.lot_size(100.0)

    for side in Side:
        assert sum(level.size for level in stage.engine.quoting.ladder.levels(side)) == lot


def test_looking_before_the_first_quote_does_not_fix_the_lot(fresh: Stage) -> None:
    fresh.start()
    fresh.book(100.0)
    fresh.engine.view()

    fresh.mid = 103.0
    fresh.warm()

    sizes = [level.size for level in fresh.engine.quoting.ladder.levels(Side.BID)]
    assert sum(sizes) == pytest.approx(Decimal(1000) / 103, rel=Decimal("0.001"))


def test_an_unchanged_market_leaves_orders_alone(stage: Stage) -> None:
    stage.warm(120)
    before = len(stage.actions)

    for _ in range(10):
        stage.tick()

    assert len(stage.actions) - before <= 10  # of a hundred: sizes follow the posterior


def test_a_moved_market_modifies_instead_of_replacing(stage: Stage) -> None:
    actions = stage.tick(100.05)

    assert actions
    assert {type(action) for action in actions} == {Modify}


def test_a_move_between_ticks_is_answered_at_once_but_not_too_often(stage: Stage) -> None:
    stage.ts += NS_PER_S
    assert stage.book(100.5).actions

    stage.ts += NS_PER_S // 10
    assert stage.book(101.0).actions == ()


def test_it_does_not_quote_before_the_account_is_known(fresh: Stage) -> None:
    fresh.warm()

    assert fresh.actions == []
    assert fresh.engine.view().safety.state == "starting"


def test_the_calibration_goes_on_while_volatility_warms_up(fresh: Stage) -> None:
    """A fill that comes late from the run before counts, and ages, before there is a quote."""
    fresh.start()
    zero, one = Decimal(0), Decimal(1)
    fill = Fill(
        fresh.ts, fresh.ts, 1, "0x6d6d01", 7, Side.BID, Decimal(100), one, zero, zero, quote=True
    )
    fresh.happen(fill)

    fresh.book(100.0)
    fresh.lone_tick()
    assert fresh.engine.view().bid.blocked == "volatility warming up"
    assert fresh.engine.view().calibration.rate_per_h == 1.0
    fresh.lone_tick(3601.0)
    assert fresh.engine.view().calibration.rate_per_h == 0.0


def test_the_first_quote_does_not_wait_for_trades(fresh: Stage) -> None:
    fresh.start()
    fresh.warm(7)

    assert len(fresh.prices(Side.BID)) == 5


def test_a_fill_counts_once_and_is_answered(stage: Stage) -> None:
    fill = stage.fill(Side.BID)
    position = stage.engine.state.pnl.position
    assert position == fill.size

    stage.happen(fill)

    assert stage.engine.state.pnl.position == position
    assert stage.said("Fill") == 2  # "Fill" and "Fill-hungry mode active"
    assert stage.engine.learning.components.calibration.fill_count() == 1


def test_profit_adds_up_after_a_session(stage: Stage) -> None:
    for number in range(30):
        stage.fill(Side.BID if number % 3 else Side.ASK)
        stage.tick(100.0 + 0.05 * (number % 7))
    stage.happen(Funding(stage.ts, stage.ts, Decimal("-0.125"), 1e-5))

    pnl = stage.engine.state.pnl
    assert pnl.total == pnl.split_total
    view = stage.engine.view().pnl
    assert view.total == (view.spread - view.adverse + view.inventory - view.fees + view.funding)


def test_a_link_that_we_close_ourselves_is_no_fault(stage: Stage) -> None:
    (note,) = stage.happen(Link(stage.ts, False, "stopped")).notes

    assert (note.text, note.severity) == ("Link closed", "info")


def test_the_peak_is_never_shown_below_equity(stage: Stage) -> None:
    stage.engine.state.kill.equity.peak = Decimal(1)  # of the latest Tick: S has moved since

    pnl = stage.engine.view().pnl

    assert pnl.peak_equity == pnl.equity > 1


def test_inventory_pushes_quotes_away_on_its_side(stage: Stage) -> None:
    flat = quote_of(stage)
    for _ in range(4):
        for level in range(1, 6):
            stage.fill(Side.BID, level)
        stage.tick()
    long = quote_of(stage)

    assert long[0] - long[1] > flat[0] - flat[1] + 0.1


def quote_of(stage: Stage) -> tuple[float, float]:
    """Level-1 depths of bid and ask."""
    quote = stage.engine.quoting.quote
    assert quote is not None
    assert quote.bid is not None
    assert quote.ask is not None
    return quote.bid.depth_bps, quote.ask.depth_bps


# -- withdraw -----------------------------------------------------------------------------------


def test_a_stale_book_pulls_every_quote_and_comes_back_by_itself(stage: Stage) -> None:
    stage.lone_tick(6.0)

    assert stage.prices(Side.BID) == stage.prices(Side.ASK) == []
    view = stage.engine.view()
    assert view.safety.state == "withdrawn"
    assert view.bid.blocked.startswith("stale book")
    assert not view.safety.ready

    stage.tick()
    stage.tick()
    assert len(stage.prices(Side.BID)) == 5
    assert stage.engine.view().bid.blocked_s["stale book"] > 0


def test_a_lost_link_sends_nothing_and_says_so(stage: Stage) -> None:
    stage.happen(Link(stage.ts, False, "socket closed"))
    before = len(stage.actions)

    stage.tick(103.0)

    assert len(stage.actions) == before
    assert stage.engine.view().ask.blocked == "link down: socket closed"
    assert stage.said("Link down") == 1


def test_an_empty_account_says_how_little_is_allowed(fresh: Stage) -> None:
    fresh.start(equity="0")
    fresh.warm()

    view = fresh.engine.view()
    assert view.bid.blocked == view.ask.blocked == "risk limit: 0 USD allowed"
    assert not view.safety.ready
    assert set(view.bid.blocked_s) >= {"risk limit"}


def test_one_side_out_of_room_is_no_failure() -> None:
    fresh = Stage(Engine(settings(max_position_usd=1_000.0), INSTRUMENT))
    fresh.start(position=Decimal("10.05"))
    fresh.warm()

    view = fresh.engine.view()
    assert view.bid.blocked == "inventory at its bound"
    assert view.ask.blocked == ""
    assert view.safety.ready


def test_far_from_the_oracle_it_does_not_quote(stage: Stage) -> None:
    stage.happen(Reference(stage.ts, stage.ts, 110.0, 110.0, 0.0))

    stage.tick()

    assert stage.prices(Side.BID) == []
    assert "oracle" in stage.engine.view().bid.blocked


@pytest.mark.parametrize("side", list(Side))
def test_paused_it_still_works_its_way_out_of_a_position(stage: Stage, side: Side) -> None:
    stage.fill(side, 2)
    held = abs(stage.engine.state.pnl.position)
    stage.command("pause")
    stage.tick()
    stage.tick()

    orders = list(stage.engine.state.orders.side(side.opposite))
    assert stage.prices(side) == []
    assert 0.8 * float(held) <= sum(float(o.size) for o in orders if o.live) <= held
    assert all(o.reduce_only for o in orders if o.live)
    assert stage.engine.view().safety.state == "paused"

    stage.command("resume")
    stage.tick()
    stage.tick()
    assert len(stage.prices(side)) == 5


def test_the_entropy_shown_while_reducing_is_that_of_what_is_left(stage: Stage) -> None:
    stage.fill(Side.BID, 2)
    stage.command("pause")
    stage.tick()

    left = [float(level.size) for level in stage.engine.quoting.ladder.asks]
    assert 0 < len(left) < 5
    assert stage.engine.view().ask.entropy_nats == pytest.approx(entropy(left))
    assert stage.engine.view().bid.entropy_nats == 0.0


@pytest.mark.parametrize("held", ["0.020", "0.150", "1.001", "4.444", "9.990"])
def test_no_reducing_order_is_too_small_but_one_for_the_whole(stage: Stage, held: str) -> None:
    stage.engine.state.pnl.adopt(Decimal(held))
    stage.command("pause")
    stage.tick()
    stage.tick()

    sizes = [o.size for o in stage.engine.state.orders.side(Side.ASK) if o.live]
    assert sum(sizes) == Decimal(held)
    assert len(sizes) == 1 or min(sizes) * 100 >= 10


def test_paused_and_flat_nothing_rests(stage: Stage) -> None:
    stage.command("pause")
    stage.tick()

    assert len(stage.prices(Side.BID)) == len(stage.prices(Side.ASK)) == 0


def test_rejects_pause_new_risk_and_are_noted(stage: Stage) -> None:
    stage.silent = True
    for number in range(3):
        for action in stage.tick(100.1 + 0.1 * number):
            assert isinstance(action, Modify | Cancel)
            stage.happen(
                Rejected(stage.ts, action.cloid, RequestKind.MODIFY, RejectCode.TICK, "no")
            )

    assert stage.said("Venue refused a request") > 5
    assert stage.engine.state.kill.reject_rate() > 0.3
    assert stage.engine.view().safety.state in ("withdrawn", "halted")


# -- halt ---------------------------------------------------------------------------------------


def test_halt_latches_cancels_everything_and_stays(stage: Stage) -> None:
    step = stage.command("halt", "test")
    assert step.actions == (Halt("operator: test"), CancelAll("operator: test"))

    stage.tick()
    assert stage.prices(Side.BID) == stage.prices(Side.ASK) == []
    before = len(stage.actions)
    for _ in range(3):
        stage.tick(105.0)

    assert len(stage.actions) == before
    view = stage.engine.view()
    assert (view.safety.state, view.safety.halt_reason) == ("halted", "operator: test")
    assert view.bid.blocked == "halted: operator: test"


def test_a_paused_engine_starts_paused(fresh: Stage) -> None:
    fresh.start(paused="lunch")
    fresh.warm()
    assert fresh.engine.view().safety.state == "paused"
    assert fresh.prices(Side.BID) == fresh.prices(Side.ASK) == []

    fresh.command("resume")
    fresh.tick()
    assert fresh.prices(Side.BID)


def test_a_flatten_goes_on_after_a_restart(fresh: Stage) -> None:
    fresh.start(position=Decimal("1.5"), cash=Decimal(-150), halted="operator", flatten=True)
    fresh.warm(2)
    exits = [each for each in fresh.actions if isinstance(each, Place)]
    assert exits
    assert all(each.flatten and each.side is Side.ASK for each in exits)


def test_how_profit_came_about_outlives_a_restart(stage: Stage, fresh: Stage) -> None:
    """What happened since the checkpoint is carried; the total is the ledger's."""
    stage.fill(Side.BID)
    stage.tick()
    saved, kept = stage.engine.checkpoint(), stage.engine.state.pnl.state()
    stage.fill(Side.ASK)
    old = stage.engine.state.pnl

    fresh.start(position=old.position, cash=old.cash, checkpoint=saved)
    fresh.tick()

    new = fresh.engine.state.pnl
    assert kept.spread > 0
    assert (new.spread, new.fees) == (kept.spread, kept.fees)
    assert new.split_total == new.total


def test_a_halted_engine_starts_halted(fresh: Stage) -> None:
    fresh.start(halted="daily loss")
    fresh.warm()

    assert fresh.actions == []
    assert fresh.engine.view().safety.halt_reason == "daily loss"


def test_resume_clears_the_latch_and_quotes_again(stage: Stage) -> None:
    stage.command("halt")
    stage.tick()
    step = stage.command("resume")

    assert Halt("") in step.actions
    stage.tick()
    stage.tick()
    assert len(stage.prices(Side.BID)) == 5


def test_cancel_all_is_repeated_until_nothing_rests(stage: Stage) -> None:
    stage.silent = True
    cancel_all = CancelAll("operator: test")
    assert cancel_all in stage.command("halt").actions

    repeated = [cancel_all in stage.tick() for _ in range(20)]

    assert [number for number, again in enumerate(repeated) if again] == [7, 15], "each 10 s"


def test_a_loss_beyond_the_limit_halts_once(stage: Stage) -> None:
    for level in range(1, 6):
        stage.fill(Side.BID, level)
    stage.engine.state.kill.equity.base = Decimal(100)  # a small account
    stage.engine.state.kill.equity.peak = Decimal(120)

    stage.tick()
    stage.tick()

    halts = [action for action in stage.actions if isinstance(action, Halt)]
    assert len(halts) == 1
    assert halts[0].reason.startswith("drawdown")
    assert stage.said("Halted") == 1


@pytest.mark.parametrize("side", list(Side))
def test_flatten_works_a_reduce_only_exit(stage: Stage, side: Side) -> None:
    stage.fill(side)
    stage.command("flatten")
    stage.tick()
    stage.silent = True
    stage.lone_tick()

    (exit_order,) = [a for a in stage.actions if isinstance(a, Place) and a.flatten]
    assert exit_order.side is side.opposite
    assert exit_order.reduce_only
    assert exit_order.size == abs(stage.engine.state.pnl.position)


def test_an_unknown_command_changes_nothing_and_says_so(stage: Stage) -> None:
    stage.command("dance")

    assert stage.said("Unknown command 'dance'") == 1
    assert stage.engine.view().safety.state == "quoting"


# -- audit --------------------------------------------------------------------------------------


def test_the_first_audit_takes_the_venues_position(fresh: Stage) -> None:
    fresh.start(position=Decimal("0.5"))
    assert fresh.engine.state.pnl.position == Decimal("0.5")

    other = Stage(Engine(fresh.engine.settings, fresh.engine.state.instrument))
    other.audit(position="0.7")
    assert other.engine.state.pnl.position == Decimal("0.7")
    assert other.said("Position differs from the ledger") == 1


def test_a_position_that_stays_different_halts(stage: Stage) -> None:
    for _ in range(3):
        stage.audit(position="3")
        for _ in range(20):
            stage.tick()

    assert stage.engine.state.kill.halted.startswith("position mismatch")
    stage.command("resume")
    assert stage.engine.state.pnl.position == 3


def test_a_fill_that_is_only_late_is_no_mismatch(stage: Stage) -> None:
    order = next(o for o in stage.engine.state.orders.side(Side.BID) if o.level == 2)
    stage.audit(position=str(order.size))
    assert stage.engine.state.mismatch is not None

    stage.fill(Side.BID, 2)
    stage.audit()

    assert stage.engine.state.mismatch is None
    assert stage.said("Position differs") == 0


def test_a_wrong_position_is_noticed_however_often_we_are_filled(stage: Stage) -> None:
    stage.audit(position=str(stage.engine.state.pnl.position + 3))
    stage.fill(Side.ASK)
    stage.tick()
    stage.audit(position=str(stage.engine.state.pnl.position + 3))
    stage.tick()

    assert stage.engine.view().bid.blocked.startswith("position mismatch")


def row(cloid: str, oid: int | None = 99) -> OpenOrder:
    return OpenOrder(cloid, oid or 0, Side.BID, Decimal(90), Decimal(1), False)


def test_an_orphan_of_ours_is_cancelled_a_foreign_order_never(stage: Stage) -> None:
    rows = [row("0x6d6d" + "0" * 28), row("0xabcd" + "0" * 28)]
    rows += [row(o.cloid, o.oid) for o in stage.engine.state.orders]

    step = stage.audit(orders=rows)

    assert step.actions == (Cancel("0x6d6d" + "0" * 28),)


def test_an_order_missing_in_two_audits_is_gone(stage: Stage) -> None:
    stage.ts += 10 * NS_PER_S
    stage.audit(orders=[])
    assert len(stage.prices(Side.BID)) == 5

    stage.audit(orders=[])

    assert stage.prices(Side.BID) == []
    assert stage.said("Order gone without a word") == 10


def test_an_order_in_doubt_is_found_by_the_audit(stage: Stage) -> None:
    order = next(iter(stage.engine.state.orders))
    stage.happen(Unresolved(stage.ts, order.cloid, RequestKind.MODIFY))
    order.sent_ts = stage.ts
    order.cancel_sent(stage.ts)
    stage.happen(Unresolved(stage.ts, order.cloid, RequestKind.CANCEL))
    assert order.state == "unknown"

    stage.ts += 20 * NS_PER_S
    stage.audit(orders=[row(o.cloid, o.oid) for o in stage.engine.state.orders])

    assert order.state == "open"


def test_a_deposit_is_noted_and_halts_nobody(stage: Stage) -> None:
    stage.audit(equity="25000")
    stage.audit(equity="25000")
    stage.tick()

    assert stage.said("Deposit or withdrawal") == 1
    assert stage.engine.state.kill.halted == ""


# -- learning -----------------------------------------------------------------------------------


def test_the_cold_start_says_that_it_is_hungry(stage: Stage) -> None:
    assert stage.said("Fill-hungry mode active") == 1
    view = stage.engine.view().calibration
    assert view.multiplier == pytest.approx(0.3)
    assert view.hungry
    assert not view.complete


def test_public_trades_reach_the_estimators(stage: Stage) -> None:
    before = stage.engine.view().market.kappa
    for number in range(40):
        stage.ts += NS_PER_S // 4
        trade = Trade(stage.ts, 100.08, 5.0, Side.BID, number)
        stage.happen(Trades(stage.ts, (trade,)))
        stage.tick()
    after = stage.engine.view().market.kappa

    assert before is not None
    assert after is not None
    assert after.value != before.value


def test_a_checkpoint_brings_quotes_back_and_rubbish_does_not(stage: Stage, fresh: Stage) -> None:
    for number in range(12):
        stage.fill(Side.BID if number % 2 else Side.ASK)
        for _ in range(7):
            stage.tick()
    saved = stage.engine.checkpoint()

    fresh.start(checkpoint=saved)
    assert fresh.said("Checkpoint restored") == 1
    was, now = stage.engine.view(), fresh.engine.view()
    assert now.calibration.measured_arrivals == was.calibration.measured_arrivals
    assert now.market.kappa is not None
    assert was.market.kappa is not None
    assert now.market.kappa.value == pytest.approx(was.market.kappa.value, rel=0.05)

    other = Stage(Engine(fresh.engine.settings, fresh.engine.state.instrument))
    other.start(checkpoint=b"rubbish")
    assert other.said("Checkpoint refused") == 1


def test_the_first_quotes_of_a_restart_are_those_of_before(stage: Stage, fresh: Stage) -> None:
    """Within 5 %, the calibration going on from where it was; without the checkpoint none come."""
    for number in range(30):
        stage.tick(stage.mid * (1.0 + 2e-4 * (-1) ** number))
        if number % 5 == 0:
            stage.fill(Side.BID if number % 2 else Side.ASK)
    was, old = stage.engine.view(), stage.engine.state.pnl
    cold = Stage(Engine(fresh.engine.settings, fresh.engine.state.instrument))
    for again, saved in ((fresh, stage.engine.checkpoint()), (cold, None)):
        again.ts = stage.ts + 3 * NS_PER_S
        again.start(position=old.position, cash=old.cash, checkpoint=saved)
        again.tick()

    now = fresh.engine.view()
    for before, after in ((was.bid, now.bid), (was.ask, now.ask)):
        assert after.depth_bps == pytest.approx(before.depth_bps, rel=0.05)
    assert now.calibration.progress == pytest.approx(was.calibration.progress, rel=0.05)
    assert now.calibration.progress > 0.1
    assert cold.engine.view().bid.depth_bps is None


def test_a_low_action_budget_makes_edits_rarer_on_both_sides(stage: Stage) -> None:
    for number in range(10):
        stage.tick(stage.mid * (1.0 + 1e-4 * (number % 2)))
    stage.happen(ActionBudget(stage.ts, 10_000, 10_000))
    stage.tick()
    poor = stage.engine.quoting.tolerance
    stage.happen(ActionBudget(stage.ts, 0, 1_000_000))
    stage.tick()
    rich = stage.engine.quoting.tolerance

    assert poor.near.outward_bps > rich.near.outward_bps
    assert poor.deep.outward_bps > 3.0 * rich.deep.outward_bps
    assert poor.near.inward_bid_bps >= rich.near.inward_bid_bps
    assert len(stage.prices(Side.BID)) == len(stage.prices(Side.ASK)) == 5


def test_the_eta_is_that_of_the_depths_with_room_for_a_low_action_budget(stage: Stage) -> None:
    for number in range(10):
        stage.tick(stage.mid * (1.0 + 1e-4 * (number % 2)))
    rich_s = stage.engine.view().calibration.eta_s
    stage.happen(ActionBudget(stage.ts, 10_000, 10_000))
    stage.tick()
    view = stage.engine.view()
    depths = stage.engine.learning.components.calibration.effect.depths_bps

    assert [term.name for term in view.bid.terms][-1] == "action_budget"
    assert depths == (view.bid.depth_bps, view.ask.depth_bps)
    assert rich_s is not None
    assert view.calibration.eta_s is not None
    assert view.calibration.eta_s > 1.1 * rich_s


def test_a_spent_budget_is_no_reason_to_halt(stage: Stage) -> None:
    stage.happen(
        Rejected(stage.ts, "0x", RequestKind.MODIFY, RejectCode.BUDGET, "Too many cumulative")
    )
    order = next(iter(stage.engine.state.orders))
    order.cancel_sent(stage.ts)
    stage.happen(Rejected(stage.ts, order.cloid, RequestKind.CANCEL, RejectCode.BUDGET, "Too many"))

    assert stage.engine.state.kill.reject_rate() == 0.0
    assert stage.engine.view().safety.action_budget_left == 0


def test_a_side_that_waits_for_the_grant_of_a_spent_budget_says_so(stage: Stage) -> None:
    stage.happen(ActionBudget(stage.ts, 10_000, 10_000))
    for side in Side:
        for level in range(1, 6):
            stage.fill(side, level)
        stage.tick()

    view = stage.engine.view()
    assert {view.bid.blocked, view.ask.blocked} == {"", SPENT}
    for _ in range(10):
        stage.tick()
    assert stage.engine.view().ask.blocked == stage.engine.view().bid.blocked == ""


def test_what_is_too_near_and_cannot_be_moved_for_want_of_actions_is_withdrawn(
    stage: Stage,
) -> None:
    """Cancels have a budget of their own; the orders stood there until the next turn."""
    stage.happen(ActionBudget(stage.ts, 10_000, 10_000))
    stage.mid *= 1.0003
    stage.tick()  # takes the turn
    raised = stage.prices(Side.BID)
    stage.mid *= 0.999
    stage.tick()
    wanted = stage.engine.quoting.ladder.bids[0].price
    assert raised[0] > wanted
    assert all(price <= wanted for price in stage.prices(Side.BID))
    assert stage.prices(Side.ASK) != []


def test_a_fill_right_after_a_decision_is_answered_as_soon_as_may_be(stage: Stage) -> None:
    """Not by the next tick alone: until then that side would stand without its first level."""
    stage.tick()
    stage.ts += 100 * NS_PER_MS
    stage.fill(Side.BID)
    assert not any(isinstance(action, Place) for action in stage.actions[-1:])
    before = len(stage.actions)
    stage.ts += 200 * NS_PER_MS
    stage.book(stage.mid)
    assert any(isinstance(action, Place | Modify) for action in stage.actions[before:])
