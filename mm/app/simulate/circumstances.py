"""In what state a fault finds the system: variety is counted, not assumed."""

from collections.abc import Iterator
from typing import Final

from mm.app.simulate.world import World
from mm.core.state import State
from mm.model.units import NS_PER_S, Ns

FEW: Final = 300
"""Actions left of the address's budget."""
WRONG_NS: Final[Ns] = NS_PER_S
FAR: Final = 0.5
"""Share of the position limit that is held."""


def circumstances(world: World) -> Iterator[str]:
    """Each word that fits now."""
    maker, states = world.maker, [one.state for one in world.maker.engines.values()]
    if not maker.running:
        yield "down"
    elif maker.host is not None and maker.host.frozen:
        yield "frozen"
    elif not states or not all(state.audited for state in states):
        yield "starting"
    elif any(state.link_reason == "stopped" for state in states):
        yield "stopping"
    elif not all(state.link_up for state in states):
        yield "without a link"
    yield from {word: None for state in states for word in _of(state)}
    if maker.running and abs(maker.machine.error_ns(maker.clock.now())) > WRONG_NS:
        yield "wrong clock"
    if world.striking:
        yield "another fault"


def _of(state: State) -> Iterator[str]:
    if state.kill.halted:
        yield "flattening" if state.flatten else "halted"
    if state.kill.paused:
        yield "paused"
    if state.pnl.position:
        yield "holding"
    held_usd = abs(float(state.pnl.position)) * (state.book.fair or 0.0)
    if held_usd > FAR * state.settings.risk.max_position_usd:
        yield "half a limit held"
    if state.budget is not None and state.budget.cap - state.budget.used < FEW:
        yield "few actions"
