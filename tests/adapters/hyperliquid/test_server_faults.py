"""Bad days on demand: each fault happens, and only what it says."""

import aiohttp
import msgspec
import pytest
from msgspec import convert

from mm.adapters.hyperliquid.server import FAULTS, Cadence, Faults, Options, faults_named
from tests.adapters.hyperliquid.rig import ALICE, Rig, order, place, rig

RESTING = place(order(True, "79000", "0.5", "Alo"))
USER = ALICE.address


def bad(**faults: object) -> Options:
    return Options(cadence=Cadence(pump_s=3600.0), faults=convert(faults, Faults))


async def resting(venue: Rig) -> int:
    return len(venue.exchange.open_orders(USER))


async def test_a_lost_reply_was_executed() -> None:
    async with rig(bad(lost_reply=1.0)) as venue:
        with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
            await venue.act(ALICE, RESTING)
        assert await resting(venue) == 1


async def test_a_late_reply_is_a_reply() -> None:
    async with rig(bad(late_reply=1.0, late_reply_s=0.01)) as venue:
        assert (await venue.act(ALICE, RESTING))["status"] == "ok"


async def test_a_bad_gateway_hides_what_was_executed() -> None:
    async with rig(bad(bad_gateway=1.0)) as venue:
        with pytest.raises(AssertionError, match="Bad Gateway"):
            await venue.act(ALICE, RESTING)
        assert await resting(venue) == 1
        await venue.info(type="allMids")  # questions are spared


@pytest.mark.parametrize(("fault", "status"), [("too_many", 429), ("server_error", 500)])
async def test_refused_requests_do_nothing(fault: str, status: int) -> None:
    async with rig(bad(**{fault: 1.0})) as venue:
        with pytest.raises(AssertionError, match="null"):
            await venue.act(ALICE, RESTING)
        assert await resting(venue) == 0
        assert await venue.post("/info", '{"type":"allMids"}') == (status, "null")


async def test_sockets_are_cut_again_and_again() -> None:
    async with rig(bad(drop_mean_s=10.0)) as venue:
        for _ in range(3):
            async with venue.connect() as client:
                await client.settle()
                venue.advance(100_000)
                assert await client.is_cut()


async def test_a_half_open_link_says_nothing_until_it_is_cut() -> None:
    async with rig() as venue, venue.connect() as client:
        await client.subscribe(type="bbo", coin="BTC")
        await client.settle()
        assert venue.server.silence_all() == 1
        await client.say({"method": "ping"})
        async with venue.connect() as other:  # later connections are sound
            assert await other.settle() == []
            venue.advance(30_000)
            assert len(venue.server.connections) == 2
            await other.settle()
            venue.advance(31_000)
            assert await client.is_cut()
            assert client.seen[-1] == {"channel": "pong"}  # the first one's


async def test_silence_comes_by_itself() -> None:
    async with rig(bad(silence_mean_s=1.0)) as venue, venue.connect() as client:
        await client.settle()
        venue.advance(20_000)
        (connection,) = venue.server.connections
        assert connection.silent


async def test_snapshots_come_twice() -> None:
    async with rig(bad(frames={"duplicate_snapshot": 1.0})) as venue, venue.connect() as client:
        await client.subscribe(type="userFills", user=USER)
        first, second = await client.settle()
        assert first == second
        assert first["data"]["isSnapshot"] is True


async def test_order_updates_get_lost_but_open_orders_tell() -> None:
    async with rig(bad(frames={"lost_update": 1.0})) as venue, venue.connect() as client:
        await client.subscribe(type="orderUpdates", user=USER)
        await client.subscribe(type="openOrders", user=USER)
        await venue.act(ALICE, RESTING)
        frames = await client.settle()
        assert [frame["channel"] for frame in frames] == ["openOrders", "openOrders"]
        assert len(frames[-1]["data"]["orders"]) == 1


async def test_faults_have_names() -> None:
    assert faults_named("none") == Faults()
    for name, faults in FAULTS.items():
        assert (faults == Faults()) == (name == "none")
        set_to = msgspec.structs.asdict(faults) | msgspec.structs.asdict(faults.frames)
        shares = {key: value for key, value in set_to.items() if isinstance(value, float)}
        assert all(0 <= shares[field] < 1 for field in shares if not field.endswith("_s"))
    with pytest.raises(ValueError, match=r"no faults named 'rain': one of none, drops"):
        faults_named("rain")


async def outcomes(seed: int) -> list[int]:
    options = Options(cadence=Cadence(pump_s=3600.0), faults=Faults(too_many=0.5), seed=seed)
    async with rig(options) as venue:
        return [(await venue.post("/info", '{"type":"allMids"}'))[0] for _ in range(20)]


async def test_the_same_seed_brings_the_same_faults() -> None:
    first = await outcomes(1)
    assert set(first) == {200, 429}
    assert await outcomes(1) == first
    assert await outcomes(2) != first
