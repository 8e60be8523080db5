"""What losses count from comes back with a restart: no limit is wider for it."""

from decimal import Decimal

import pytest

from mm.core.engine import Engine
from mm.model.events import EquityMark
from tests.core.stage import INSTRUMENT, Stage, settings

NOW = Decimal(10_000)
SAME = EquityMark(NOW, Decimal(0), Decimal(0))


@pytest.mark.parametrize(
    ("baseline", "above", "reason"),
    [
        ("peak_equity", "1.12", "drawdown"),
        ("peak_equity", "1.10", ""),
        ("day_equity", "1.06", "daily loss"),
        ("day_equity", "1.05", ""),
        ("midnight_equity", "1.50", ""),
    ],
)
def test_a_restart_in_the_middle_of_a_loss_goes_on_counting(
    baseline: str, above: str, reason: str
) -> None:
    """At 10 % from the peak and 5 % from the day's start it halts: some of it was lost before."""
    stage = Stage(Engine(settings(), INSTRUMENT))
    stage.start(equity=str(NOW), last_mark=SAME, **{baseline: NOW * Decimal(above)})
    stage.warm(2)

    halted = stage.engine.view().safety.halt_reason
    assert halted.startswith(reason) if reason else halted == ""


def test_what_was_withdrawn_while_nobody_ran_is_no_loss_to_the_engine() -> None:
    stage = Stage(Engine(settings(), INSTRUMENT))
    before = EquityMark(NOW * 2, Decimal(0), Decimal(0))
    stage.start(equity=str(NOW), peak_equity=NOW * 2, day_equity=NOW * 2, last_mark=before)
    stage.warm(2)

    assert stage.engine.view().safety.halt_reason == ""
