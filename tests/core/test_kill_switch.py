"""Each limit trips when it should and not before, and what clears itself does."""

from decimal import Decimal

import pytest

from mm.core.kill_switch import MIN_REQUESTS, Equity, KillSwitch, price_reason
from mm.core.settings import RiskSettings
from mm.model.events import EquityMark
from mm.model.units import NS_PER_S

DAY = 86_400 * NS_PER_S
SETTINGS = RiskSettings(max_daily_loss_fraction=0.05, max_drawdown_fraction=0.10)


def watching(equity: str = "1000") -> KillSwitch:
    kill = KillSwitch(SETTINGS)
    kill.equity.audited(Decimal(equity), Decimal(0))
    kill.equity.update(Decimal(0), 0)
    return kill


@pytest.mark.parametrize(("loss", "halts"), [("-49", False), ("-51", True)])
def test_the_daily_loss_is_a_share_of_the_days_equity(loss: str, halts: bool) -> None:
    kill = watching()

    kill.equity.update(Decimal(loss), NS_PER_S)

    assert bool(kill.halt_reason(Decimal(loss))) is halts


def test_drawdown_counts_from_the_peak_across_days() -> None:
    kill = watching()
    kill.equity.update(Decimal(200), DAY)
    kill.equity.update(Decimal(150), 2 * DAY)
    kill.equity.update(Decimal(105), 3 * DAY)
    assert kill.halt_reason(Decimal(105)) == ""

    assert kill.halt_reason(Decimal(75)).startswith("drawdown")


def test_midnight_begins_a_new_day_and_keeps_the_peak() -> None:
    kill = watching()
    kill.equity.update(Decimal(-40), DAY - 1)
    kill.equity.update(Decimal(-40), DAY)

    assert kill.halt_reason(Decimal(-60)) == ""
    assert kill.equity.peak == 1000


def test_the_first_losing_fill_halts_nobody() -> None:
    kill = watching("100")

    assert kill.halt_reason(Decimal("-0.5")) == ""


def test_a_loss_far_larger_than_all_that_was_earned_halts_nobody() -> None:
    """The peak is that of equity, not of a profit of two cents."""
    kill = watching("100")
    kill.equity.update(Decimal("0.02"), NS_PER_S)
    kill.equity.update(Decimal(-2), 2 * NS_PER_S)

    assert kill.halt_reason(Decimal(-2)) == ""


def test_without_equity_no_loss_is_judged() -> None:
    assert KillSwitch(SETTINGS).halt_reason(Decimal(-1_000_000)) == ""


@pytest.mark.parametrize("sign", [1, -1])
def test_a_deposit_or_withdrawal_is_neither_gain_nor_loss(sign: int) -> None:
    kill = watching()
    changed = Decimal(1000 + sign * 400)

    assert kill.equity.audited(changed, Decimal(0)) == 0  # once may be a crossing on the wire
    assert kill.equity.audited(changed, Decimal(0)) == sign * 400
    kill.equity.update(Decimal(0), NS_PER_S)

    assert kill.equity.peak == kill.equity.day_start == changed
    assert kill.halt_reason(Decimal(0)) == ""


BEFORE = EquityMark(equity=Decimal(1000), pnl=Decimal(10), transferred=Decimal(50))


def restarted(equity: str, total: str, *, priced: bool = True) -> KillSwitch:
    """After a run that left `BEFORE`; `priced` False: the position has no price at first."""
    kill, worth = KillSwitch(SETTINGS), Decimal(total)
    kill.equity.restore(Decimal(1000), Decimal(1000), Decimal(1000), BEFORE)
    moved = kill.equity.audited(Decimal(equity), worth if priced else None)
    moved += kill.equity.update(worth, DAY + 1)
    assert moved == kill.equity.transferred - BEFORE.transferred
    return kill


@pytest.mark.parametrize("priced", [True, False])
@pytest.mark.parametrize(("equity", "moved"), [("605", -400), ("9005", 8000)])
def test_what_was_paid_while_stopped_is_neither_loss_nor_gain(
    equity: str, moved: int, priced: bool
) -> None:
    """A withdrawal halted the next start; a deposit hid losses of its size."""
    kill = restarted(equity, "15", priced=priced)

    assert kill.halt_reason(Decimal(15)) == ""
    assert kill.equity.day_start == kill.equity.midnight == 1000 + moved
    mark = kill.equity.mark(Decimal(15))
    assert mark == EquityMark(Decimal(equity), Decimal(15), Decimal(50 + moved))
    assert kill.halt_reason(Decimal(15) - Decimal(equity) / 10).startswith("daily loss")


@pytest.mark.parametrize(("equity", "total"), [("885", "-105"), ("485", "-105")])
def test_what_was_lost_while_stopped_is_a_loss_whatever_was_paid(equity: str, total: str) -> None:
    kill = restarted(equity, total)

    assert kill.halt_reason(Decimal(total)).startswith("drawdown")


def test_where_profit_since_the_last_run_is_not_known_what_is_missing_counts_as_lost() -> None:
    kill = KillSwitch(SETTINGS)
    kill.equity.restore(Decimal(1000), Decimal(1000), Decimal(1000), BEFORE)
    kill.equity.forget_before()
    kill.equity.audited(Decimal(600), Decimal(10))
    kill.equity.update(Decimal(10), DAY + 1)

    assert kill.halt_reason(Decimal(10)).startswith("drawdown")


def test_baselines_survive_a_restart_in_the_middle_of_a_drawdown() -> None:
    kill = KillSwitch(SETTINGS)
    kill.equity.restore(Decimal(1200), Decimal(1010))
    kill.equity.audited(Decimal(1005), Decimal(0))
    kill.equity.update(Decimal(0), DAY + 1)

    assert kill.halt_reason(Decimal(0)).startswith("drawdown")


def test_the_days_profit_counts_from_midnight_whatever_an_operator_resumes() -> None:
    kill = watching()
    start = kill.equity.midnight
    kill.equity.update(Decimal(-150), NS_PER_S)

    kill.resume(Decimal(-150))

    assert (kill.equity.midnight, kill.equity.day_start) == (start, Decimal(850))
    kill.equity.update(Decimal(-150), DAY)
    assert kill.equity.midnight == Decimal(850)


def test_the_days_profit_survives_a_restart_and_a_deposit() -> None:
    kill = KillSwitch(SETTINGS)
    kill.equity.restore(Decimal(1000), Decimal(850), Decimal(990))
    kill.equity.audited(Decimal(860), Decimal(0))
    kill.equity.update(Decimal(0), NS_PER_S)
    for _ in range(2):
        kill.equity.audited(Decimal(1260), Decimal(0))

    assert (kill.equity.midnight, kill.equity.day_start) == (Decimal(1390), Decimal(1250))


def test_resume_counts_losses_afresh() -> None:
    kill = watching()
    kill.equity.update(Decimal(-150), NS_PER_S)
    assert kill.halt_reason(Decimal(-150))

    kill.resume(Decimal(-150))

    assert kill.halt_reason(Decimal(-150)) == ""
    assert kill.halt_reason(Decimal(-200))


def test_rejects_are_judged_on_enough_requests_and_forgotten() -> None:
    kill = KillSwitch(SETTINGS)
    for _ in range(MIN_REQUESTS - 1):
        kill.sent(0, 1)
        kill.rejected(0)
    assert kill.reject_rate() == 0.0

    kill.sent(0, 1)
    assert kill.halt_reason(Decimal(0)).startswith("reject rate")
    assert kill.pace_reason().startswith("reject rate")

    kill.forget(61 * NS_PER_S)
    assert kill.pace_reason() == ""


def test_a_reject_rate_that_rises_by_age_alone_never_halts() -> None:
    """Half of all was refused, the soft limit paused us, and as what went well before left the
    window the rate rose over the hard limit with nobody asking for anything."""
    kill = KillSwitch(SETTINGS)
    kill.sent(0, 100)
    kill.sent(30 * NS_PER_S, 40)
    for _ in range(36):
        kill.rejected(30 * NS_PER_S)
    assert kill.halt_reason(Decimal(0)) == ""

    kill.forget(61 * NS_PER_S)

    assert kill.reject_rate() == 0.9
    assert kill.pace_reason().startswith("reject rate"), "new risk still waits"
    assert kill.halt_reason(Decimal(0)) == ""

    kill.rejected(62 * NS_PER_S)
    assert kill.halt_reason(Decimal(0)).startswith("reject rate")


def test_too_many_actions_a_minute_pause_new_risk() -> None:
    kill = KillSwitch(RiskSettings(max_actions_per_min=100))
    kill.sent(0, 101)

    assert kill.pace_reason().startswith("action rate")
    kill.forget(61 * NS_PER_S)
    assert kill.pace_reason() == ""


def test_a_fast_market_pauses_new_risk_for_a_second() -> None:
    kill = KillSwitch(RiskSettings(max_velocity_bps_per_s=50.0))
    kill.moved(0, 100.0)
    kill.moved(NS_PER_S // 2, 101.0)
    assert kill.pace_reason().startswith("price velocity")

    kill.moved(2 * NS_PER_S, 101.0)
    assert kill.pace_reason() == ""


@pytest.mark.parametrize(
    ("gap_s", "bps_per_s"), [(0.05, 0.0), (0.5, 300.0), (3, 100.0), (30, 10.0)]
)
def test_velocity_sees_a_jump_between_rare_books(gap_s: float, bps_per_s: float) -> None:
    """Samples closer than a tenth of a second are not kept; a quiet minute's drift is no jump."""
    kill = KillSwitch(RiskSettings())
    kill.moved(0, 103.0)
    kill.moved(round(gap_s * NS_PER_S), 100.0)

    assert kill.velocity_bps_per_s() == pytest.approx(bps_per_s)


def test_a_pause_says_who_asked() -> None:
    kill = KillSwitch(SETTINGS)
    kill.paused = "lunch"

    assert kill.pace_reason() == "paused: lunch"


@pytest.mark.parametrize(
    ("seen_s", "fair", "oracle", "reason"),
    [
        (None, None, None, "no fair price yet"),
        (10, 100.0, None, ""),
        (4, 100.0, None, "stale book"),
        (10, 100.0, 100.5, ""),
        (10, 100.0, 104.0, "fair price"),
    ],
)
def test_when_there_is_no_price_to_quote_around(
    seen_s: int | None, fair: float | None, oracle: float | None, reason: str
) -> None:
    seen = None if seen_s is None else seen_s * NS_PER_S

    assert price_reason(SETTINGS, 10 * NS_PER_S, seen, fair, oracle).startswith(reason)


def test_equity_is_unknown_before_the_venue_has_spoken() -> None:
    equity = Equity()
    equity.update(Decimal(5), 0)

    assert equity.now(Decimal(5)) is None
    assert equity.peak is None
