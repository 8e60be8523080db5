"""The plain driver of order life cycles, for as long as a unit test may take."""

from tests.core.order_fuzz import fuzz


def test_orders_survive_the_plain_driver() -> None:
    """More: make fuzz RUNS=100000."""
    lives, broken = fuzz(range(100))
    assert not broken
    assert lives > 900
