"""Promises that cannot be broken promise nothing: some daemons broken on purpose, each noticed."""

import asyncio
import re
from typing import Any, Final

import pytest
from msgspec import structs

from mm.adapters.hyperliquid.server.actions import Actions, Reply
from mm.adapters.hyperliquid.server.envelope import Envelope
from mm.adapters.hyperliquid.server.requests import Order
from mm.app.simulate.plan import MIDNIGHT_S, Plan, draw
from mm.app.simulate.run import simulate
from mm.model.units import NS_PER_S
from tests.system.broken_books import now_and_then
from tests.system.mutants import MUTANTS, caught

NOTICED: Final = {
    "forgets_a_fill": ("drop_clean", 3, "position|cash|gross|worst case"),
    "stops_without_cancelling": ("pause", 1, "rest after an orderly end"),
    "leaves_its_orders_when_the_link_goes": ("drop_again", 1, "rest on a feed"),
    "never_moves_an_order": ("deposit", 1, "is wanted"),
    "never_asks_after_doubtful_orders": ("lost_replies", 1, "doubts"),
    "halts_without_cancelling": ("slow_disk", 1, "after a halt"),
    "quotes_on_a_stale_feed": ("mute", 3, "on a book that is"),
    "loses_its_timer_unnoticed": ("poison_timer", 1, "timer is silent"),
    "forgets_a_halt_at_a_restart": ("halt", 1, "halt was forgotten"),
    "hides_why_it_does_not_quote": ("pause", 1, "no reason"),
    "tells_nobody_of_the_gross_limit": ("deposit", 3, "gross"),
    "forgets_the_dead_man": ("slow_disk", 1, "no dead-man switch"),
    "counts_only_what_rests": ("odd_frames", 3, "gross|worst case"),
    "skips_audits": ("deposit", 1, "equity"),
    "takes_a_lost_answer_for_a_refusal": ("lost_replies", 1, "untracked|gross|worst case"),
    "forgets_funding_of_silent_streams": ("mute_fundings", 3, "cash"),
    "repeats_a_nonce": ("deposit", 1, "used twice"),
    "never_lets_an_action_expire": ("deposit", 1, "expires at None"),
    "trusts_its_own_clock": ("deposit", 7, "dead-man|does not rest|is wanted|orderly end"),
    "ages_the_book_by_its_own_clock": ("deposit", 5, "stale book"),
    "exits_without_reduce_only": ("halt", 3, "only to reduce"),
    "quotes_that_may_take": ("deposit", 1, "only to reduce"),
    "sets_the_dead_man_once": ("deposit", 1, "no dead-man switch"),
    "asks_for_fills_since_the_last_told": ("mute", 3, "mismatch|position|cash|gross"),
    "counts_only_orders_in_the_portfolio": ("deposit", 3, "gross"),
    "reduces_beyond_the_position": ("pause", 3, "paused for"),
    "keeps_a_halt_in_the_ledger_only": ("slow_disk", 1, "halt was forgotten"),
    "never_clears_the_dead_man": ("deposit", 1, "switch is set after an orderly end"),
    "never_halts_on_losses": ("drop_clean", 1, "beyond max_drawdown"),
    "never_halts_on_a_daily_loss": ("pause", 1, "beyond max_daily_loss"),
}
"""By name: the fault that brings it out, a seed that notices, and words of the broken promise."""
BEFORE_AN_HOUR: Final = (MIDNIGHT_S - 1060) * NS_PER_S
"""The loop begins at 1000 s."""
HALTED_AND_KILLED: Final = tuple(
    (at_s + offset_s, fault)
    for at_s in (1.0, 16.0, 31.0, 46.0)
    for offset_s, fault in ((0.0, "slow_disk"), (2.0, "halt"), (2.2, "kill"))
)
"""While the ledger's rows are on their way."""
TRIES: Final = 8
"""A change of the code changes what a seed runs: one of so many from there on."""
CLOSE: Final = ("risk.max_daily_loss_fraction=0.00001", "risk.max_drawdown_fraction=0.00001")
LOSING: Final = {"settings": CLOSE, "scenario": "toxic"}
WORLDS: Final[dict[str, dict[str, Any]]] = {
    "halts_without_cancelling": {"settings": CLOSE},
    "never_halts_on_losses": LOSING,
    "never_halts_on_a_daily_loss": LOSING
    | {"settings": (CLOSE[0], "risk.max_drawdown_fraction=0.5")},
    "forgets_the_dead_man": {"dead_man": True},
    "sets_the_dead_man_once": {"dead_man": True},
    "never_clears_the_dead_man": {"dead_man": True, "latency_s": (0.005, 0.005)},
    "keeps_a_halt_in_the_ledger_only": {"faults": HALTED_AND_KILLED},
    "forgets_funding_of_silent_streams": {"start_ns": BEFORE_AN_HOUR},
    "trusts_its_own_clock": {"drift_ppm": -50_000, "ahead_ns": 0},
    "ages_the_book_by_its_own_clock": {"drift_ppm": 50_000, "ahead_ns": 0},
}
"""What its plan has besides."""


def plan_for(name: str, fault: str, seed: int) -> Plan:
    plan, changes = draw(seed, (fault,), 60.0, 8), dict(WORLDS.get(name, {}))
    settings = (*plan.settings, *changes.pop("settings", ()))
    return structs.replace(plan, settings=settings, **changes)


@pytest.mark.parametrize("name", NOTICED)
def test_a_broken_daemon_is_noticed(name: str) -> None:
    fault, first, words = NOTICED[name]
    found = caught(name, (plan_for(name, fault, seed) for seed in range(first, first + TRIES)))
    assert found is not None
    assert re.search(words, found[1])


RINGS: Final = ("concludes_before_an_expiry", "annuls_nothing")
LATE_S: Final = 4.0
"""Later than the answer is waited for, and sooner than the order expires."""


def executes_late(patch: pytest.MonkeyPatch) -> None:
    """The venue takes some orders, and executes them after it has answered later questions."""
    real, due = Actions.submit, now_and_then()

    def submit(self: Actions, envelope: Envelope, reply: Reply) -> None:
        if isinstance(envelope.action, Order) and due():
            asyncio.get_running_loop().call_later(LATE_S, real, self, envelope, reply)
        else:
            real(self, envelope, reply)

    patch.setattr(Actions, "submit", submit)


@pytest.mark.parametrize("broken", [(), RINGS[:1], RINGS[1:], RINGS])
def test_a_request_in_doubt_is_behind_two_rings(
    broken: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its nonce is used up, and until it expires nobody takes it for never placed: with one of the
    two a venue that executes late does no harm, without both it does."""
    executes_late(monkeypatch)
    for name in broken:
        MUTANTS[name](monkeypatch)
    plan = structs.replace(draw(1, ("deposit",), 60.0, 4), opening=(), faults=())
    outcome = simulate(1, plan)
    noticed = re.search("untracked|gross|worst case", outcome.violation)
    assert bool(noticed) == bool(outcome.violation) == (broken == RINGS)
    assert outcome.fills > 3


def test_each_mutant_breaks_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patches name attributes that exist: a renamed one is noticed here."""
    for break_it in MUTANTS.values():
        break_it(monkeypatch)
