"""`/ws`: acks with defaults, first values, errors, pongs, limits and abrupt ends."""

import asyncio
import json

import aiohttp
import pytest

from mm.adapters.hyperliquid.server import Cadence, Limits, Options
from tests.adapters.hyperliquid.rig import ALICE, BOB, Json, order, place, rig

STILL = Cadence(pump_s=3600.0)
USER = ALICE.address
SHOUTED = "0x" + USER[2:].upper()


@pytest.mark.parametrize(
    ("asked", "acknowledged"),
    [
        (
            {"type": "l2Book", "coin": "BTC"},
            {"type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None, "fast": False},
        ),
        (
            {"type": "l2Book", "coin": "BTC", "nSigFigs": 5, "mantissa": 2, "fast": True},
            {"type": "l2Book", "coin": "BTC", "nSigFigs": 5, "mantissa": 2, "fast": True},
        ),
        ({"type": "bbo", "coin": "ETH"}, {"type": "bbo", "coin": "ETH"}),
        ({"type": "trades", "coin": "BTC"}, {"type": "trades", "coin": "BTC"}),
        ({"type": "allMids"}, {"type": "allMids"}),
        ({"type": "activeAssetCtx", "coin": "BTC"}, {"type": "activeAssetCtx", "coin": "BTC"}),
        (
            {"type": "candle", "coin": "BTC", "interval": "1m"},
            {"type": "candle", "coin": "BTC", "interval": "1m"},
        ),
        (
            {"type": "userFills", "user": SHOUTED},
            {"type": "userFills", "user": USER, "aggregateByTime": False},
        ),
        ({"type": "orderUpdates", "user": SHOUTED}, {"type": "orderUpdates", "user": USER}),
        ({"type": "userEvents", "user": USER}, {"type": "userEvents", "user": USER}),
        ({"type": "user", "user": USER}, {"type": "userEvents", "user": USER}),
        ({"type": "userFundings", "user": USER}, {"type": "userFundings", "user": USER}),
        ({"type": "openOrders", "user": USER}, {"type": "openOrders", "user": USER, "dex": ""}),
        (
            {"type": "clearinghouseState", "user": USER},
            {"type": "clearinghouseState", "user": USER, "dex": ""},
        ),
    ],
)
async def test_the_ack_comes_first_and_fills_in_defaults(asked: Json, acknowledged: Json) -> None:
    async with rig() as venue, venue.connect() as client:
        assert await client.subscribe(**asked) == acknowledged
        assert [frame["channel"] for frame in await client.settle()].count("error") == 0
        await client.say({"method": "unsubscribe", "subscription": asked})
        (ack,) = await client.settle()
        assert ack["data"] == {"method": "unsubscribe", "subscription": acknowledged}
        venue.advance(12_000)
        assert await client.settle() == []


@pytest.mark.parametrize(
    ("asked", "channel"),
    [
        ({"type": "l2Book", "coin": "BTC"}, "l2Book"),
        ({"type": "bbo", "coin": "BTC"}, "bbo"),
        ({"type": "allMids"}, "allMids"),
        ({"type": "activeAssetCtx", "coin": "BTC"}, "activeAssetCtx"),
        ({"type": "userFills", "user": USER}, "userFills"),
        ({"type": "userFundings", "user": USER}, "userFundings"),
        ({"type": "openOrders", "user": USER}, "openOrders"),
        ({"type": "clearinghouseState", "user": USER}, "clearinghouseState"),
    ],
)
async def test_the_current_value_follows_the_ack_at_once(asked: Json, channel: str) -> None:
    async with rig() as venue, venue.connect() as client:
        await client.subscribe(**asked)
        (first,) = await client.settle()
        assert first["channel"] == channel
        if channel in {"userFills", "userFundings"}:
            assert first["data"]["isSnapshot"] is True


@pytest.mark.parametrize("channel", ["orderUpdates", "userEvents"])
async def test_these_channels_have_no_snapshot(channel: str) -> None:
    async with rig() as venue, venue.connect() as client:
        await venue.act(ALICE, place(order(True, "79000", "0.5")))
        await client.subscribe(type=channel, user=USER)
        assert await client.settle() == []


async def test_errors_are_plain_strings_and_keep_the_socket() -> None:
    async with rig() as venue, venue.connect() as client:
        book = {"type": "l2Book", "coin": "BTC"}
        await client.subscribe(**book)
        await client.settle()
        echo = '{"type":"l2Book","coin":"BTC","nSigFigs":null,"mantissa":null,"fast":false}'
        bad_width = {"type": "candle", "coin": "BTC", "interval": "7m"}
        for message, text in [
            ({"method": "subscribe", "subscription": book}, f"Already subscribed: {echo}"),
            (
                {"method": "unsubscribe", "subscription": {"type": "bbo", "coin": "BTC"}},
                'Already unsubscribed: {"type":"bbo","coin":"BTC"}',
            ),
            (
                {"method": "subscribe", "subscription": bad_width},
                'Invalid subscription {"type":"candle","coin":"BTC","interval":"7m"}',
            ),
        ]:
            await client.say(message)
            assert await client.hear() == {"channel": "error", "data": text}


@pytest.mark.parametrize(
    "raw",
    [
        "not json",
        "",
        "null",
        "[]",
        "{}",
        '{"method":"dance"}',
        '{"method":"subscribe"}',
        '{"method":"subscribe","subscription":{"type":"weather","coin":"BTC"}}',
        '{"method":"subscribe","subscription":{"type":"bbo"}}',
        '{"method":"subscribe","subscription":{"type":"bbo","coin":["BTC"]}}',
        '{"method":"subscribe","subscription":{"type":"userFills","user":"0x12"}}',
        '{"method":"post","request":{"type":"info","payload":{"type":"allMids"}}}',
        '{"method":"post","id":1,"request":{"type":"wish","payload":{}}}',
        "[" * 5000,
    ],
)
async def test_what_cannot_be_parsed_is_echoed(raw: str) -> None:
    async with rig() as venue, venue.connect() as client:
        await client.say(raw)
        prefix = "Error parsing JSON into valid websocket request: "
        assert await client.hear() == {"channel": "error", "data": prefix + raw}
        await client.say({"method": "ping"})
        assert await client.hear() == {"channel": "pong"}


@pytest.mark.parametrize(
    "fatal",
    [
        {"type": "l2Book", "coin": "NOPE"},
        {"type": "bbo", "coin": "btc"},
        {"type": "trades", "coin": ""},
        {"type": "activeAssetCtx", "coin": "NOPE"},
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 6},
        {"type": "l2Book", "coin": "BTC", "mantissa": 2},
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 4, "mantissa": 2},
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 5, "mantissa": 3},
    ],
)
async def test_unknown_coin_or_bad_aggregation_cuts_the_connection(fatal: Json) -> None:
    async with rig() as venue, venue.connect() as client, venue.connect() as bystander:
        await client.say({"method": "subscribe", "subscription": fatal})
        assert await client.is_cut()
        assert client.seen == []
        assert await bystander.settle() == []  # nobody else is hurt


async def test_silence_for_a_minute_cuts_the_connection() -> None:
    async with rig() as venue, venue.connect() as idle, venue.connect() as pinging:
        venue.advance(40_000)
        assert await pinging.settle() == []
        venue.advance(19_000)
        assert len(venue.server.connections) == 2
        venue.advance(2_000)
        assert await idle.is_cut()
        assert await pinging.settle() == []


async def test_drop_all_cuts_everybody() -> None:
    async with rig() as venue, venue.connect() as one, venue.connect() as two:
        await one.settle()
        await two.settle()
        assert venue.server.drop_all() == 2
        assert await one.is_cut()
        assert await two.is_cut()
        async with venue.connect() as again:
            assert await again.settle() == []


@pytest.mark.parametrize(
    "limits", [Limits(send_queue=16), Limits(send_queue=10**9, send_queue_bytes=3_000_000)]
)
async def test_a_slow_consumer_is_dropped_and_nobody_else(limits: Limits) -> None:
    async with rig(Options(cadence=STILL, limits=limits)) as venue, venue.connect() as fast:
        await fast.subscribe(type="bbo", coin="BTC")
        reader, writer = await asyncio.open_connection("127.0.0.1", venue.server.port)
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        slow = next(reversed(venue.server.connections))
        while not slow.dropped:  # it never reads: socket buffers fill, then the queue
            slow.send(b'"' + b"x" * 200_000 + b'"')
            await asyncio.sleep(0)
        assert slow.dropped == "slow consumer"
        assert [frame["channel"] for frame in await fast.settle()] == ["bbo"]
        writer.close()


async def test_a_polite_goodbye_is_returned() -> None:
    async with rig() as venue, venue.connect() as client:
        await client.subscribe(type="bbo", coin="BTC")
        await client.socket.close()
        assert client.socket.close_code == aiohttp.WSCloseCode.OK
        async with venue.connect() as other:
            await other.settle()
            await other.settle()
            assert len(venue.server.connections) == 1
            venue.advance()


async def test_limits_of_an_ip_address() -> None:
    limits = Limits(connections=2, subscriptions=3, users=1, messages_per_min=9)
    async with rig(Options(cadence=STILL, limits=limits)) as venue:
        async with venue.connect() as client, venue.connect():
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with venue.connect():
                    pass
            assert refused.value.status == 429
            await client.subscribe(type="orderUpdates", user=USER)
            await client.subscribe(type="userEvents", user=USER)
            other = {"type": "orderUpdates", "user": BOB.address}
            await client.say({"method": "subscribe", "subscription": other})
            error = await client.until("error")
            assert error == "Cannot track more than 1 total users."
            await client.subscribe(type="trades", coin="BTC")
            await client.say({"method": "subscribe", "subscription": {"type": "allMids"}})
            assert "more than 3 total subscriptions" in await client.until("error")
            for _ in range(5):
                await client.say({"method": "ping"})
            assert await client.is_cut()
        async with venue.connect():  # both have left: there is room again
            pass


async def test_thirty_new_connections_a_minute() -> None:
    async with rig() as venue:
        for _ in range(30):
            async with venue.connect():
                pass
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with venue.connect():
                pass
        venue.advance(61_000)
        async with venue.connect():
            pass


async def test_an_oversized_frame_ends_only_its_connection() -> None:
    limits = Limits(body_bytes=10_000)
    async with (
        rig(Options(cadence=STILL, limits=limits)) as venue,
        venue.connect() as client,
        venue.connect() as bystander,
    ):
        await client.say("x" * 20_000)
        message = await asyncio.wait_for(client.socket.receive(), 10)
        assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
        assert await bystander.settle() == []


async def test_a_slash_at_the_end_of_the_base_url_is_tolerated() -> None:
    async with rig() as venue:
        address = venue.server.url.replace("http", "ws")
        async with venue.http.ws_connect(f"{address}//ws") as socket:
            await socket.send_str(json.dumps({"method": "ping"}))
            assert (await socket.receive()).data == '{"channel":"pong"}'
        status, _ = await venue.post("//info", json.dumps({"type": "allMids"}))
        assert status == 200
        status, _ = await venue.post("//exchange", "{}")
        assert status == 422
