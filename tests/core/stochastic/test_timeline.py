"""A short history, looked up by venue time."""

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from mm.core.stochastic.timeline import SLACK, Timeline, forget, remember


def test_before_is_strict_and_at_is_not() -> None:
    line: Timeline[str] = Timeline()
    line.put(10, "a")
    line.put(20, "b")
    assert [line.before(t) for t in (10, 11, 20, 21)] == [None, "a", "a", "b"]
    assert [line.at(t) for t in (9, 10, 19, 20)] == [None, "a", "a", "b"]


@given(times=st.lists(st.integers(0, 50), max_size=40), ask=st.integers(-1, 51))
def test_late_entries_find_their_place(times: list[int], ask: int) -> None:
    line: Timeline[tuple[int, int]] = Timeline()
    for order, at in enumerate(times):
        line.put(at, (at, order))
    ranked = sorted((at, order) for order, at in enumerate(times))
    before = ranked[bisect_left(ranked, (ask,)) - 1] if bisect_left(ranked, (ask,)) else None
    assert line.before(ask) == before
    until = [r for r in ranked if r[0] <= ask]
    assert line.at(ask) == (until[-1] if until else None)


def test_pruning_keeps_what_lookups_from_the_horizon_need() -> None:
    line: Timeline[int] = Timeline()
    for at in range(0, 40_000, 10):
        line.put(at, at)
        line.prune(at - 1000)
    assert len(line) < SLACK + 200
    assert line.before(39_000) == 38_990
    assert line.at(39_005) == 39_000


@given(
    steps=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50)), max_size=30),
    horizon=st.integers(-1, 51),
    most=st.integers(0, 9),
)
def test_what_is_remembered_in_any_order_is_forgotten_by_its_time(
    steps: list[tuple[int, int]], horizon: int, most: int
) -> None:
    times: dict[int, int] = {}
    for key, at in steps:
        remember(times, key, at)
    assert times == dict(steps)
    forget(times, horizon)
    assert times == {key: at for key, at in dict(steps).items() if at >= horizon}
    before = sorted(times.values())
    forget(times, horizon, most)
    assert sorted(times.values()) == before[max(len(before) - most, 0) :]
