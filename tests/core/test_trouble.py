"""What the whole-system simulation found in the core: each with the scene that shows it."""

from decimal import Decimal

import pytest

from mm.model.actions import Cancel
from mm.model.events import Link, RejectCode, Rejected, RequestKind
from mm.model.units import Side
from tests.core.stage import Stage


def test_quotes_are_pulled_from_a_stale_book_though_the_link_is_down(stage: Stage) -> None:
    """Orders kept resting for as long as the websocket could not reconnect."""
    assert len(stage.prices(Side.BID)) == 5
    stage.happen(Link(stage.ts, False, "no close frame"))

    soon = [action for _ in range(4) for action in stage.lone_tick().actions]
    late = [action for _ in range(3) for action in stage.lone_tick().actions]

    assert soon == [], "a short loss of the link costs no place in the queue"
    assert {type(action) for action in late} == {Cancel}
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
