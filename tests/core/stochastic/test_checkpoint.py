"""Checkpoints of every version load for ever, and no version changes unnoticed.

Each fixture was written by the code of its time: what a bundle knew after the trading of
`test_components.traded`, and the same as bytes. After a change of what a checkpoint holds, raise
`VERSION` and write the new one with `python -m tests.core.stochastic.test_checkpoint`.
"""

import base64
import math
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.core.engine import Engine
from mm.core.pnl import PnlState
from mm.core.stochastic.checkpoint import VERSION, Checkpoint, decode, seal
from mm.core.stochastic.components import StochasticComponents
from mm.model.events import Start
from mm.model.units import NS_PER_S, Ns, Side
from tests.core.stage import INSTRUMENT, settings
from tests.core.stochastic.test_components import FAIR, bundle, fill, traded

FIXTURES = Path(__file__).parent / "checkpoints"
CURRENT = FIXTURES / f"v{VERSION}.json"
LOADED = sorted(FIXTURES.glob("v*.json"))
EARNED = PnlState(*(Decimal(part) for part in ("12.5", "-3.25", "1.125", "-0.5", "7")))


def trained() -> tuple[StochasticComponents, Ns]:
    """Twelve arrivals, and one more whose markouts are still to come."""
    components = bundle("thompson")
    ts = traded(components, 12)
    components.intensity_point(ts)
    components.learn_fill(fill(Side.ASK, ts + 5, FAIR * 1.001, 99_001))
    ts += 2 * NS_PER_S
    components.flush(ts)
    components.update_calibration_status(ts)
    return components, ts


def knowledge(components: StochasticComponents, ts: Ns) -> dict[str, float]:
    """What restarts must keep, in numbers that have meant the same since the first version."""
    sigma, own = components.sigma(ts), components.intensity.state().own
    assert sigma is not None
    assert components.thompson is not None
    calibration = components.calibration.state()
    return {
        "sigma": sigma.value,
        "own_arrivals": own.arrivals,
        "reach_nats": sum(own.reach),
        "exposure_s": sum(own.exposure),
        "arrivals": components.intensity.total,
        "measured": components.adverse.measured,
        "pending": len(components.adverse.state().pending),
        "adverse_bid_bps": components.adverse_bps(Side.BID, ts),
        "adverse_ask_bps": components.adverse_bps(Side.ASK, ts),
        "fill_count": calibration.fill_count,
        "orders": len(calibration.orders),
        "seen": len(calibration.seen),
        "draws": components.thompson.draws,
    }


def shape() -> Any:  # noqa: ANN401 - JSON
    """Fields and types of a checkpoint, and of all that it is made of."""
    return bare(msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(Checkpoint))))


def bare(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Without docstrings."""
    if isinstance(schema, dict):
        return {key: bare(value) for key, value in schema.items() if key != "description"}
    return [bare(each) for each in schema] if isinstance(schema, list) else schema


def written(name: Path) -> dict[str, Any]:
    return dict(msgspec.json.decode(name.read_bytes()))


@pytest.mark.parametrize("path", LOADED, ids=lambda path: path.stem)
def test_a_checkpoint_of_any_version_loads(path: Path) -> None:
    fixture = written(path)
    data = base64.b64decode(fixture["data"])
    components, ts = bundle("thompson"), decode(data).ts

    components.restore(data, ts)

    knows = knowledge(components, ts)
    told = {name: knows[name] for name in fixture["knows"]}  # the first form's formula of adverse
    assert told == pytest.approx(fixture["knows"], rel=1e-6)  # selection is no more
    again = bundle("thompson")
    again.restore(components.checkpoint(), ts)  # and goes on as one of this version
    assert knowledge(again, ts) == knowledge(components, ts)


def test_every_version_has_its_fixture() -> None:
    assert {written(path)["version"] for path in LOADED} == set(range(1, VERSION + 1))


def test_what_a_checkpoint_holds_changes_with_its_version_only() -> None:
    """If this fails: raise VERSION, give new fields a default, write the new fixture."""
    assert shape() == written(CURRENT)["shape"]


def test_a_checkpoint_keeps_when_something_was_last_learned_and_what_was_earned() -> None:
    old, ts = trained()
    new = bundle("thompson")

    parts = new.restore(old.checkpoint(EARNED), ts)

    assert parts == EARNED
    assert new.intensity.estimates(ts) == old.intensity.estimates(ts)
    for side in Side:
        assert new.adverse.estimate(side, 5.0, 1.0, ts) == old.adverse.estimate(side, 5.0, 1.0, ts)


def test_before_version_2_nothing_was_told_of_profit() -> None:
    assert decode(base64.b64decode(written(FIXTURES / "v1.json")["data"])).pnl is None


@pytest.mark.parametrize("part", ["NaN", "Infinity", "-1E+30"])
def test_profit_out_of_bounds_is_refused_and_changes_nothing(part: str) -> None:
    components = bundle()
    saved = msgspec.msgpack.decode(trained()[0].checkpoint(EARNED)[4:])
    saved["pnl"]["spread"] = part
    with pytest.raises(ValueError, match="PnL"):
        components.restore(seal(msgspec.msgpack.encode(saved)), 0)
    assert components.checkpoint() == bundle().checkpoint()


def test_what_has_lost_its_checksum_is_damaged() -> None:
    with pytest.raises(ValueError, match="damaged"):
        bundle().restore(trained()[0].checkpoint()[4:], 0)


def unsealed() -> bytes:
    return base64.b64decode(written(FIXTURES / "v1-unsealed.json")["data"])


@given(st.data())
def test_the_first_form_damaged_is_refused_or_within_bounds(drawn: st.DataObject) -> None:
    """A bit, or all from some byte on, or a piece of it: never an estimate that is none."""
    whole = unsealed()
    at = drawn.draw(st.integers(0, len(whole) - 1))
    piece = drawn.draw(st.binary(max_size=8))
    damaged = whole[:at] + piece + whole[at + len(piece) :]
    components, ts = bundle("thompson"), decode(whole).ts
    try:
        components.restore(drawn.draw(st.sampled_from((damaged, whole[:at]))), ts)
    except ValueError:
        assert components.checkpoint() == bundle("thompson").checkpoint()
        return
    assert all(math.isfinite(number) for number in knowledge(components, ts).values())


def test_what_was_sealed_is_never_taken_for_the_first_form() -> None:
    whole = base64.b64decode(written(FIXTURES / "v1.json")["data"])
    for at in range(64):
        with pytest.raises(ValueError, match="damaged"):
            decode(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])


def test_a_checkpoint_of_the_first_form_is_taken_with_a_word() -> None:
    engine = Engine(settings(), INSTRUMENT)
    start = Start(decode(unsealed()).ts, "beef", Decimal(0), Decimal(0), "", None, None, unsealed())
    (note,) = (note for note in engine.step(start).notes if note.topic == "estimate")
    assert note.severity == "warning"
    assert "no checksum" in note.text


def write_fixture() -> None:
    """For a version that has none: what was written once is never written again."""
    if CURRENT.exists():
        sys.exit(f"{CURRENT.name} exists: raise VERSION first")
    components, ts = trained()
    fixture = {
        "version": VERSION,
        "knows": knowledge(components, ts),
        "data": base64.b64encode(components.checkpoint(EARNED)).decode(),
        "shape": shape(),
    }
    CURRENT.write_bytes(msgspec.json.format(msgspec.json.encode(fixture)) + b"\n")


if __name__ == "__main__":
    write_fixture()
