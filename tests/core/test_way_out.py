"""Whatever keeps new risk waiting leaves the way out of a position open."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from mm.core.engine import Engine
from mm.model.beside import Beside
from mm.model.events import Allowance
from mm.model.units import NS_PER_S, Side
from tests.core.stage import INSTRUMENT, Stage, settings

ZERO = Decimal(0)


def asked_to(stage: Stage) -> None:
    stage.command("pause")


def often_refused(stage: Stage) -> None:
    """More than the soft limit allows, less than the hard one."""
    kill = stage.engine.state.kill
    kill.sent(stage.ts, 1_000)
    for _ in range(500):
        kill.rejected(stage.ts)


def too_busy(stage: Stage) -> None:
    stage.engine.state.kill.sent(stage.ts, 1_300)


def in_a_fast_market(stage: Stage) -> None:
    for mid in (stage.mid * 1.02, stage.mid):
        stage.ts += NS_PER_S // 5
        stage.book(mid)


def without_a_share_of_the_portfolio(stage: Stage) -> None:
    stage.happen(Allowance(stage.ts, ZERO, ZERO, ZERO))


def without_margin(stage: Stage) -> None:
    stage.audit(beside=Beside(margin=Decimal(20_000)))


TROUBLES: dict[str, Callable[[Stage], None]] = {
    "paused": asked_to,
    "reject rate": often_refused,
    "action rate": too_busy,
    "price velocity": in_a_fast_market,
    "risk limit": without_a_share_of_the_portfolio,
    "risk limit: other positions": without_margin,
}


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("reason", TROUBLES)
def test_what_keeps_new_risk_waiting_leaves_the_way_out(reason: str, side: Side) -> None:
    """What rests there and is too much is taken down first, and then set anew."""
    stage = Stage(Engine(settings(), INSTRUMENT))
    stage.start()
    stage.warm()
    for level in (1, 2):
        stage.fill(side, level)
    assert side * stage.engine.state.pnl.position > 0

    TROUBLES[reason](stage)
    for _ in range(4):
        stage.lone_tick(0.5)

    view = stage.engine.view()
    blocked = {Side.BID: view.bid.blocked, Side.ASK: view.ask.blocked}
    assert blocked[side].startswith(reason)
    assert blocked[side.opposite] == ""
    assert stage.prices(side) == []
    assert stage.prices(side.opposite)


@pytest.mark.parametrize("reason", ["reject rate", "action rate"])
def test_a_number_that_changes_is_no_new_reason(stage: Stage, reason: str) -> None:
    """Each was: a line in the log a second, and a kind of its own in what time was lost to."""
    stage.notes.clear()
    for _ in range(10):
        TROUBLES[reason](stage)
        stage.tick()

    assert stage.engine.view().bid.blocked.startswith(reason)
    assert stage.said("Not quoting bid") == 1
    lost = stage.engine.state.presence.blocked_s[Side.BID]
    assert [kind for kind in lost if kind.startswith(reason)] == [reason]
