"""The plain driver of order life cycles, for as long as a unit test may take."""

from itertools import islice

import pytest

from mm.core.orders import Order
from tests.core.order_fuzz import lived, replay, shrunk


def test_orders_survive_the_plain_driver() -> None:
    """More: make lifecycles N=1000000."""
    assert not [(one.seed, one.broken) for one in lived(3_000, 1) if one.broken]


@pytest.mark.parametrize("forgotten", ["cancel_sent", "opened", "_adopt"])
def test_a_broken_order_is_found_and_told_by_its_fewest_steps(
    forgotten: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Order, forgotten, lambda *_: None)
    found = next(one for one in islice(lived(3_000, 1), 60) if one.broken)
    fewest = shrunk(found.steps)
    less = [fewest[:at] + fewest[at + 1 :] for at in range(len(fewest))]
    assert len(fewest) < 12
    assert replay(fewest) == found.broken
    assert found.broken not in map(replay, less)
