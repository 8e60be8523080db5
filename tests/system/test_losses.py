"""How long a loss of the link lasted, by two measures."""

import pytest

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
