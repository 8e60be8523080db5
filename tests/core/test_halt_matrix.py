"""Each reason to halt, in each state that it may meet: once, at once, for good, and said."""

from collections.abc import Callable
from decimal import Decimal
from itertools import product

import pytest

from mm.core.engine import Engine
from mm.core.halting import FLAT
from mm.model.actions import CancelAll, Halt, Modify, Place
from mm.model.events import Book, Command, Fill, Funding, Link, RejectCode, Rejected, RequestKind
from mm.model.units import NS_PER_S, Side
from tests.core.stage import INSTRUMENT, Stage, settings

LOT = Decimal("2.000")


def held(stage: Stage, size: Decimal) -> None:
    """A position that came from elsewhere: somebody traded by hand."""
    stage.happen(
        Fill(
            ts=stage.ts,
            venue_ts=stage.ts,
            trade_id=10_000 + len(stage.notes),
            cloid="",
            oid=99,
            side=Side.BID if size > 0 else Side.ASK,
            price=Decimal("100.000"),
            size=abs(size),
            fee=Decimal(0),
            start_position=stage.engine.state.pnl.position,
            quote=False,
        )
    )


# -- reasons --------------------------------------------------------------------------------------


def lose(stage: Stage, usd: str) -> None:
    stage.happen(Funding(stage.ts, stage.ts, Decimal(usd), 0.01))


def by_operator(stage: Stage) -> None:
    stage.command("halt", "look")


def by_drawdown(stage: Stage) -> None:
    lose(stage, "-1100")


def by_daily_loss(stage: Stage) -> None:
    lose(stage, "-600")


def by_rejects(stage: Stage) -> None:
    """The venue refuses nearly all that was sent in the last minute."""
    kill = stage.engine.state.kill
    kill.sent(stage.ts, 100)
    for _ in range(190):
        kill.rejected(stage.ts)


def by_mismatch(stage: Stage) -> None:
    ours = stage.engine.state.pnl.position
    for _ in range(3):
        stage.audit(position=str(ours + 1))
        stage.ts += 30 * NS_PER_S


def by_breach(stage: Stage) -> None:
    position = stage.engine.state.pnl.position
    held(stage, Decimal(200) if position >= 0 else Decimal(-200))


def by_refusal(stage: Stage) -> None:
    """Of what no retry can help: the venue does not know the key any more."""
    order = next(iter(stage.engine.state.orders))
    kind = RequestKind.MODIFY if order.live else RequestKind.PLACE
    text = "User or API Wallet 0x0 does not exist."
    stage.happen(Rejected(stage.ts, order.cloid, kind, RejectCode.AUTH, text))


def by_delisting(stage: Stage) -> None:
    stage.happen(Command(stage.ts, "halt", "venue", "delisted"))


def by_anothers_loss(stage: Stage) -> None:
    stage.happen(Command(stage.ts, "halt", "portfolio", "ETH: drawdown"))


REASONS: dict[str, Callable[[Stage], None]] = {
    "operator: look": by_operator,
    "drawdown": by_drawdown,
    "daily loss": by_daily_loss,
    "reject rate": by_rejects,
    "position mismatch": by_mismatch,
    "position breach": by_breach,
    "venue refuses us": by_refusal,
    "venue: delisted": by_delisting,
    "portfolio: ETH: drawdown": by_anothers_loss,
}
POSITIONS = {"flat": Decimal(0), "long": LOT, "short": -LOT}
ORDERS = ("resting", "in flight")
LINKS = ("connected", "disconnected", "during reconnect")


def met(position: str, orders: str, link: str, stage: Stage | None = None) -> Stage:
    """A stage in this state, quoting until just before."""
    stage = stage or Stage(Engine(settings(), INSTRUMENT))
    stage.start()
    if POSITIONS[position]:
        held(stage, POSITIONS[position])
        stage.audit()
    stage.silent = orders == "in flight"
    stage.warm()
    assert list(stage.engine.state.orders)
    assert all(order.live for order in stage.engine.state.orders) is not stage.silent
    if link != "connected":
        stage.happen(Link(stage.ts, False, "test"))
    if link == "during reconnect":
        stage.ts += NS_PER_S
        stage.happen(Link(stage.ts, True, "again"))
    return stage


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize(("position", "orders", "link"), list(product(POSITIONS, ORDERS, LINKS)))
def test_halt(reason: str, position: str, orders: str, link: str) -> None:
    stage = met(position, orders, link)
    stage.actions.clear()

    REASONS[reason](stage)
    stage.lone_tick(0.0)

    halts = [action for action in stage.actions if isinstance(action, Halt)]
    assert [halt.reason[: len(reason)] for halt in halts] == [reason]
    assert any(isinstance(action, CancelAll) for action in stage.actions)
    after = stage.actions.index(halts[0])

    stage.silent = False
    stage.happen(Link(stage.ts, True, "again"))
    for _ in range(12):  # what still rests is cancelled again each ten seconds
        stage.tick()
    assert list(stage.engine.state.orders) == [], "still resting"
    later = stage.actions[after:]
    assert not any(isinstance(action, Place | Modify) for action in later)
    assert sum(isinstance(action, Halt) for action in later) == 1
    assert stage.said("Halted") + stage.said("Command: halt") == 1
    reason_of_silence = f"halted: {halts[0].reason}"
    for side in Side:
        told = [n.data["reason"] for n in stage.notes if n.text == f"Not quoting {side.label}"]
        assert told.count(reason_of_silence) == 1, "each side says once why it is silent"

    view = stage.engine.view()
    assert view.safety.state == "halted"
    assert view.safety.halt_reason.startswith(reason)
    assert view.bid.blocked == view.ask.blocked == f"halted: {view.safety.halt_reason}"
    it_survives_a_restart(stage, view.safety.halt_reason)
    it_ends_when_the_operator_says_so(stage, reason)


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("paid", ["-40", "40"])
def test_a_funding_hour_at_midnight_halts_nobody(position: str, paid: str) -> None:
    """The venue's equity tells of it before or after its own word, while the day begins anew."""
    stage = met(position, "resting", "connected")
    day = 86_400 * NS_PER_S
    stage.ts += day - stage.ts % day - 2 * NS_PER_S
    for equity in ("10000", str(10_000 + Decimal(paid))):
        stage.audit(equity=equity)
        stage.tick()
    lose(stage, paid)
    for _ in range(4):
        stage.audit(equity=str(10_000 + Decimal(paid)))
        stage.tick()

    safety = stage.engine.view().safety
    assert (safety.halt_reason, safety.state) == ("", "quoting")


def untold(stage: Stage) -> None:
    """The venue answers nothing."""
    stage.silent = True


def deaf(stage: Stage) -> None:
    stage.happen(Link(stage.ts, False, "test"))
    stage.ts += 60 * NS_PER_S


def alone(stage: Stage) -> None:
    """Nobody stands on either side of the book."""
    stage.happen(Book(stage.ts, stage.ts, (), ()))


def doubted(stage: Stage) -> None:
    """The exit has filled, and the venue says that we still hold something."""
    for _ in range(5):
        stage.lone_tick()
    stage.fill(next(order.side for order in stage.engine.state.orders if order.flatten), level=0)
    for _ in range(2):
        stage.audit(position=str(stage.engine.state.pnl.position + 1))


OBSTACLES: dict[str, tuple[Callable[[Stage], None], str]] = {
    "unanswered": (untold, "waiting for all orders to be gone"),
    "link down": (deaf, "waiting for a fresh book: link down"),
    "empty book": (alone, "waiting for somebody to trade with: no "),
    "another position": (doubted, "waiting for the venue to confirm the position"),
    "nothing": (lambda _: None, "closing the position"),
}


def told_of_exit(stage: Stage) -> list[str]:
    return [str(note.data["progress"]) for note in stage.notes if note.text == "Flatten"]


@pytest.mark.parametrize("position", ["long", "short"])
@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_a_flatten_ends_flat_or_says_why(position: str, obstacle: str) -> None:
    hinder, why = OBSTACLES[obstacle]
    stage = met(position, "resting", "connected")
    if obstacle == "unanswered":
        hinder(stage)
    stage.command("flatten")
    stage.lone_tick(0.0)
    hinder(stage)
    for _ in range(5):
        stage.lone_tick()

    assert told_of_exit(stage)[-1].startswith(why)
    assert stage.engine.view().safety.flatten == told_of_exit(stage)[-1]
    assert told_of_exit(stage).count(told_of_exit(stage)[-1]) == 1, "a note for each change"

    if obstacle == "unanswered":
        stage.silent = False
        stage.answer(CancelAll("test"))
    stage.happen(Link(stage.ts, True, "again"))
    for _ in range(12):
        stage.tick()
        if any(order.flatten and order.live for order in stage.engine.state.orders):
            stage.fill(_out(position), level=0)
        stage.audit()
    assert stage.engine.state.pnl.position == 0
    assert told_of_exit(stage)[-1] == stage.engine.view().safety.flatten == FLAT
    stage.command("resume")
    assert stage.engine.view().safety.flatten == ""


def _out(position: str) -> Side:
    return Side.ASK if position == "long" else Side.BID


def it_survives_a_restart(before: Stage, halted: str) -> None:
    """The ledger's latch is in `Start`: the next run is halted from its first event."""
    stage = Stage(Engine(settings(), INSTRUMENT))
    stage.start(halted=halted, position=before.engine.state.pnl.position)
    stage.warm()
    assert not any(isinstance(action, Place | Modify | Halt) for action in stage.actions)
    assert stage.engine.view().safety.halt_reason == halted


def it_ends_when_the_operator_says_so(stage: Stage, reason: str) -> None:
    """`resume` clears it, and what broke the limit does not break it at once again."""
    if reason == "position breach":  # the position is still there: it must be brought down first
        held(stage, -stage.engine.state.pnl.position)
    stage.command("resume")
    stage.audit()
    stage.warm()
    assert stage.engine.view().safety.halt_reason == ""
    assert len(stage.prices(Side.BID)) + len(stage.prices(Side.ASK)) >= 5
