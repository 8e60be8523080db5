"""Engines to play scenes with."""

import pytest

from mm.core.engine import Engine
from tests.core.stage import INSTRUMENT, Stage, settings


@pytest.fixture
def stage() -> Stage:
    """A quoting engine."""
    stage = Stage(Engine(settings(), INSTRUMENT))
    stage.start()
    stage.warm()
    return stage


@pytest.fixture
def fresh() -> Stage:
    """An engine that has not started."""
    return Stage(Engine(settings(), INSTRUMENT))
