"""What the benchmarks measure: all of it, on the real engine. How fast is theirs to say."""

import pytest

from mm.app.latency import bare, ours
from mm.app.latency.samples import STAGES, Samples, percentiles, row
from mm.commands import cycle, latency


def test_every_stage_of_a_cycle_is_measured_and_the_engine_is_left_as_it_was() -> None:
    before = [vars(owner)[attribute] for owner, attribute in cycle.STAGES.values()]

    report = cycle.measure("liquid", cycles=40, run_h=0)

    assert [stage.name for stage in report.stages] == list(cycle.STAGES)
    assert all(stage.median_us > 0 for stage in report.stages), report.stages
    assert 0 < report.cycle_us <= report.cycle_p99_us
    assert report.learn_us > 0
    after = [vars(owner)[attribute] for owner, attribute in cycle.STAGES.values()]
    assert before == after


def test_the_bench_runs_the_engine_as_everybody_else_does() -> None:
    """Its clocks change no action: with and without them the same day passes."""
    plain, clocked = cycle.Bench("liquid"), cycle.Bench("liquid")
    plain.run(90)
    with clocked.clocks.running():
        clocked.run(90)

    assert plain.view() == clocked.view()
    assert len(plain.view().orders) > 0
    assert len(plain.ticks) == len(clocked.ticks) == 90


@pytest.mark.parametrize("stack", [ours.measure, bare.measure])
def test_from_frame_to_order_over_real_sockets(stack: latency.Measure) -> None:
    found = latency.isolated(1, stack, 1.5)

    assert found.frames > 10
    assert found.whole
    for name in STAGES:
        assert found.stages[name], f"no order passed through {name!r}"
    least = [min(found.stages[name]) for name in ("learn", "quote", "diff", "sign")]
    assert min(found.whole) > sum(least), "an order cannot leave before it is quoted and signed"


def test_the_table_compares_what_was_measured_and_says_what_was_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measured(us: int) -> Samples:
        return Samples(whole=[1000 * us] * 9 + [3000 * us], frames=30, seconds=1.5)

    loads = (("mm", 1, 200), ("mm", 100, 400), ("bare", 1, 150), ("bare", 100, 100))
    rows = [row(stack, load, measured(us)) for stack, load, us in loads]
    monkeypatch.setattr(latency, "find_spec", lambda _: None)

    lines = latency.table(rows)

    assert "mm at 1x: p99 is 3.0 times the median" in lines
    assert "bare: 0.75 times the median of mm" in lines
    assert lines[-1] == latency.MISSING


def test_percentiles_are_of_what_happened() -> None:
    found = percentiles([1000 * n for n in range(100, 0, -1)])

    assert (found.count, found.p50_us, found.p99_us, found.max_us) == (100, 51.0, 100.0, 100.0)
    assert percentiles([]).p99_us == 0.0
