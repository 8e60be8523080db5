"""Everything that goes wrong: each fault comes by itself, lasts a while, and goes."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final, TypeAlias

from mm.adapters.hyperliquid.server import Faults
from mm.app.simulate import damage, fault_machine, fault_venue, fault_wire
from mm.app.simulate.world import World

Fault: TypeAlias = Callable[[World, Random], Awaitable[bool]]

FAULTS: Final[dict[str, Fault]] = {
    name: fault
    for module in (fault_wire, fault_venue, fault_machine, damage)
    for name, fault in vars(module).items()
    if asyncio.iscoroutinefunction(fault) and not name.startswith("_")
}


async def befall(world: World, name: str) -> bool:
    """Did it touch anything?"""
    world.trace.say("nature", f"{name}: {_about(name)}")
    world.striking += 1
    try:
        return await FAULTS[name](world, world.random)
    except asyncio.CancelledError:
        return False
    finally:
        world.striking -= 1


def calm(world: World) -> None:
    """All that lasts is over, whatever had begun."""
    world.trace.say("story", "calm")
    weather = world.loop.network.weather
    weather.base_s, weather.jitter_s = world.plan.latency_s, world.plan.jitter_s
    weather.parted_until, weather.refusing = 0.0, False
    world.disk.slow_s, world.disk.full = 0.0, False
    world.disk.unlock()
    world.maker.machine.stepped_ns = 0
    if not world.venue.host.alive:
        world.venue.start()
    hosts = [world.venue.host] + ([world.maker.host] if world.maker.host is not None else [])
    for host in hosts:
        if host.alive and host.frozen:
            host.thaw()
        for task in host.tasks():
            task.body.poison = None
    world.venue.misbehave(Faults())
    world.venue.leave_actions(None)


def _about(name: str) -> str:
    return (FAULTS[name].__doc__ or name).strip().splitlines()[0]
