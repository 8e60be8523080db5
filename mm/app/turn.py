"""One turn, shared by every driver: step, record what happened and what was decided."""

from collections.abc import Sequence

from mm.app.ports import Recorder
from mm.core.engine import Engine
from mm.model.actions import Step
from mm.model.events import Event


def turn(engine: Engine, recorders: Sequence[Recorder], event: Event) -> Step:
    """The same in live, paper, backtest and replay; what the caller sends is already recorded."""
    step = engine.step(event)
    for recorder in recorders:
        recorder.record(event, step)
    return step
