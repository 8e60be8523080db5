"""The API over real sockets: routes, refusals, headers."""

import asyncio
import http.client
import stat
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import aiohttp
import msgspec
import pytest
from msgspec.structs import replace

from mm.adapters.metrics import Metrics
from mm.adapters.web.auth import WebError
from mm.adapters.web.server import WebOptions, WebServer
from mm.adapters.web.stream import State
from mm.model.units import Side
from tests.adapters.web.maker import Maker


@pytest.fixture
async def client(server: WebServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session


@pytest.fixture
def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def error_of(response: aiohttp.ClientResponse) -> str:
    return str((await response.json())["error"])


# -- reading --------------------------------------------------------------------------------------


async def test_state_is_the_view_and_health_with_exact_decimals(
    client: aiohttp.ClientSession, maker: Maker
) -> None:
    maker.fill(Side.BID)
    async with client.get("/api/state") as response:
        state = msgspec.json.decode(await response.read(), type=State)

    assert state == State("0.1.0", True, "", maker.view(), maker.health(), ("BTC",))
    assert state.view is not None
    assert state.view.position.size == Decimal("0.004")


async def test_state_before_the_first_view(client: aiohttp.ClientSession, maker: Maker) -> None:
    maker.blind, maker.not_ready = True, "no book yet"
    async with client.get("/api/state") as response:
        state = await response.json()

    assert (state["view"], state["ready"], state["reason"]) == (None, False, "no book yet")


async def test_metrics_are_those_of_now(client: aiohttp.ClientSession, maker: Maker) -> None:
    maker.fair = 123.25
    async with client.get("/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert 'mm_fair_price{instrument="BTC"} 123.25\n' in await response.text()


async def test_readyz_gives_the_reason(client: aiohttp.ClientSession, maker: Maker) -> None:
    async with client.get("/readyz") as response:
        assert (response.status, await response.text()) == (200, "ready\n")
    maker.not_ready = "withdrawn: book is stale"
    async with client.get("/readyz") as response:
        assert (response.status, await response.text()) == (503, "withdrawn: book is stale\n")


async def test_healthz_fails_while_the_loop_is_blocked(
    client: aiohttp.ClientSession, maker: Maker
) -> None:
    async with client.get("/healthz") as response:
        assert response.status == 200
    maker.loop_lag_s = 3.5
    async with client.get("/healthz") as response:
        assert (response.status, await response.text()) == (503, "event loop late by 3.5 s\n")


async def test_page_and_assets_refer_only_to_each_other(client: aiohttp.ClientSession) -> None:
    async with client.get("/") as response:
        page = await response.text()
    links = {part.split('"')[0] for part in page.split('="/')[1:]}

    assert len(links) == 5
    assert "://" not in page
    for link in links:
        async with client.get(f"/{link}") as response:
            assert response.status == 200, link
            assert response.content_type in {"text/css", "text/javascript", "image/svg+xml"}


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/state", "/nowhere", "/static/style.css"])
async def test_every_answer_is_locked_down(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as response:
        headers = response.headers

    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "aiohttp" not in headers["Server"]


@pytest.mark.parametrize(
    "path",
    ["/static/../server.py", "/static/..%2fserver.py", "/static/%2e%2e/auth.py", "/static/",
     "/static/%2fetc%2fpasswd", "/static/....//server.py", "/../../etc/passwd", "/static/x%00.css"],
)  # fmt: skip
async def test_no_path_leads_out_of_the_assets(server: WebServer, path: str) -> None:
    def ask() -> tuple[int, bytes]:  # raw: a client would tidy the path up
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    status, body = await asyncio.to_thread(ask)

    assert status == 404
    assert b"root:" not in body
    assert b"import" not in body


# -- commanding -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "body", "command"),
    [
        ("pause", None, ("pause", "")),
        ("pause", {"reason": "news"}, ("pause", "news")),
        ("resume", {}, ("resume", "")),
        ("halt", {"reason": "odd fills"}, ("halt", "odd fills")),
        ("halt", {"flatten": True}, ("flatten", "")),
    ],
)
async def test_commands_reach_the_engine(
    client: aiohttp.ClientSession,
    maker: Maker,
    bearer: dict[str, str],
    verb: str,
    body: dict[str, object] | None,
    command: tuple[str, str],
) -> None:
    async with client.post(f"/api/{verb}", json=body, headers=bearer) as response:
        assert response.status == 202
        assert await response.json() == {"accepted": command[0]}

    assert maker.commands == [command]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 421),
    ],
)
async def test_a_stranger_cannot_command(
    client: aiohttp.ClientSession,
    maker: Maker,
    bearer: dict[str, str],
    headers: dict[str, str],
    status: int,
) -> None:
    given = headers if status == 401 else bearer | headers
    async with client.post("/api/halt", headers=given) as response:
        assert response.status == status
        assert await error_of(response)

    assert maker.commands == []


UPGRADE = (
    b"Upgrade: websocket\r\nConnection: upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \xff"
)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /api/halt HTTP/1.1\r\nHost: [::1]\r\nAuthorization: Bearer \xff\xfe", 401),
        (b"POST /api/halt HTTP/1.1\r\nHost: \xff", 401),
        (b"TRACE / HTTP/1.1\r\nHost: localhost", 401),
        (b"GET /api/state HTTP/1.0", 421),
        (b"GET http://127.0.0.1/api/state HTTP/1.1\r\nHost: evil.example", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example", 400),
        (b"GET /api/state?instrument=%ff HTTP/1.1\r\nHost: localhost", 404),
        (b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n" + UPGRADE, 400),
        (b"OPTIONS /api/halt HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example", 403),
    ],
)
async def test_whatever_a_stranger_sends_is_his_error(
    server: WebServer, maker: Maker, caplog: pytest.LogCaptureFixture, head: bytes, status: int
) -> None:
    """Bytes that are no text, and requests that no client would make."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(head + b"\r\nContent-Length: 0\r\n\r\n")
    said = await reader.readline()
    writer.close()
    assert int(said.split()[1]) == status
    assert maker.commands == []
    assert "Traceback" not in caplog.text


async def test_our_own_page_can(
    client: aiohttp.ClientSession, maker: Maker, bearer: dict[str, str], server: WebServer
) -> None:
    async with client.post("/api/pause", headers=bearer | {"Origin": server.url}) as response:
        assert response.status == 202
    assert maker.commands == [("pause", "")]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not json", 400),
        (b'{"reason": 7}', 400),
        (b'{"flaten": true}', 400),
        (b'{"flatten": "yes"}', 400),
        (b"[" * 4000, 400),
        (b'{"reason": "\xff"}', 400),
        (b'{"reason": "' + b"x" * 5000 + b'"}', 413),
    ],
)
async def test_bad_bodies_are_refused_and_command_nothing(
    client: aiohttp.ClientSession, maker: Maker, bearer: dict[str, str], body: bytes, status: int
) -> None:
    async with client.post("/api/halt", data=body, headers=bearer) as response:
        assert response.status == status
        assert await error_of(response)

    assert maker.commands == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/halt", 405), ("DELETE", "/api/halt", 405), ("POST", "/api/explode", 404)],
)
async def test_other_verbs_do_not_exist(
    client: aiohttp.ClientSession, bearer: dict[str, str], method: str, path: str, status: int
) -> None:
    async with client.request(method, path, headers=bearer) as response:
        assert response.status == status


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/state", "/healthz"])
async def test_no_route_answers_under_a_foreign_name(
    client: aiohttp.ClientSession, path: str
) -> None:
    async with client.get(path, headers={"Host": "evil.example"}) as response:
        assert response.status == 421
        assert "web.hosts" in await error_of(response)


async def test_the_token_is_in_no_answer(client: aiohttp.ClientSession, token: str) -> None:
    for path in ("/", "/metrics", "/api/state", "/readyz", "/nowhere"):
        async with client.get(path) as response:
            assert token not in await response.text()
            assert token not in str(response.headers)


# -- starting -------------------------------------------------------------------------------------


def test_an_open_address_needs_a_token(options: WebOptions, maker: Maker) -> None:
    with pytest.raises(WebError, match=r"set web\.token"):
        WebServer(maker, Metrics("BTC"), replace(options, host="0.0.0.0", token=""))
    with pytest.raises(WebError, match="at least 16"):
        WebServer(maker, Metrics("BTC"), replace(options, token="short"))
    WebServer(maker, Metrics("BTC"), replace(options, host="0.0.0.0"))


def test_a_token_is_generated_beside_the_data(options: WebOptions, maker: Maker) -> None:
    server = WebServer(maker, Metrics("BTC"), replace(options, token=""))

    assert options.token_path.read_text().strip() == server.token
    assert stat.S_IMODE(options.token_path.stat().st_mode) == 0o600


def test_a_given_token_is_not_written_down(options: WebOptions, server: WebServer) -> None:
    assert server.token == options.token
    assert not options.token_path.exists()


async def test_a_taken_port_is_one_clear_line(
    server: WebServer, options: WebOptions, maker: Maker
) -> None:
    second = WebServer(maker, Metrics("BTC"), replace(options, port=server.port))

    with pytest.raises(
        WebError, match=rf"127\.0\.0\.1:{server.port}, address already in use: set web\.port"
    ):
        await second.start()


def test_the_assets_are_all_served(server: WebServer) -> None:
    static = Path(__file__).parents[3] / "mm/adapters/web/static"
    assert {file.name for file in static.iterdir()} >= {"index.html", "uPlot.LICENSE.txt"}
