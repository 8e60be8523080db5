"""What a venue says (errors, coins, client ids) forges no metric, header, log line or screen."""

import asyncio
import io
import json
import os
from pathlib import Path

import aiohttp
import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from mm.adapters import logs
from mm.adapters.data_dir import Runtime
from mm.adapters.metrics import Metrics
from mm.adapters.metrics_table import METRICS
from mm.adapters.web.server import WebServer
from mm.commands import control
from mm.model.actions import Note, Severity, Step
from mm.model.events import OrderClosed
from mm.model.view import View
from tests.adapters.web.maker import Maker

HOSTILE = 'x"} 1\nmm_halted{instrument="BTC"} 0\r\nSet-Cookie: a=b\r\n\r\n\x1b[2J\u202e\x00\\"<b>'
TEXT = st.one_of(st.text(), st.just(HOSTILE))
KNOWN = {spec.name for spec in METRICS}


class Deceived(Maker):
    """A market maker whose reasons and client ids are what the venue said."""

    def __init__(self, words: str = HOSTILE) -> None:
        super().__init__()
        self.words = self.not_ready = words

    def view(self) -> View:
        shown = super().view()
        assert shown is not None
        reasons = {f"link {self.words}": 3.0}
        bid = replace(shown.bid, blocked=f"link down: {self.words}", blocked_s=reasons)
        orders = tuple(replace(order, cloid=self.words) for order in shown.orders)
        return replace(shown, bid=bid, ask=replace(bid, side="ask"), orders=orders)


@pytest.fixture
def maker() -> Maker:
    return Deceived()


@given(TEXT, TEXT)
def test_no_words_forge_a_metric(words: str, instrument: str) -> None:
    """What is written parses as the names that we export; a label is as given, or plain."""
    metrics, maker = Metrics(instrument), Deceived(words)
    metrics.update(maker.view(), maker.health())
    note = Note(1, Severity.INFO, words, words)
    metrics.observe(OrderClosed(1, 1, words, 7, words), Step(notes=(note,)))

    text = metrics.render().decode()

    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.name in KNOWN or sample.name.rsplit("_", 1)[0] in KNOWN
            assert sample.labels["instrument"] == instrument
            assert set(sample.labels.get("reason", "")) <= {*"abcdefghijklmnopqrstuvwxyz_"}
    assert all(line.startswith(("#", "mm_")) for line in text.split("\n") if line)


@given(TEXT)
def test_no_words_forge_a_log_line(words: str) -> None:
    note = Note(1, Severity.WARNING, "order", "Refused", {"cloid": words, "reason": words})
    told = {}
    for style in ("json", "console"):
        out = io.StringIO()
        logs.configure("info", style, out)
        logs.log_note(note, words)
        structlog.reset_defaults()
        told[style] = out.getvalue()
        assert told[style].endswith("\n")
        assert told[style][:-1].isprintable()
    line = json.loads(told["json"])
    assert (line["level"], line["topic"], line["event"]) == ("warning", "order", "Refused")
    assert line.keys() == {"ts", "level", "topic", "event", "data"}


async def test_no_words_forge_a_header_or_clear_a_screen(server: WebServer) -> None:
    async with aiohttp.ClientSession(server.url) as client:
        for path in ("/readyz", "/metrics", "/api/state", "/api/state?instrument=%0d%0aA:%20b"):
            async with client.get(path) as response:
                body = await response.text()
            assert response.headers.keys().isdisjoint({"Set-Cookie", "A"})
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "\x1b" not in body
            assert "\n" not in body[:-1] or path == "/metrics"
        async with client.get("/api/state") as response:
            assert (await response.json())["reason"] == HOSTILE


async def test_status_shows_what_the_venue_said_and_obeys_none_of_it(
    server: WebServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = Runtime(pid=os.getpid(), url=server.url, run_id="r", version="v", start_ns=0)
    (tmp_path / "daemon.json").write_bytes(msgspec.json.encode(runtime))
    sets = [f"daemon.data_dir={tmp_path}"]
    assert await asyncio.to_thread(control.status, [], sets, False) == 0

    lines = capsys.readouterr().out.split("\n")[:-1]
    assert all(line.isprintable() for line in lines)
    assert sum(r"\x1b[2J\u202e" in line for line in lines) == 3
