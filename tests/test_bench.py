"""What the benchmarks measure: all of it, on the real engine. How fast is theirs to say."""

from mm.commands import cycle


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
