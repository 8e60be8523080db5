"""Several instruments behind one address: a state, a stream and a word for each."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from mm.adapters.metrics import Metrics
from mm.adapters.web.server import WebServer
from tests.adapters.web.maker import Maker


class Paused(Maker):
    """A second instrument, which does not quote."""

    def ready(self) -> tuple[bool, str]:
        return False, "paused: lunch"


@pytest.fixture
def other(server: WebServer) -> Maker:
    found = Paused()
    server.add(found, Metrics("ETH"))
    return found


@pytest.fixture
async def client(server: WebServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session


async def test_each_instrument_has_a_state_of_its_own(
    client: aiohttp.ClientSession, other: Maker
) -> None:
    async with client.get("/api/state?instrument=ETH") as response:
        second = await response.json()
    async with client.get("/api/state") as response:
        first = await response.json()

    assert first["instruments"] == second["instruments"] == ["BTC", "ETH"]
    assert (first["ready"], second["reason"]) == (True, other.ready()[1])


@pytest.mark.parametrize("path", ["/api/state", "/api/stream"])
async def test_an_instrument_that_is_not_quoted_is_refused_and_those_that_are_listed(
    client: aiohttp.ClientSession, other: Maker, path: str
) -> None:
    async with client.get(f"{path}?instrument=XRP") as response:
        assert response.status == 404
        assert (await response.json())["error"] == "no instrument 'XRP' here: BTC, ETH"


async def test_readiness_names_the_instrument_that_is_not(
    client: aiohttp.ClientSession, other: Maker
) -> None:
    async with client.get("/readyz") as response:
        assert (response.status, await response.text()) == (503, "ETH: paused: lunch\n")


async def test_metrics_have_a_series_for_each(client: aiohttp.ClientSession, other: Maker) -> None:
    async with client.get("/metrics") as response:
        text = await response.text()

    for name in ("BTC", "ETH"):
        assert f'mm_ready{{instrument="{name}"}}' in text
    assert text.count("# TYPE mm_ready gauge") == 1


async def test_a_command_is_for_all_or_for_the_one_that_is_named(
    server: WebServer, client: aiohttp.ClientSession, maker: Maker, other: Maker
) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}

    for body in ({"reason": "all"}, {"reason": "one", "instrument": "ETH"}):
        async with client.post("/api/pause", json=body, headers=headers) as response:
            assert response.status == 202
    async with client.post("/api/halt", json={"instrument": "XRP"}, headers=headers) as response:
        assert response.status == 404

    assert maker.commands == [("pause", "all")]
    assert other.commands == [("pause", "all"), ("pause", "one")]


async def test_a_command_that_one_fails_of_reaches_the_others_and_is_refused(
    server: WebServer,
    client: aiohttp.ClientSession,
    maker: Maker,
    other: Maker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a full disk: nobody would expect a halt of all to leave the rest to trade."""

    def fail(verb: str, reason: str) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(maker, "command", fail)
    headers = {"Authorization": f"Bearer {server.token}"}
    async with client.post("/api/halt", json={}, headers=headers) as response:
        assert response.status == 500

    assert other.commands == [("halt", "")]


async def test_a_stream_carries_only_its_instrument(
    server: WebServer, client: aiohttp.ClientSession, other: Maker
) -> None:
    async with client.ws_connect("/api/stream?instrument=ETH") as socket:
        backlog = await socket.receive_json()
        server.beat()
        update = await socket.receive_json()

    assert backlog["state"]["reason"] == update["state"]["reason"] == "paused: lunch"
