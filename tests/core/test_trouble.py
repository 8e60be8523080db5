"""What the whole-system simulation found in the core: each with the scene that shows it."""

from decimal import Decimal

import pytest

from mm.model.actions import Cancel, CancelAll, Place
from mm.model.events import Account, Link, OpenOrder, RejectCode, Rejected, RequestKind, Start
from mm.model.units import NS_PER_S, Side
from tests.core.stage import Stage

ONE = Decimal(1)


def test_quotes_are_pulled_from_a_stale_book_though_the_link_is_down(stage: Stage) -> None:
    """Orders kept resting for as long as the websocket could not reconnect."""
    assert len(stage.prices(Side.BID)) == 5
    stage.happen(Link(stage.ts, False, "no close frame"))

    soon = [action for _ in range(4) for action in stage.lone_tick().actions]
    late = [action for _ in range(3) for action in stage.lone_tick().actions]

    assert soon == [], "a short loss of the link costs no place in the queue"
    assert {type(action) for action in late} == {Cancel}
    assert stage.prices(Side.BID) == stage.prices(Side.ASK) == []


def test_quotes_that_nobody_can_move_are_pulled_however_fresh_the_book(stage: Stage) -> None:
    """Each connection brought a book and ended before the link was up: quotes kept resting where
    they were, for as long as that went on."""
    assert len(stage.prices(Side.BID)) == 5
    stage.happen(Link(stage.ts, False, "no close frame"))

    soon = [action for _ in range(3) for action in stage.tick()]
    late = [action for _ in range(3) for action in stage.tick()]

    assert soon == []
    assert {type(action) for action in late} == {Cancel}
    assert stage.prices(Side.BID) == stage.prices(Side.ASK) == []


def test_a_link_that_is_up_for_a_moment_does_not_excuse_quotes_that_stay(stage: Stage) -> None:
    """Only a decision that could move them does."""
    for _ in range(6):
        stage.happen(Link(stage.ts, False, "no close frame"))
        stage.tick()
        stage.happen(Link(stage.ts, True, "connected"))
    stage.happen(Link(stage.ts, False, "no close frame"))
    stage.tick()

    assert stage.prices(Side.BID) == stage.prices(Side.ASK) == []


def test_a_resume_takes_no_gap_that_only_one_audit_saw(stage: Stage) -> None:
    """A fill crossed the audit on the wire, an operator resumed: the position was wrong."""
    stage.audit(position="7")
    stage.command("halt")
    stage.command("resume")
    assert stage.engine.state.pnl.position == 0

    stage.audit(position="7")
    stage.command("halt")
    stage.command("resume")
    assert stage.engine.state.pnl.position == Decimal(7), "two in a row: the operator has looked"


def test_what_audits_put_right_again_and_again_withdraws_until_one_finds_nothing(
    stage: Stage,
) -> None:
    """A stream gone deaf: each audit repaired, and between them we quoted on what was not so."""

    def audit(repaired: int) -> None:
        ts, state = stage.ts, stage.engine.state
        rows = tuple(
            OpenOrder(o.cloid, o.oid or 0, o.side, o.price, o.remaining, False)
            for o in state.orders
            if o.live
        )
        held = state.pnl.position
        stage.happen(Account(ts, ts, ts, held, Decimal(10_000), rows, repaired))
        stage.tick()

    for _ in range(2):
        audit(1)
        assert len(stage.prices(Side.BID)) == 5, "a single word lost is no reason"
    audit(2)
    assert stage.prices(Side.BID) == stage.prices(Side.ASK) == []
    view = stage.engine.view()
    assert view.bid.blocked.startswith("audits differ: 3 in a row")
    assert (view.safety.state, view.safety.ready) == ("withdrawn", False)

    audit(0)
    stage.tick()
    assert len(stage.prices(Side.BID)) == 5


def test_orphans_in_each_audit_withdraw_as_well(stage: Stage) -> None:
    prefix = f"0x{stage.engine.settings.cloid_prefix}"
    for number in range(3):
        orphan = OpenOrder(f"{prefix}{number:028x}", 900 + number, Side.BID, ONE, ONE, False)
        rows = [
            OpenOrder(o.cloid, o.oid or 0, o.side, o.price, o.remaining, False)
            for o in stage.engine.state.orders
        ]
        assert Cancel(orphan.cloid or "") in stage.audit(orders=[*rows, orphan]).actions
        stage.tick()

    assert stage.prices(Side.BID) == []
    assert stage.said("Orphan order of ours") == 3


@pytest.mark.parametrize(
    ("kind", "code", "halts"),
    [
        (RequestKind.PLACE, RejectCode.EXPIRED, False),
        (RequestKind.MODIFY, RejectCode.NOT_OPEN, False),
        (RequestKind.PLACE, RejectCode.RATE, False),
        (RequestKind.CANCEL, RejectCode.NONCE, False),
        (RequestKind.PLACE, RejectCode.NONCE, False),
        (RequestKind.MODIFY, RejectCode.NONCE, False),
        (RequestKind.PLACE, RejectCode.TICK, True),
    ],
)
def test_only_refusals_of_what_we_ask_for_halt(
    stage: Stage, kind: RequestKind, code: RejectCode, halts: bool
) -> None:
    """Requests lost in a half-open socket, or cancels refused by a storm of 429, halted."""
    state = stage.engine.state
    cloid = next(iter(state.orders)).cloid
    for _ in range(400):
        state.kill.sent(stage.ts, 1)
        state.order(Rejected(stage.ts, cloid, kind, code, "no"))
    stage.lone_tick()

    assert bool(state.kill.halted) == halts


@pytest.mark.parametrize(("age_s", "exits"), [(1.0, True), (30.0, False)])
def test_an_exit_does_not_wait_for_the_link_while_the_book_is_fresh(
    stage: Stage, age_s: float, exits: bool
) -> None:
    """By another way out; without a book there is no price to ask for."""
    stage.fill(Side.BID)
    stage.command("flatten")
    stage.tick()
    held = stage.engine.state.pnl.position
    before = len(stage.actions)
    for order in list(stage.engine.state.orders):
        stage.answer(Cancel(order.cloid))
    stage.happen(Link(stage.ts, False, "test"))
    stage.ts += NS_PER_S
    stage.book(stage.mid)
    stage.engine.state.expire(stage.ts)

    stage.lone_tick(age_s)

    asked = [one for one in stage.actions[before:] if isinstance(one, Place)]
    assert held > 0
    assert [(one.flatten, one.size) for one in asked] == ([(True, held)] if exits else [])


def test_a_halt_cancels_again_though_the_link_is_down(stage: Stage) -> None:
    """It goes by REST: what a lost answer left resting must not wait for the websocket."""
    stage.silent = True
    stage.command("halt")
    stage.happen(Link(stage.ts, False, "test"))

    later = [action for _ in range(11) for action in stage.lone_tick().actions]
    assert later == [CancelAll("operator: test")]


@pytest.mark.parametrize("told", [True, False])
def test_the_first_snapshot_may_miss_the_fill_of_an_exit(fresh: Stage, told: bool) -> None:
    """An exit goes out before it: what that trades is not taken from the position twice."""
    held, state = Decimal("1.5"), fresh.engine.state
    fresh.happen(
        Start(
            ts=fresh.ts,
            run_id="0000abcd",
            position=held,
            cash=Decimal(-150),
            halted="operator",
            flatten=True,
            peak_equity=None,
            day_equity=None,
            checkpoint=None,
        )
    )
    fresh.happen(Link(fresh.ts, True, "test"))
    fresh.tick()
    assert [one.flatten for one in fresh.actions if isinstance(one, Place)] == [True]

    fresh.audit(position="0")
    assert state.pnl.position == held
    if told:
        fresh.fill(Side.ASK, level=0)
        assert state.pnl.position == 0
    fresh.audit(position="0")  # where nothing was told, the ledger was wrong
    assert state.pnl.position == 0
    assert state.mismatch is None
    assert state.audited
