"""Faults of machine, process and operator. Each says whether it touched anything."""

import asyncio
import math
from random import Random
from typing import Final

from mm.app.simulate.poison import Injected
from mm.app.simulate.world import World

HEARD_S: Final = 10.0
"""How long a poisoned task may wait before it runs again."""
ASLEEP_LOG_S: Final = (math.log(10.0), math.log(300.0))
"""Logarithms of how long a machine may be suspended."""
TIMER: Final = "tick ("
"""Title of the task that asks for quotes."""


async def clock_step(world: World, random: Random) -> bool:
    """The wall clock is set; a process that starts afterwards sees it."""
    before = world.felt["stepped"]
    world.maker.machine.stepped_ns = round(random.uniform(-5e9, 5e9))
    if random.random() < 0.7:
        await asyncio.sleep(random.uniform(0.0, 2.0))
        world.maker.kill()
        await asyncio.sleep(HEARD_S)
    return world.felt["stepped"] > before


# -- the disk -----------------------------------------------------------------------------------


async def slow_disk(world: World, random: Random) -> bool:
    """Each commit takes up to seconds."""
    before = world.felt["slow"]
    world.disk.slow_s = random.choice((0.1, 1.0, 5.0))
    await asyncio.sleep(random.uniform(2.0, 20.0))
    world.disk.slow_s = 0.0
    return world.felt["slow"] > before


async def full_disk(world: World, random: Random) -> bool:
    """There is no room for another page."""
    before = world.felt["full"]
    world.disk.full = True
    await asyncio.sleep(random.uniform(2.0, 20.0))
    world.disk.full = False
    return world.felt["full"] > before


async def lock_ledger(world: World, random: Random) -> bool:
    """Somebody looks into the ledger with a tool of their own."""
    before = world.felt["locked"]
    world.disk.lock()
    await asyncio.sleep(random.choice((1.0, 10.0, 30.0)))
    world.disk.unlock()
    return world.felt["locked"] > before


# -- the process --------------------------------------------------------------------------------


async def poison(world: World, random: Random) -> bool:
    """An exception in any task of the daemon."""
    return await _poison(world, random, "")


async def poison_timer(world: World, random: Random) -> bool:
    """An exception in its quote timer, without which nothing is decided."""
    return await _poison(world, random, TIMER)


async def _poison(world: World, random: Random, title: str) -> bool:
    host = world.maker.host
    tasks = host.tasks() if host is not None and host.alive else []
    chosen = [task for task in tasks if task.title.startswith(title)]
    if not chosen:
        return False
    task = random.choice(chosen)
    world.trace.say("nature", f"poisons {task.title}")
    task.body.poison = Injected("by the simulation")
    await asyncio.sleep(HEARD_S)
    return task.body.poison is None


async def kill(world: World, _: Random) -> bool:
    """kill -9."""
    running = world.maker.running
    world.maker.kill()
    return running


async def terminate(world: World, _: Random) -> bool:
    """SIGTERM: an orderly end, and the supervisor starts it again."""
    host = world.maker.host
    if host is None or not host.alive:
        return False
    return host.terminate()


async def stop_short(world: World, random: Random) -> bool:
    """SIGSTOP, for as long as a machine may swap or a container be paused."""
    return await _freeze(world, random.uniform(0.5, 20.0))


async def stop_long(world: World, _: Random) -> bool:
    """SIGSTOP, for longer than the venue's dead-man switch waits."""
    return await _freeze(world, 90.0)


async def suspend(world: World, random: Random) -> bool:
    """The machine sleeps for up to minutes: its timers stand still, and its links do not outlive
    it. Its clocks go on, as Linux's CLOCK_BOOTTIME, or stop, as those of a paused guest."""
    host, counts, breaks = world.maker.host, random.random() < 0.5, random.random() < 0.5
    lasting_s = math.exp(random.uniform(*ASLEEP_LOG_S))
    if host is None or not world.maker.running or host.frozen:
        return False  # nobody is there, and who starts meanwhile would run on a machine asleep
    ends = world.loop.network.of(host)
    for end in ends:
        end.void = end.peer.void = True
    host.suspend()
    machine = world.maker.machine
    told = machine.elapsed_ns()
    await asyncio.sleep(lasting_s)
    if not host.frozen:
        return True  # somebody switched it off
    if not counts:
        machine.has_stood_since(told)
    host.thaw()
    for end in ends if breaks else ():
        end.peer.void = False
        end.peer.context.run(end.peer.abort)
    return True


async def _freeze(world: World, lasting_s: float) -> bool:
    host = world.maker.host
    if host is None or not world.maker.running or host.frozen:
        return False
    host.freeze()
    await asyncio.sleep(lasting_s)
    return host.frozen and host.thaw() > 0


# -- the operator -------------------------------------------------------------------------------


async def pause(world: World, random: Random) -> bool:
    """And resume."""
    heard = world.maker.command("pause")
    await asyncio.sleep(random.uniform(*random.choice(((1.0, 10.0), (12.0, 25.0)))))
    world.maker.command("resume")
    return heard


async def halt(world: World, random: Random) -> bool:
    """Now and then with a crash before it is lifted: the latch must hold."""
    heard = world.maker.command(random.choice(("halt", "flatten")))
    await asyncio.sleep(random.uniform(*random.choice(((1.0, 10.0), (12.0, 25.0)))))
    if random.random() < 0.5:
        world.maker.kill()
        await asyncio.sleep(random.uniform(5.0, 15.0))
    world.maker.command("resume")
    return heard
