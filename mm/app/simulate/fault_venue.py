"""Faults of the venue, and what its owner does there. Each says whether it touched anything."""

import asyncio
from decimal import Decimal
from random import Random
from typing import Final

from msgspec import structs

from mm.adapters.hyperliquid.server import Faults, FrameFaults
from mm.adapters.hyperliquid.server.options import RuleFaults
from mm.app.simulate.venue_side import USER
from mm.app.simulate.world import World
from mm.model.units import nanoseconds

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
NEAR_S: Final = 60.0
LONGEST_S: Final = 20.0


async def _misbehave(world: World, random: Random, *bites: str, **changes: object) -> bool:
    """These faults on top of what is wrong already, for a while. `bites`: how that is felt."""
    before, mischief = _felt(world, bites), world.venue.server.mischief
    mischief.faults = structs.replace(mischief.faults, **changes)
    await asyncio.sleep(random.uniform(3.0, LONGEST_S))
    usual = structs.asdict(Faults())
    mischief = world.venue.server.mischief
    mischief.faults = structs.replace(mischief.faults, **{key: usual[key] for key in changes})
    return _felt(world, bites) > before


def _felt(world: World, bites: tuple[str, ...]) -> int:
    return sum(world.felt[bite] for bite in bites)


# -- frames and answers -------------------------------------------------------------------------


async def mute(world: World, random: Random) -> bool:
    """Some streams say nothing more on a connection that stands."""
    frames = FrameFaults(muted=random.choice(STREAMS))
    return await _misbehave(world, random, "mutes", frames=frames)


async def mute_fundings(world: World, random: Random) -> bool:
    """The stream of fundings is silent in the hour's first seconds, if that is near."""
    wait_s = world.venue.hour_in_s - 1.0
    if wait_s > NEAR_S:
        return False
    await asyncio.sleep(max(0.0, wait_s))
    return await _misbehave(world, random, "mutes", frames=FrameFaults(muted=("userFundings",)))


async def odd_frames(world: World, random: Random) -> bool:
    """Frames come late, twice, and out of order."""
    frames = FrameFaults(
        late=random.choice((0.05, 0.3)),
        late_mean_s=random.choice((0.1, 1.0)),
        twice=random.choice((0.0, 0.05, 0.3)),
    )
    return await _misbehave(world, random, "deliveries", frames=frames)


async def garbled(world: World, random: Random) -> bool:
    """Frames and answers that do not parse."""
    share = random.choice((0.01, 0.1))
    frames = FrameFaults(garbled=share, garbled_answer=share)
    return await _misbehave(world, random, "deliveries", "garbled", frames=frames)


async def lost_replies(world: World, random: Random) -> bool:
    """Actions are executed, and the answer comes late or never."""
    share = random.choice((0.05, 0.3))
    bites = "reply_delay", "hides_reply"
    return await _misbehave(
        world, random, *bites, lost_reply=share, late_reply=share, bad_gateway=share
    )


async def lost_updates(world: World, random: Random) -> bool:
    """Order updates are lost, snapshots come twice."""
    frames = FrameFaults(lost_update=0.3, duplicate_snapshot=0.5)
    return await _misbehave(world, random, "loses_update", "copies_of_snapshot", frames=frames)


async def errors(world: World, random: Random) -> bool:
    """429 and 5xx."""
    share = random.choice((0.1, 0.5, 0.9))
    return await _misbehave(world, random, "refusal", too_many=share / 2, server_error=share / 2)


# -- rules --------------------------------------------------------------------------------------


async def bad_nonces(world: World, random: Random) -> bool:
    """Nonces are refused."""
    return await _misbehave(world, random, "veto", bad_nonce=random.choice((0.1, 0.5)))


async def upgrade(world: World, random: Random) -> bool:
    """Only post-only orders are taken; now and then the operator wants out just then."""
    leaves = random.random() < 0.5 and world.maker.command("flatten")
    touched = await _misbehave(world, random, "veto", post_only=True)
    if leaves:
        world.maker.command("resume")
    return touched


async def one_answer(world: World, random: Random) -> bool:
    """Whole batches of orders are refused with one status for all."""
    rules = RuleFaults(single_status=random.choice((0.1, 0.5)))
    return await _misbehave(world, random, "veto", rules=rules)


async def heavy(world: World, random: Random) -> bool:
    """Requests weigh more than they should of the IP address's budget."""
    rules, venue = RuleFaults(weight_factor=random.choice((3, 10))), world.venue
    venue.heavy_until = venue.clock.now() + nanoseconds(LONGEST_S)
    return await _misbehave(world, random, "weight", rules=rules)


async def spent_budget(world: World, random: Random) -> bool:
    """The address has no actions left: nothing but cancels is taken."""
    return await _misbehave(world, random, "veto", spent_budget=True)


async def low_budget(world: World, random: Random) -> bool:
    """The address has few actions left or none, until somebody buys it more."""
    world.venue.leave_actions(random.choice((0, 5, 50)))
    return True


async def forgetful(world: World, random: Random) -> bool:
    """Replies are lost, and ended orders are unknown to the venue when it is asked."""
    return await _misbehave(world, random, "recalled", forgetful=True, lost_reply=0.1)


# -- the whole of it ----------------------------------------------------------------------------


async def venue_restart(world: World, random: Random) -> bool:
    """The venue's server dies and comes back; its matching went on."""
    host = world.venue.host
    if not host.alive:
        return False
    served = bool(world.loop.network.of(host))
    host.kill()
    await asyncio.sleep(random.uniform(0.2, 15.0))
    world.venue.start()
    return served


async def venue_freeze(world: World, random: Random) -> bool:
    """The venue's server does nothing for a while, and then everything."""
    host = world.venue.host
    host.freeze()
    await asyncio.sleep(random.uniform(0.5, 12.0))
    return host.thaw() > 0


async def deposit(world: World, random: Random) -> bool:
    """The owner pays in."""
    _pay(world, Decimal(random.randint(1_000, 50_000)))
    return True


async def withdraw(world: World, random: Random) -> bool:
    """The owner takes out a part of what is free."""
    free = world.venue.exchange.account(USER, 0).withdrawable
    _pay(world, -round(free * Decimal(random.randint(1, 40)) / 100, 2))
    return free > 0


def _pay(world: World, amount: Decimal) -> None:
    world.venue.exchange.account(USER, 0)  # a new one is given money first
    world.deposited += amount
    world.venue.exchange.deposit(USER, amount)
