"""Everything that goes wrong: each fault comes by itself, lasts a while, and goes."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from random import Random
from typing import Final, TypeAlias

from msgspec import structs

from mm.adapters.hyperliquid.server import Faults, FrameFaults
from mm.app.simulate.damage import bad_sector, torn_tail  # noqa: F401 - FAULTS finds them
from mm.app.simulate.endpoint import Endpoint
from mm.app.simulate.loop import Injected
from mm.app.simulate.venue_side import USER
from mm.app.simulate.world import World

Fault: TypeAlias = Callable[[World, Random], Awaitable[None]]

STREAMS: Final = (
    ("l2Book",),
    ("bbo",),
    ("l2Book", "bbo"),
    ("trades",),
    ("activeAssetCtx",),
    ("orderUpdates",),
    ("userFills",),
    ("orderUpdates", "userFills", "userFundings"),
    ("l2Book", "bbo", "trades", "activeAssetCtx"),
)


# -- the wire -----------------------------------------------------------------------------------


def _ends(world: World) -> list[Endpoint]:
    host = world.maker.host
    return world.loop.network.of(host) if host is not None else []


async def drop_clean(world: World, _: Random) -> None:
    """The venue closes every connection, politely."""
    for end in _ends(world):
        end.peer.context.run(end.peer.close)


async def drop_abrupt(world: World, _: Random) -> None:
    """Every connection breaks."""
    for end in _ends(world):
        end.peer.context.run(end.peer.abort)


async def drop_again(world: World, random: Random) -> None:
    """And again while it reconnects."""
    for _ in range(random.randint(2, 6)):
        await drop_abrupt(world, random)
        await asyncio.sleep(random.expovariate(4.0))


async def half_open(world: World, random: Random) -> None:
    """The links of this moment go silent, one way or both; nobody is told."""
    ways = random.choice(((True, True), (True, False), (False, True)))
    for end in _ends(world):
        end.void, end.peer.void = end.void or ways[0], end.peer.void or ways[1]


async def partition(world: World, random: Random) -> None:
    """Nothing passes; what was said meanwhile arrives afterwards."""
    world.loop.network.weather.parted_until = world.now + random.uniform(0.5, 20.0)


async def refuse(world: World, random: Random) -> None:
    """Connections break and new ones are refused for a while."""
    weather = world.loop.network.weather
    weather.refusing = True
    await drop_abrupt(world, random)
    await asyncio.sleep(random.uniform(0.5, 15.0))
    weather.refusing = False


async def slow_wire(world: World, random: Random) -> None:
    """Latency of up to seconds, much jitter."""
    weather = world.loop.network.weather
    weather.base_s = (random.uniform(0.1, 1.5), random.uniform(0.1, 1.5))
    weather.jitter_s = random.uniform(0.05, 0.5)
    await asyncio.sleep(random.uniform(2.0, 15.0))
    weather.base_s, weather.jitter_s = world.plan.latency_s, world.plan.jitter_s


# -- the venue ----------------------------------------------------------------------------------


async def _misbehave(world: World, random: Random, **changes: object) -> None:
    """These faults on top of what is wrong already, for a while."""
    mischief = world.venue.server.mischief
    mischief.faults = structs.replace(mischief.faults, **changes)
    await asyncio.sleep(random.uniform(3.0, 20.0))
    usual = structs.asdict(Faults())
    mischief = world.venue.server.mischief
    mischief.faults = structs.replace(mischief.faults, **{key: usual[key] for key in changes})


async def mute(world: World, random: Random) -> None:
    """Some streams say nothing more on a connection that stands."""
    await _misbehave(world, random, frames=FrameFaults(muted=random.choice(STREAMS)))


async def odd_frames(world: World, random: Random) -> None:
    """Frames come late, twice, and out of order."""
    faults = FrameFaults(
        late=random.choice((0.0, 0.05, 0.3)),
        late_mean_s=random.choice((0.1, 1.0)),
        twice=random.choice((0.0, 0.05, 0.3)),
    )
    await _misbehave(world, random, frames=faults)


async def garbled(world: World, random: Random) -> None:
    """Frames and answers that do not parse."""
    share = random.choice((0.01, 0.1))
    await _misbehave(world, random, frames=FrameFaults(garbled=share, garbled_answer=share))


async def lost_replies(world: World, random: Random) -> None:
    """Actions are executed, and the answer comes late or never."""
    share = random.choice((0.05, 0.3))
    await _misbehave(world, random, lost_reply=share, late_reply=share, bad_gateway=share)


async def lost_updates(world: World, random: Random) -> None:
    frames = FrameFaults(lost_update=0.3, duplicate_snapshot=0.5)
    await _misbehave(world, random, frames=frames)


async def errors(world: World, random: Random) -> None:
    """429 and 5xx."""
    share = random.choice((0.1, 0.5, 0.9))
    await _misbehave(world, random, too_many=share / 2, server_error=share / 2)


async def bad_nonces(world: World, random: Random) -> None:
    await _misbehave(world, random, bad_nonce=random.choice((0.1, 0.5)))


async def upgrade(world: World, random: Random) -> None:
    """Only post-only orders are taken."""
    await _misbehave(world, random, post_only=True)


async def venue_restart(world: World, random: Random) -> None:
    """The venue's server dies and comes back; its matching went on."""
    world.venue.host.kill()
    await asyncio.sleep(random.uniform(0.2, 15.0))
    world.venue.start()


async def venue_freeze(world: World, random: Random) -> None:
    """The venue's server does nothing for a while, and then everything."""
    host = world.venue.host
    host.freeze()
    await asyncio.sleep(random.uniform(0.5, 12.0))
    host.thaw()


async def deposit(world: World, random: Random) -> None:
    """The owner pays in."""
    paid = Decimal(random.randint(1_000, 50_000))
    world.deposited += paid
    world.venue.exchange.deposit(USER, paid)


# -- the machine --------------------------------------------------------------------------------


async def clock_step(world: World, random: Random) -> None:
    """The wall clock is set; a process that starts afterwards sees it."""
    world.maker.wall_error_ns = round(random.uniform(-5e9, 5e9))
    if random.random() < 0.7:
        await asyncio.sleep(random.uniform(0.0, 2.0))
        world.maker.kill()


async def slow_disk(world: World, random: Random) -> None:
    world.disk.slow_s = random.choice((0.1, 1.0, 5.0))
    await asyncio.sleep(random.uniform(2.0, 20.0))
    world.disk.slow_s = 0.0


async def full_disk(world: World, random: Random) -> None:
    world.disk.full = True
    await asyncio.sleep(random.uniform(2.0, 20.0))
    world.disk.full = False


async def lock_ledger(world: World, random: Random) -> None:
    """Somebody looks into the ledger with a tool of their own."""
    world.disk.lock()
    await asyncio.sleep(random.choice((1.0, 10.0, 30.0)))
    world.disk.unlock()


async def poison(world: World, random: Random) -> None:
    """An exception in any task of the daemon."""
    host = world.maker.host
    tasks = host.tasks() if host is not None and host.alive else []
    if tasks:
        task = random.choice(tasks)
        world.trace.say("nature", f"poisons {task.title}")
        task.body.poison = Injected("by the simulation")


async def kill(world: World, _: Random) -> None:
    """kill -9."""
    world.maker.kill()


async def terminate(world: World, _: Random) -> None:
    """SIGTERM: an orderly end, and the supervisor starts it again."""
    host = world.maker.host
    if host is not None and host.alive:
        host.terminate()


async def stop_short(world: World, random: Random) -> None:
    """SIGSTOP, for as long as a machine may swap or a container be paused."""
    await _freeze(world, random.uniform(0.5, 20.0))


async def stop_long(world: World, _: Random) -> None:
    await _freeze(world, 90.0)


async def _freeze(world: World, lasting_s: float) -> None:
    host = world.maker.host
    if host is None or not host.alive or host.frozen:
        return
    host.freeze()
    await asyncio.sleep(lasting_s)
    if host.frozen:
        host.thaw()


# -- the operator -------------------------------------------------------------------------------


async def pause(world: World, random: Random) -> None:
    world.maker.command("pause")
    await asyncio.sleep(random.uniform(1.0, 10.0))
    world.maker.command("resume")


async def halt(world: World, random: Random) -> None:
    """Now and then with a crash before it is lifted: the latch must hold."""
    world.maker.command(random.choice(("halt", "flatten")))
    await asyncio.sleep(random.uniform(1.0, 10.0))
    if random.random() < 0.5:
        world.maker.kill()
        await asyncio.sleep(random.uniform(5.0, 15.0))
    world.maker.command("resume")


FAULTS: Final[dict[str, Fault]] = {
    name: fault
    for name, fault in list(globals().items())
    if asyncio.iscoroutinefunction(fault) and not name.startswith("_")
}


async def befall(world: World, name: str) -> None:
    world.trace.say("nature", f"{name}: {_about(name)}")
    with suppress(asyncio.CancelledError):
        await FAULTS[name](world, world.random)


def calm(world: World) -> None:
    """All that lasts is over, whatever had begun."""
    weather = world.loop.network.weather
    weather.base_s, weather.jitter_s = world.plan.latency_s, world.plan.jitter_s
    weather.parted_until, weather.refusing = 0.0, False
    world.disk.slow_s, world.disk.full = 0.0, False
    world.disk.unlock()
    if not world.venue.host.alive:
        world.venue.start()
    hosts = [world.venue.host] + ([world.maker.host] if world.maker.host is not None else [])
    for host in hosts:
        if host.alive and host.frozen:
            host.thaw()
        for task in host.tasks():
            task.body.poison = None
    world.venue.misbehave(Faults())


def _about(name: str) -> str:
    return (FAULTS[name].__doc__ or name).strip().splitlines()[0]
