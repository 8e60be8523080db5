"""Clients that say little, say it slowly or say too much: none keeps another from being served."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator

import pytest

from mm.adapters.web import door
from mm.adapters.web.server import WebServer
from tests.adapters.web.maker import Maker

HEAD = b"POST /api/halt HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
ASK = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Crowd:
    """Connections to one server, all closed in the end."""

    def __init__(self, server: WebServer) -> None:
        self.server = server
        self.lines: list[Line] = []

    async def join(self, said: bytes = b"") -> Line:
        line = await asyncio.open_connection("127.0.0.1", self.server.port)
        line[1].write(said)
        self.lines.append(line)
        return line

    async def leave(self) -> None:
        for _, writer in self.lines:
            writer.close()
        await asyncio.gather(*(w.wait_closed() for _, w in self.lines), return_exceptions=True)


@pytest.fixture
async def crowd(server: WebServer) -> AsyncIterator[Crowd]:
    crowd = Crowd(server)
    yield crowd
    await crowd.leave()


async def status(line: Line) -> int:
    """Of the next answer, read whole."""
    async with asyncio.timeout(10):
        head = await line[0].readuntil(b"\r\n\r\n")
        if length := re.search(rb"Content-Length: (\d+)", head):
            await line[0].readexactly(int(length[1]))
    return int(head.split()[1])


async def ended(line: Line) -> bool:
    async with asyncio.timeout(10):
        try:
            return await line[0].read() == b""
        except ConnectionError:
            return True


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HT",
        HEAD % b"x",
        HEAD % b"a-token-for-tests-only" + b"Content-Length: 9\r\n\r\n{",
    ],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
async def test_a_crowd_that_never_ends_its_request_keeps_nobody_out(
    crowd: Crowd, said: bytes, monkeypatch: pytest.MonkeyPatch, maker: Maker
) -> None:
    monkeypatch.setattr(door, "MAX_WAITING", 8)
    first = await crowd.join(said)
    for _ in range(40):
        await crowd.join(said)

    assert await status(await crowd.join(ASK)) == 200
    assert await ended(first)
    assert len(crowd.server._door) <= 8
    assert maker.commands == []


async def test_who_asks_again_stays_and_who_is_silent_goes(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "MAX_WAITING", 3)
    talker, silent = await crowd.join(ASK), await crowd.join()
    assert await status(talker) == 200
    await crowd.join()
    talker[1].write(ASK)
    assert await status(talker) == 200

    assert await status(await crowd.join(ASK)) == 200

    assert await ended(silent)
    talker[1].write(ASK)
    assert await status(talker) == 200


async def test_who_takes_too_long_is_turned_out_and_a_page_never(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    slow = await crowd.join(HEAD % b"a-token-for-tests-only" + b"Content-Length: 9\r\n\r\n{")
    page = await crowd.join(
        b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert await status(page) == 101
    assert await status(await crowd.join(ASK)) == 200
    crowd.server._door.sweep()
    assert len(crowd.server._door) == 2

    monkeypatch.setattr(door, "PATIENCE_S", 0.0)
    crowd.server._door.sweep()

    assert await ended(slow)
    assert len(crowd.server._door) == 0
    assert len(crowd.server.hub.clients) == 1
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []


async def test_who_has_gone_is_forgotten(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        assert await status(await crowd.join(ASK)) == 200
    await crowd.leave()
    for _ in range(1000):  # turns of the loop, not time
        if not any(visitor.connected for visitor in crowd.server._door):
            break
        await asyncio.sleep(0)
    monkeypatch.setattr(door, "SETTLED_S", 0.0)
    crowd.server._door.sweep()

    assert len(crowd.server._door) == 0


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\x00b\r\n\r\n", 400),
        (b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 401),
        (
            HEAD % b"a-token-for-tests-only"
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 3,
            413,
        ),
        (
            HEAD % b"a-token-for-tests-only"
            + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
    ],
    ids=[
        *("path", "header", "two hosts", "no host", "TLS", "NUL", "options", "chunks", "smuggled"),
    ],
)
async def test_what_is_oversized_or_no_http_is_refused_without_a_word_in_the_log(
    crowd: Crowd, said: bytes, answer: int, maker: Maker, caplog: pytest.LogCaptureFixture
) -> None:
    line = await crowd.join(said)

    assert await status(line) == answer
    assert maker.commands == []
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []
    assert await status(await crowd.join(ASK)) == 200


async def test_a_request_of_a_thousand_in_one_breath_is_answered(crowd: Crowd) -> None:
    line = await crowd.join(ASK * 1000)

    for _ in range(1000):
        assert await status(line) == 200
