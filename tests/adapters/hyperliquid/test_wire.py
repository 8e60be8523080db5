"""Frames as recorded from the venue, as documented, and as no venue should send them."""

import gzip
import json
import math
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mm.adapters.hyperliquid import answers, convert, wire
from mm.model.events import Bbo, Book, Levels, Reference, Trades
from mm.model.units import Side

RECORDINGS = Path(__file__).parents[4] / "shared" / "data" / "hyperliquid"
ME = "0x" + "ab" * 20
T = TypeVar("T")


def recording(name: str) -> Path:
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip(f"the recording {name} is not in ../shared/data/hyperliquid")
    return path


def decode(frame: dict[str, Any]) -> wire.Frame | None:
    return wire.FrameDecoder().decode(json.dumps(frame))


FILL: dict[str, Any] = {
    "coin": "BTC", "px": "66653.0", "sz": "0.001", "side": "A", "time": 1781528065899,
    "startPosition": "-0.0213", "dir": "Open Short", "closedPnl": "0.0", "hash": "0xe29f",
    "oid": 55030848197, "crossed": False, "fee": "-0.009997", "tid": 745210434703679,
    "cloid": "0x6d6d", "feeToken": "USDC", "twapId": None,
}  # fmt: skip
ORDER: dict[str, Any] = {
    "coin": "BTC", "side": "B", "limitPx": "83000.0", "sz": "0.01", "oid": 556696349186,
    "timestamp": 1790360256851, "origSz": "0.01",
}  # fmt: skip


# -- recordings ---------------------------------------------------------------------------------


def test_every_recorded_frame_parses_and_books_are_ordered() -> None:
    decoder = wire.FrameDecoder()
    books, prints = 0, 0
    with gzip.open(recording("btc_20250126.gz"), "rt") as lines:
        for line in lines:
            receive_ns, text = line.split(" ", 1)
            frame = decoder.decode(text)
            if isinstance(frame, wire.BookFrame):
                book = convert.book(frame.data, int(receive_ns))
                assert prices(book.bids) == sorted(prices(book.bids), reverse=True)
                assert prices(book.asks) == sorted(prices(book.asks))
                assert book.bids[0][0] < book.asks[0][0]
                books += 1
            elif isinstance(frame, wire.TradesFrame):
                prints += len(convert.trades(frame.data, int(receive_ns)).trades)
    assert (decoder.unparsed, dict(decoder.unknown)) == (0, {})
    assert books > 10
    assert prints > 10


def prices(levels: Levels) -> list[float]:
    return [price for price, _ in levels]


def test_recorded_rest_answers_parse() -> None:
    meta = json.loads(recording("http_meta_perp_sample.json").read_text())
    assert decode_as(answers.Meta, meta).universe[0].sz_decimals == 5
    book = json.loads(recording("http_l2_book_btc.json").read_text())
    found = decode_as(wire.InfoBook, {"type": "l2Book", "data": book}).data
    assert found is not None
    assert convert.book(found, 0).bids[0] == (110427.0, 4.11882)


def decode_as(kind: type[T], value: object) -> T:
    return msgspec.json.decode(json.dumps(value), type=kind, strict=False)


def test_a_recorded_liquidation_of_another_is_our_maker_fill() -> None:
    frame = json.loads(recording("ws_user_fill_liquidation.json").read_text())
    fill = decode_as(wire.WireFill, frame["data"]["fills"][0])
    assert convert.fill(fill, 1, ME, own=True).quote
    assert fill.liquidation is not None
    victim = fill.liquidation.liquidated_user or ""
    assert not convert.fill(fill, 1, victim, own=True).quote


# -- documented shapes --------------------------------------------------------------------------


def test_a_bbo_may_lack_a_side() -> None:
    touch = {"px": "84143.0", "sz": "1.2", "n": 4}
    frame = decode({"channel": "bbo", "data": {"coin": "BTC", "time": 7, "bbo": [touch, None]}})
    assert isinstance(frame, wire.BboFrame)
    found = convert.bbo(frame.data, 5)
    assert found == Bbo(ts=5, venue_ts=7_000_000, bid=(84143.0, 1.2), ask=None)


def test_a_context_with_null_premium_and_mid() -> None:
    ctx = {"funding": "0.0000018952", "oraclePx": "84150.0", "markPx": "84144.0", "midPx": None}
    frame = decode({"channel": "activeAssetCtx", "data": {"coin": "BTC", "ctx": ctx}})
    assert isinstance(frame, wire.ContextFrame)
    found = convert.reference(frame.data, 9)
    assert found == Reference(
        ts=9, venue_ts=9, oracle=84150.0, mark=84144.0, funding_rate=0.0000018952
    )


@pytest.mark.parametrize("flag", [{"isSnapshot": True}, {"isSnapshot": False}, {}])
def test_fills_with_and_without_snapshot_flag(flag: dict[str, bool]) -> None:
    frame = decode({"channel": "userFills", "data": {"user": ME, "fills": [FILL]} | flag})
    assert isinstance(frame, wire.FillsFrame)
    assert bool(frame.data.is_snapshot) is flag.get("isSnapshot", False)
    fill = convert.fill(frame.data.fills[0], 1, ME, own=True)
    assert (str(fill.price), str(fill.fee), str(fill.start_position)) == (
        "66653.0", "-0.009997", "-0.0213",
    )  # fmt: skip
    assert (fill.side, fill.trade_id, fill.quote) == (Side.ASK, 745210434703679, True)


def test_only_a_resting_fill_of_our_own_is_a_quote() -> None:
    taker = decode_as(wire.WireFill, FILL | {"crossed": True})
    maker = decode_as(wire.WireFill, FILL)
    assert not convert.fill(taker, 1, ME, own=True).quote
    assert not convert.fill(maker, 1, ME, own=False).quote


def test_order_updates_with_and_without_client_id() -> None:
    update = {"order": ORDER, "status": "open", "statusTimestamp": 3}
    named = update | {"order": ORDER | {"cloid": "0x6d6d", "reduceOnly": True}}
    frame = decode({"channel": "orderUpdates", "data": [update, named]})
    assert isinstance(frame, wire.OrdersFrame)
    assert [one.order.cloid for one in frame.data] == [None, "0x6d6d"]


def test_post_answers_keep_their_payload_raw() -> None:
    response = {"type": "action", "payload": {"status": "err", "response": "no"}}
    frame = decode({"channel": "post", "data": {"id": 256, "response": response}})
    assert isinstance(frame, wire.PostFrame)
    assert frame.data.id == 256
    assert json.loads(bytes(frame.data.response.payload))["response"] == "no"


def test_pong_error_and_ack() -> None:
    assert isinstance(decode({"channel": "pong"}), wire.PongFrame)
    assert isinstance(decode({"channel": "error", "data": "Already subscribed"}), wire.ErrorFrame)
    echo = {"type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None, "fast": False}
    frame = decode(
        {"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": echo}}
    )
    assert isinstance(frame, wire.AckFrame)
    assert frame.data.subscription.type == "l2Book"


# -- what should not come -----------------------------------------------------------------------


def test_unknown_channels_are_counted_apart_from_broken_frames() -> None:
    decoder = wire.FrameDecoder()
    assert decoder.decode('{"channel":"newThing","data":[1]}') is None
    assert decoder.decode('{"channel":"bbo","data":[1]}') is None
    assert decoder.decode("Websocket connection established.") is None
    assert dict(decoder.unknown) == {"newThing": 1}
    assert decoder.unparsed == 2
    assert "Websocket connection established." in decoder.samples[-1]


def test_memory_for_unknown_channels_and_samples_is_bounded() -> None:
    decoder = wire.FrameDecoder()
    for i in range(1000):
        decoder.decode(f'{{"channel":"thing{i}"}}')
        decoder.decode("x" * 10_000)
    assert len(decoder.unknown) <= 65
    assert decoder.unknown["other"] > 900
    assert sum(map(len, decoder.samples)) < 8 * 400


@pytest.mark.parametrize("number", ["nan", "inf", "-1", "0"])
def test_levels_and_prints_that_are_no_numbers_are_left_out(number: str) -> None:
    level = {"px": number, "sz": "1", "n": 1}
    good = {"px": "100", "sz": "2", "n": 1}
    data = {"coin": "BTC", "time": 1, "levels": [[level, good], [level]]}
    frame = decode({"channel": "l2Book", "data": data})
    assert isinstance(frame, wire.BookFrame)
    assert convert.book(frame.data, 0) == Book(
        ts=0, venue_ts=1_000_000, bids=((100.0, 2.0),), asks=()
    )
    trade = {"coin": "BTC", "side": "A", "px": "100", "sz": number, "time": 1, "tid": 1}
    prints = decode({"channel": "trades", "data": [trade]})
    assert isinstance(prints, wire.TradesFrame)
    assert convert.trades(prints.data, 0) == Trades(ts=0, trades=())


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_money_that_is_no_number_is_not_usable(number: str) -> None:
    for field in ("px", "sz", "fee", "startPosition"):
        assert not convert.usable_fill(decode_as(wire.WireFill, FILL | {field: number}))
    assert convert.usable_fill(decode_as(wire.WireFill, FILL))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(sorted(wire.KNOWN_CHANNELS)), json_values)
def test_no_data_of_a_known_channel_raises(channel: str, data: object) -> None:
    decode({"channel": channel, "data": data})


@given(st.text() | st.binary())
@example(b'{"data":' + b"[" * 100_000)
def test_no_bytes_raise(raw: str | bytes) -> None:
    decoder = wire.FrameDecoder()
    understood = decoder.decode(raw) is not None
    assert understood + decoder.unparsed + sum(decoder.unknown.values()) == 1


@given(
    st.lists(st.tuples(st.floats(1e-6, 1e8), st.floats(1e-6, 1e8)), max_size=20),
    st.integers(0, 2**53),
)
def test_a_book_survives_the_wire(levels: list[tuple[float, float]], time_ms: int) -> None:
    rows = [{"px": repr(px), "sz": repr(sz), "n": 1} for px, sz in levels]
    data = {"coin": "BTC", "time": time_ms, "levels": [rows, []]}
    frame = decode({"channel": "l2Book", "data": data, "later": "unheard of"})
    assert isinstance(frame, wire.BookFrame)
    book = convert.book(frame.data, 0)
    assert book.bids == tuple(levels)
    assert all(math.isfinite(px) for px, _ in book.bids)
