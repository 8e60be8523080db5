"""Whether anybody can be reached: what nobody could have done is held against nobody."""

from mm.app.simulate.world import World

LATELY_S = 5.0


def barred(world: World) -> bool:
    """Could no client have a link? The venue is away, the wire is cut, or its own machine stands
    still. Not where the venue answers slowly, in errors, or that its weight is spent."""
    weather, host = world.loop.network.weather, world.maker.host
    return (
        weather.refusing
        or world.now < weather.parted_until
        or not world.venue.host.alive
        or world.venue.host.frozen
        or (host is not None and host.frozen)
    )


def troubled(world: World) -> bool:
    """Is the wire or the venue out of order, in any way, or was it cut just now?"""
    weather, faults = world.loop.network.weather, world.venue.server.mischief.faults
    return (
        weather.refusing
        or weather.parted_until > world.now - LATELY_S
        or weather.base_s != world.plan.latency_s
        or not world.venue.host.alive
        or world.venue.host.frozen
        or world.venue.refuses
        or any((faults.too_many, faults.server_error, faults.lost_reply, faults.bad_nonce))
        or faults.rules.weight_factor > 1
        or bool(faults.frames.garbled_answer or faults.frames.late or faults.frames.garbled)
    )
