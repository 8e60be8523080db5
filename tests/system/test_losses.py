"""How long a loss of the link lasted, by two measures."""

import pytest

from mm.app.simulate import run
from mm.app.simulate.plan import draw
from mm.app.simulate.run import simulate


@pytest.mark.parametrize("fault", ["drop_abrupt", "half_open"])
def test_a_loss_is_over_when_a_new_connection_serves_us_and_when_quotes_may_be(fault: str) -> None:
    """A half-open connection goes on being served by the venue, though nobody hears it."""
    outcome = simulate(3, draw(3, (fault,), 40.0, 4))
    assert not outcome.violation
    assert len(outcome.served_s) >= 2
    assert min(outcome.served_s) > 0.125, "the shortest backoff at least"
    assert len(outcome.quoted_s) >= 2
    assert sum(outcome.quoted_s) >= sum(outcome.served_s)


def test_where_nobody_could_be_back_no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A venue is away for up to 15 s, a machine asleep for up to 300: what counts begins after."""
    plan = draw(3, ("refuse", "venue_restart", "partition", "suspend"), 60.0, 8)
    outcome = simulate(3, plan)
    monkeypatch.setattr(run, "barred", lambda _: False)
    whole = simulate(3, plan)
    assert not outcome.violation
    assert outcome.digest == whole.digest, "it is only measured differently"
    assert max(outcome.quoted_s) < 10.0 < max(whole.quoted_s)
    assert all(a <= b for a, b in zip(outcome.quoted_s, whole.quoted_s, strict=True))
