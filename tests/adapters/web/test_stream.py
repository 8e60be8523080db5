"""The page's feed: a backlog, then what is new; the slow and the foreign are cut off."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest

from mm.adapters.web import stream
from mm.adapters.web.history import FILLS, NOTES, POINTS, TRENDS, History
from mm.adapters.web.server import WebServer
from mm.adapters.web.stream import Hub
from mm.model.units import Side
from tests.adapters.web.maker import LEVELS, Maker

Json = dict[str, Any]


@pytest.fixture
async def client(server: WebServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session


async def hear(socket: aiohttp.ClientWebSocketResponse) -> Json:
    message: Json = msgspec.json.decode(await socket.receive_str(timeout=5))
    return message


def live(server: WebServer, maker: Maker, steps: int = 1) -> None:
    """Some seconds in the life of a daemon."""
    for _ in range(steps):
        for fill in maker.advance(0.25):
            server.on_fill(fill)
        server.beat()


async def test_backlog_first_then_increments(
    server: WebServer, client: aiohttp.ClientSession, maker: Maker
) -> None:
    server.on_fill(maker.fill(Side.BID))
    server.on_note(maker.note("link", "connected"))
    live(server, maker, steps=40)

    async with client.ws_connect("/api/stream") as socket:
        backlog = await hear(socket)
        live(server, maker)
        server.on_fill(maker.fill(Side.ASK))
        live(server, maker)
        first, second = await hear(socket), await hear(socket)

    assert backlog["type"] == "backlog"
    assert len(backlog["points"]) == 20  # two a second
    assert len(backlog["trends"]) == 10
    assert [note["text"] for note in backlog["notes"]] == ["connected"]
    assert backlog["fills"][0]["side"] == 1
    assert first["type"] == second["type"] == "update"
    assert second["fills"][-1]["trade_id"] == maker.fills[-1].trade_id
    assert second["state"]["view"]["ts"] == maker.ts
    assert len(second["point"][4]) == LEVELS


async def test_what_is_in_the_backlog_is_not_sent_again(
    server: WebServer, client: aiohttp.ClientSession, maker: Maker
) -> None:
    server.on_fill(maker.fill(Side.BID))  # not yet published when the page connects
    async with client.ws_connect("/api/stream") as socket:
        backlog = await hear(socket)
        server.beat()
        update = await hear(socket)

    assert len(backlog["fills"]) == 1
    assert update["fills"] == []


async def test_run_beats_by_itself(server: WebServer, client: aiohttp.ClientSession) -> None:
    running = asyncio.create_task(server.run())
    async with client.ws_connect("/api/stream") as socket:
        kinds = [(await hear(socket))["type"] for _ in range(3)]
    running.cancel()

    assert kinds == ["backlog", "update", "update"]


async def test_a_stream_without_a_view_says_why(
    server: WebServer, client: aiohttp.ClientSession, maker: Maker
) -> None:
    maker.blind, maker.not_ready = True, "no book yet"
    async with client.ws_connect("/api/stream") as socket:
        backlog = await hear(socket)
        server.beat()
        update = await hear(socket)

    assert backlog["state"]["reason"] == "no book yet"
    assert update["point"] is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 421),
    ],
)
async def test_a_foreign_page_gets_no_stream(
    client: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await client.ws_connect("/api/stream", headers=headers)

    assert refusal.value.status == status


async def test_our_own_page_gets_it(server: WebServer, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect("/api/stream", headers={"Origin": server.url}) as socket:
        assert (await hear(socket))["type"] == "backlog"


async def test_one_client_too_many_is_refused(
    server: WebServer, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_CLIENTS", 1)
    async with client.ws_connect("/api/stream") as socket:
        await hear(socket)
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await client.ws_connect("/api/stream")


async def never_reads(server: WebServer) -> asyncio.StreamWriter:
    """A client that sends its handshake and then hears nothing, not even a goodbye."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1)
    writer.write(
        b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await reader.read(1)
    return writer


async def test_a_slow_client_is_dropped_and_the_others_hear_all(
    server: WebServer, client: aiohttp.ClientSession, maker: Maker
) -> None:
    deaf = await never_reads(server)
    async with client.ws_connect("/api/stream") as quick:
        await hear(quick)
        assert len(server.hub.clients) == 2
        beats = 0
        while server.hub.dropped == 0 and beats < 20_000:
            server.beat()
            beats += 1
            assert (await hear(quick))["type"] == "update"

        assert server.hub.dropped == 1
        assert len(server.hub.clients) == 1
    deaf.close()


async def test_a_closed_page_is_forgotten(server: WebServer, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect("/api/stream") as socket:
        await hear(socket)
    for _ in range(1000):  # turns of the loop, not time
        if not server.hub.clients:
            break
        await asyncio.sleep(0)
    assert not server.hub.clients


async def test_stop_says_goodbye(server: WebServer, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect("/api/stream") as socket:
        await hear(socket)
        stopping = asyncio.create_task(server.stop())
        message = await socket.receive(timeout=5)
        await stopping

    assert message.type is aiohttp.WSMsgType.CLOSE
    assert message.data == aiohttp.WSCloseCode.GOING_AWAY


async def test_stop_does_not_wait_for_the_deaf(server: WebServer) -> None:
    deaf = await never_reads(server)

    async with asyncio.timeout(5):  # the daemon has that long to leave
        await server.stop()

    assert not server.hub.clients
    deaf.close()


def test_history_is_bounded_and_keeps_the_whole_run(maker: Maker) -> None:
    history = History()
    for _ in range(3 * TRENDS):
        maker.advance(1.0)
        view = maker.view()
        assert view is not None
        history.sample(view)
        history.fills.append(maker.fill(Side.BID))
        history.notes.append(maker.note("quote", "again"))

    assert len(history.points) == POINTS
    assert TRENDS / 2 <= len(history.trends) < TRENDS
    assert (len(history.fills), len(history.notes)) == (FILLS, NOTES)
    assert history.trends[0].t_s == pytest.approx(maker.start * 1e-9 + 1)
    spacing = history.trends[1].t_s - history.trends[0].t_s
    assert history.trends[-1].t_s == pytest.approx(maker.ts * 1e-9, abs=2 * spacing)


def test_an_idle_hub_publishes_to_nobody() -> None:
    hub = Hub()
    hub.publish("news")
    assert hub.dropped == 0
