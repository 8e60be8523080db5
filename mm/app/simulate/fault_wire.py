"""Faults of the wire. Each says whether it touched anything."""

import asyncio
from random import Random

from mm.app.simulate.endpoint import Endpoint
from mm.app.simulate.world import World


def _ends(world: World) -> list[Endpoint]:
    host = world.maker.host
    return world.loop.network.of(host) if host is not None else []


async def drop_clean(world: World, _: Random) -> bool:
    """The venue closes every connection, politely."""
    ends = _ends(world)
    for end in ends:
        end.peer.context.run(end.peer.close)
    return bool(ends)


async def drop_abrupt(world: World, _: Random) -> bool:
    """Every connection breaks."""
    ends = _ends(world)
    for end in ends:
        end.peer.context.run(end.peer.abort)
    return bool(ends)


async def drop_again(world: World, random: Random) -> bool:
    """And again while it reconnects."""
    hits = 0
    for _ in range(random.randint(2, 6)):
        hits += await drop_abrupt(world, random)
        await asyncio.sleep(random.expovariate(4.0))
    return hits > 1


async def half_open(world: World, random: Random) -> bool:
    """The links of this moment go silent, one way or both; nobody is told."""
    ways = random.choice(((True, True), (True, False), (False, True)))
    ends = _ends(world)
    for end in ends:
        end.void, end.peer.void = end.void or ways[0], end.peer.void or ways[1]
    return bool(ends)


async def partition(world: World, random: Random) -> bool:
    """Nothing passes; what was said meanwhile arrives afterwards."""
    before, lasting_s = world.felt["parted"], random.uniform(0.5, 20.0)
    world.loop.network.weather.parted_until = world.now + lasting_s
    await asyncio.sleep(lasting_s)
    return world.felt["parted"] > before


async def refuse(world: World, random: Random) -> bool:
    """Connections break and new ones are refused for a while."""
    before, weather = world.felt["refused"], world.loop.network.weather
    weather.refusing = True
    await drop_abrupt(world, random)
    await asyncio.sleep(random.uniform(0.5, 15.0))
    weather.refusing = False
    return world.felt["refused"] > before


async def slow_wire(world: World, random: Random) -> bool:
    """Latency of up to seconds, much jitter."""
    before, weather = world.felt["words"], world.loop.network.weather
    weather.base_s = (random.uniform(0.1, 1.5), random.uniform(0.1, 1.5))
    weather.jitter_s = random.uniform(0.05, 0.5)
    await asyncio.sleep(random.uniform(2.0, 15.0))
    weather.base_s, weather.jitter_s = world.plan.latency_s, world.plan.jitter_s
    return world.felt["words"] > before
