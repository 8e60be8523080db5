"""Each remedy changes what is asked next: wait, a newer price, less, nothing, or the end."""

from decimal import Decimal
from itertools import pairwise

import pytest
from msgspec import structs

from mm.core.kill_switch import MIN_REQUESTS, WINDOW_NS, KillSwitch
from mm.core.recourse import CALM_NS
from mm.core.settings import RiskSettings
from mm.model.actions import Cancel, CancelAll, Halt, Modify, Place, Severity
from mm.model.events import RejectCode, Rejected, Remedy, RequestKind
from mm.model.units import NS_PER_S, Side
from tests.core.stage import Stage


def refuse(stage: Stage, code: RejectCode, *, echoes: bool = False) -> list[Place | Modify]:
    """A second passes; the venue refuses all that is then asked of it, in a word of its own each
    or (`echoes`) in one for all of them. What was asked."""
    stage.silent = True
    asked = [one for one in stage.tick() if isinstance(one, Place | Modify)]
    stage.silent = False
    for number, one in enumerate(asked):
        kind = RequestKind.PLACE if isinstance(one, Place) else RequestKind.MODIFY
        echo = echoes and number > 0
        stage.happen(Rejected(stage.ts, one.cloid, kind, code, "words", echo=echo))
    return asked


def emptied(stage: Stage) -> Stage:
    """Nothing rests, so that the next cycle asks for a whole ladder."""
    for order in list(stage.engine.state.orders):
        stage.answer(Cancel(order.cloid))
    stage.ts += NS_PER_S
    stage.engine.state.expire(stage.ts)
    assert not list(stage.engine.state.orders)
    return stage


@pytest.fixture
def bold(stage: Stage) -> Stage:
    """Its guard on refusals is off: what is left is the remedy."""
    off = structs.replace(stage.engine.settings.risk, reject_rate_soft=9.0, reject_rate_hard=9.0)
    stage.engine.state.kill = KillSwitch(off)
    return emptied(stage)


def of(remedy: Remedy) -> list[RejectCode]:
    return [code for code in RejectCode if code.remedy is remedy]


# -- retry later ----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [c for c in of(Remedy.RETRY) if c is not RejectCode.BUDGET])
def test_what_is_to_be_retried_waits_ever_longer_and_never_halts(
    stage: Stage, code: RejectCode
) -> None:
    emptied(stage)
    asked = [stage.ts for _ in range(180) if refuse(stage, code, echoes=True)]

    gaps = [(b - a) / NS_PER_S for a, b in pairwise(asked)]
    assert gaps[0] <= 3.0 < gaps[2] < gaps[3]
    assert max(gaps) < 20.0, "but never for long"
    assert gaps[-1] > 15.0
    assert not stage.engine.state.kill.halted
    assert stage.engine.view().bid.blocked == f"refused by the venue: asking again later: {code}"

    stage.ts += CALM_NS
    stage.tick()
    assert len(stage.prices(Side.BID)) == 5


def test_while_it_waits_an_order_too_close_to_the_market_is_cancelled(stage: Stage) -> None:
    """It may not be moved; one that is too far away may stay where it is."""
    best_bid, best_ask = stage.prices(Side.BID)[0], stage.prices(Side.ASK)[0]
    stage.silent = True
    refuse_all = [one for one in stage.tick(100.2) if isinstance(one, Modify)]
    stage.silent = False
    for one in refuse_all:
        event = Rejected(stage.ts, one.cloid, RequestKind.MODIFY, RejectCode.NONCE, "words")
        stage.happen(event)

    stage.ts += NS_PER_S // 4
    stage.book(100.2)
    actions = [*stage.actions[-20:], *stage.lone_tick(0.01).actions]

    assert refuse_all
    assert any(isinstance(one, Cancel) for one in actions)
    assert best_ask not in stage.prices(Side.ASK), "the market came up to it"
    assert best_bid in stage.prices(Side.BID)


@pytest.mark.parametrize("code", [c for c in of(Remedy.RETRY) if c is not RejectCode.BUDGET])
def test_while_it_waits_the_way_out_of_a_position_stays_open(bold: Stage, code: RejectCode) -> None:
    """By one order that can do nothing else and is no larger than the position."""
    stage = bold
    stage.tick()
    stage.fill(Side.BID)
    stage.tick()
    held = stage.engine.state.pnl.position
    refuse(emptied(stage), code)
    assert stage.engine.state.recourse.waiting(stage.ts)

    asked = [one for one in stage.lone_tick(0.5).actions if isinstance(one, Place)]

    assert [(one.side, one.level, one.reduce_only) for one in asked] == [(Side.ASK, 1, True)]
    assert 0 < asked[0].size <= held
    assert stage.prices(Side.ASK)
    assert not stage.prices(Side.BID)

    stage.ts += CALM_NS
    stage.tick()
    stage.tick()
    assert len(stage.prices(Side.ASK)) == 5, "and then all of it again"
    assert not any(order.reduce_only for order in stage.engine.state.orders.side(Side.ASK))


@pytest.mark.parametrize("kind", [Place, Cancel])
def test_even_what_sheds_risk_is_asked_once_a_second_of_a_venue_without_weight(
    bold: Stage, kind: type[Place | Cancel]
) -> None:
    """It went four times a second, was refused each time, and kept the orders of other coins
    waiting."""
    stage = bold
    stage.tick()
    stage.fill(Side.BID)
    if kind is Place:
        emptied(stage)
    stage.silent = True
    times: set[int] = set()
    for _ in range(80):
        stage.ts += NS_PER_S // 8
        actions = [*stage.book(stage.mid * 1.003).actions, *stage.lone_tick(0.125).actions]
        for one in actions:
            if isinstance(one, Place | Cancel):
                what = RequestKind.PLACE if isinstance(one, Place) else RequestKind.CANCEL
                stage.happen(Rejected(stage.ts, one.cloid, what, RejectCode.RATE, "429"))
            if isinstance(one, kind) and getattr(one, "reduce_only", True):
                times.add(stage.ts)

    assert len(times) >= 15, "nor does it wait as others do"
    assert min(b - a for a, b in pairwise(sorted(times))) >= NS_PER_S


# -- reprice --------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", of(Remedy.REPRICE))
def test_a_price_that_was_refused_is_not_asked_again_of_the_same_book(
    bold: Stage, code: RejectCode
) -> None:
    stage = bold
    asked = refuse(stage, code)
    assert len(asked) == 10

    for action in [one for _ in range(3) for one in stage.lone_tick(0.5).actions]:
        assert isinstance(action, Place)
        refused = [one.price for one in asked if one.side is action.side]
        assert all(action.side * (action.price - price) < 0 for price in refused)

    stage.tick()
    assert len(stage.prices(Side.BID)) == len(stage.prices(Side.ASK)) == 5, "a newer book"


# -- resize ---------------------------------------------------------------------------------------


def resting(stage: Stage, side: Side) -> Decimal:
    return sum((o.remaining for o in stage.engine.state.orders.side(side) if o.live), Decimal(0))


def test_want_of_margin_halves_what_is_asked_once_a_batch_and_comes_back(stage: Stage) -> None:
    """Ten refusals of a ladder are one: the guard on refusals does not halt before it fits."""
    emptied(stage)
    state = stage.engine.state
    whole = state.limits(100.0).most(Side.BID)

    assert len(refuse(stage, RejectCode.MARGIN)) == 10
    assert state.limits(100.0).most(Side.BID) == whole / 2, "ten refusals of one batch"
    assert not state.kill.halted
    refuse(stage, RejectCode.MARGIN)
    assert state.limits(100.0).most(Side.ASK) == whole / 4
    assert stage.engine.view().position.max_notional_usd == pytest.approx(float(whole) * 25, 0.01)

    stage.warm(65)
    assert state.limits(100.0).most(Side.BID) == whole / 2
    stage.warm(65)
    assert state.limits(100.0).most(Side.BID) == whole


def test_less_margin_means_smaller_orders_until_they_fit(stage: Stage) -> None:
    """A venue with room for a fifth of the limit: the daemon finds it, and quotes within it."""
    emptied(stage)
    state = stage.engine.state
    room = state.limits(100.0).most(Side.BID) / 5
    state.pnl.adopt(room * 4)  # bids have a fifth of their room left
    for _ in range(3):
        if state.limits(100.0).room(Side.BID, state.pnl.position) == 0:
            break
        refuse(stage, RejectCode.MARGIN)

    stage.tick()
    assert resting(stage, Side.BID) == 0, "no more of what the margin does not bear"
    assert resting(stage, Side.ASK) > 0, "the way out stays open"


# -- drop -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", of(Remedy.DROP))
def test_what_is_dropped_is_decided_afresh(stage: Stage, code: RejectCode) -> None:
    emptied(stage)
    first, again = refuse(stage, code, echoes=True), refuse(stage, code, echoes=True)

    assert len(first) == len(again) == 10
    assert not {one.cloid for one in first} & {one.cloid for one in again}, "never sent again"


# -- halt -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", of(Remedy.HALT))
@pytest.mark.parametrize("kind", RequestKind)
def test_where_no_retry_can_help_one_refusal_halts(
    stage: Stage, code: RejectCode, kind: RequestKind
) -> None:
    cloid = next(iter(stage.engine.state.orders)).cloid
    words = "User or API Wallet 0xab does not exist."
    step = stage.happen(Rejected(stage.ts, cloid, kind, code, words))

    reason = f"venue refuses us: {words} (ask `mm doctor`)"
    assert step.actions == (Halt(reason), CancelAll(reason))
    stage.command("resume")
    stage.tick()
    stage.tick()
    assert stage.engine.view().safety.halt_reason == "", "the operator has looked"


# -- counted once ---------------------------------------------------------------------------------


def test_a_batch_refused_in_one_word_is_one_line_of_the_log(stage: Stage) -> None:
    emptied(stage)
    before = len(stage.notes)
    assert len(refuse(stage, RejectCode.OTHER, echoes=True)) == 10

    (refusal,) = (n for n in stage.notes[before:] if n.text == "Venue refused a request")
    assert refusal.severity is Severity.WARNING
    assert (refusal.data["code"], refusal.data["remedy"]) == ("other", "drop")


def test_to_the_guard_it_is_one_request_of_one() -> None:
    """Neither ten strikes, nor one in ten."""
    kill = KillSwitch(RiskSettings())
    for batch in range(MIN_REQUESTS):
        assert kill.reject_rate() == 0.0, f"{batch} requests are too few to judge"
        kill.sent(0, 10)
        kill.rejected(0)
        for _ in range(9):
            kill.echoed(0)

    assert kill.reject_rate() == 1.0
    kill.sent(0, MIN_REQUESTS)
    assert kill.reject_rate() == 0.5
    kill.forget(WINDOW_NS + 1)
    kill.sent(WINDOW_NS + 1, MIN_REQUESTS)
    kill.rejected(WINDOW_NS + 1)
    assert kill.reject_rate() == 1 / MIN_REQUESTS
