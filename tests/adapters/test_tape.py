"""Tapes: two venues' frames become books and trades; damage is counted, never fatal."""

import gzip
import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mm.adapters.tape import Tape, TapeError, open_tape
from mm.model.events import Book, Trades
from mm.model.units import NS_PER_MS, NS_PER_S, Side

DATA = Path(__file__).parents[2].parent / "shared" / "data"
BINANCE = DATA / "binance-usdm" / "btcusdt_20240808.gz"
HYPERLIQUID = DATA / "hyperliquid" / "btc_20250126.gz"
T0 = 1_723_161_255 * NS_PER_S
MS0 = T0 // NS_PER_MS

recorded = pytest.mark.skipif(
    not BINANCE.exists(), reason=f"the recordings are missing: {DATA} does not hold them"
)


Frame: TypeAlias = dict[str, Any]
Line: TypeAlias = Frame | bytes
Rows: TypeAlias = Sequence[Sequence[str]]
Write: TypeAlias = Callable[..., Path]

# -- frames -------------------------------------------------------------------------------------


def ticker(update: int, bid: str, ask: str, sizes: tuple[str, str] = ("1.5", "2.5")) -> Frame:
    data = {"e": "bookTicker", "u": update, "s": "BTCUSDT", "b": bid, "B": sizes[0]}
    data |= {"a": ask, "A": sizes[1], "T": MS0 + update, "E": MS0 + update}
    return {"stream": "btcusdt@bookTicker", "data": data}


def trade(number: int, price: str, size: str = "0.010", **changed: object) -> Frame:
    data = {"e": "trade", "E": MS0, "T": MS0 + 7, "s": "BTCUSDT", "t": number, "p": price}
    return {
        "stream": "btcusdt@trade",
        "data": data | {"q": size, "X": "MARKET", "m": True} | changed,
    }


def depth(first: int, last: int, previous: int, bids: Rows = (), asks: Rows = ()) -> Frame:
    data = {"e": "depthUpdate", "E": MS0, "T": MS0, "s": "BTCUSDT", "U": first, "u": last}
    return {"stream": "btcusdt@depth@0ms", "data": data | {"pu": previous, "b": bids, "a": asks}}


def snapshot(update: int, bids: Rows, asks: Rows) -> Frame:
    return {"lastUpdateId": update, "E": MS0, "T": MS0, "bids": bids, "asks": asks}


def l2_book(time_ms: int, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> Frame:
    levels = [[{"px": px, "sz": sz, "n": 1} for px, sz in side] for side in (bids, asks)]
    return {"channel": "l2Book", "data": {"coin": "ETH", "time": time_ms, "levels": levels}}


def bbo(time_ms: int, bid: tuple[str, str] | None, ask: tuple[str, str] | None) -> Frame:
    rows = [None if row is None else {"px": row[0], "sz": row[1], "n": 1} for row in (bid, ask)]
    return {"channel": "bbo", "data": {"coin": "ETH", "time": time_ms, "bbo": rows}}


def hl_trade(number: int, time_ms: int, price: str = "100.5", **changed: object) -> Frame:
    row = {"coin": "ETH", "side": "B", "px": price, "sz": "2", "time": time_ms, "tid": number}
    return {"channel": "trades", "data": [row | {"hash": "0x", "users": ["0x1", "0x2"]} | changed]}


HL_BOOK = l2_book(1_000, [("100", "1"), ("99", "2")], [("101", "3"), ("102", "4")])
TICKER = ticker(10, "100.0", "100.1")


MUTATED = {
    "binance": [
        TICKER,
        snapshot(12, [["99.9", "1"]], [["100.2", "1"]]),
        depth(11, 13, 10, [["99.8", "2"]], [["100.2", "0"], ["100.3", "1"]]),
        trade(1, "100.0"),
    ],
    "hyperliquid": [HL_BOOK, bbo(1_001, ("100", "1"), None), hl_trade(1, 1_002)],
}


def lines(*frames: Line) -> bytes:
    """One line per frame; bytes stand for themselves."""
    written = []
    for number, frame in enumerate(frames):
        if isinstance(frame, bytes):
            written.append(frame)
        else:
            written.append(b"%d %s" % (T0 + number * NS_PER_MS, json.dumps(frame).encode()))
    return b"".join(line + b"\n" for line in written)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(*frames: Line) -> Path:
        path = tmp_path / "tape"
        path.write_bytes(lines(*frames))
        return path

    return written


def books(tape: Tape) -> list[Book]:
    return [record for record in tape if isinstance(record, Book)]


def prints(tape: Tape) -> list[Trades]:
    return [record for record in tape if isinstance(record, Trades)]


# -- real recordings ----------------------------------------------------------------------------


@recorded
class TestRecordings:
    def test_binance_reads_whole_without_a_bad_line(self) -> None:
        tape = open_tape(BINANCE)
        records = list(tape)
        assert (tape.venue, tape.coin) == ("binance", "BTC")
        assert tape.report.bad == {}
        assert tape.report.unused == {}
        assert tape.report.frames == {
            "bookTicker": 66_089,
            "trade": 21_313,
            "depth": 6_551,
            "snapshot": 1,
        }
        assert tape.report.lines == 93_954
        assert sum(isinstance(record, Trades) for record in records) == 21_313
        assert all(a.ts <= b.ts for a, b in pairwise(records))
        for book in records:
            if isinstance(book, Book):
                assert book.bids[0][0] < book.asks[0][0]

    def test_binance_depth_without_the_ticker_agrees_with_the_ticker(self, tmp_path: Path) -> None:
        """Two streams of one venue, one truth: the book that diffs build has the ticker's touch."""
        bare = tmp_path / "bare"
        ticks: list[tuple[int, tuple[float, ...]]] = []
        updates: list[int] = []
        snapshot_at = 0
        with gzip.open(BINANCE) as source, bare.open("wb") as kept:
            for line in source:
                frame = json.loads(line.split(b" ", 1)[1])
                if frame.get("stream") == "btcusdt@bookTicker":
                    d = frame["data"]
                    ticks.append((d["u"], tuple(float(d[key]) for key in "bBaA")))
                    continue
                kept.write(line)
                if "lastUpdateId" in frame:
                    snapshot_at = frame["lastUpdateId"]
                    updates = [max([snapshot_at, *updates])]
                elif frame["stream"].endswith("depth@0ms"):
                    updates.append(frame["data"]["u"])
        built = books(open_tape(bare))
        assert len(built) == len(updates) > 6_000
        ids = [update for update, _ in ticks]
        for book, update in zip(built, updates, strict=True):
            at = bisect_right(ids, update) - 1
            assert (*book.bids[0], *book.asks[0]) == ticks[at][1]
            assert len(book.bids) == len(book.asks) == 20

    def test_hyperliquid_reads_whole_without_a_bad_line(self) -> None:
        tape = open_tape(HYPERLIQUID)
        records = list(tape)
        assert (tape.venue, tape.coin) == ("hyperliquid", "BTC")
        assert tape.report.bad == {}
        assert tape.report.frames == {"l2Book": 46, "trades": 9}
        assert tape.report.unused == {"trade before the first book": 30}
        assert sum(isinstance(record, Book) for record in records) == 46
        assert books(tape)[0].bids[0] == (105055.0, 3.03622)


# -- containers ---------------------------------------------------------------------------------


class TestContainers:
    def test_plain_gzip_and_zstd_hold_the_same(self, tmp_path: Path) -> None:
        body = lines(TICKER, trade(1, "100.0"), ticker(11, "100.1", "100.2"))
        halves = [body[: len(body) // 2], body[len(body) // 2 :]]
        compress = zstandard.ZstdCompressor().compress
        contents = {
            "plain": body,
            "crlf": body.replace(b"\n", b"\r\n"),
            "gz": gzip.compress(body),
            "zst": compress(body),
            "many.zst": b"".join(compress(half) for half in halves),
            "many.gz": b"".join(gzip.compress(half) for half in halves),
        }
        read = {}
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
            read[name] = list(open_tape(tmp_path / name))
        assert len(read["plain"]) == 3
        assert all(records == read["plain"] for records in read.values())

    def test_a_cut_gzip_gives_what_it_holds_and_says_so(self, tmp_path: Path) -> None:
        frames = [ticker(10 + n, f"{100 + n % 7}.0", f"{107 + n % 5}.1") for n in range(2_000)]
        whole = gzip.compress(lines(*frames))
        path = tmp_path / "cut.gz"
        path.write_bytes(whole[: len(whole) // 2])
        tape = open_tape(path)
        assert 100 < len(books(tape)) < 2_000
        assert tape.report.bad["compressed stream is cut or broken"] == 1
        assert tape.report.bad_lines <= 2  # the line that the cut went through

    def test_each_iteration_reads_anew(self, write: Write) -> None:
        tape = open_tape(write(TICKER, b"rubbish"))
        assert list(tape) == list(tape)
        assert tape.report.bad == {"no time stamp": 1}


# -- refusals -----------------------------------------------------------------------------------


class TestUnusable:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "the file is empty"),
            (b"\n\n", "the file is empty"),
            (b"time,price\n1,2\n", "not a tape"),
            (b'{"channel": "l2Book"}\n', "not a tape"),
            (b"1723161255030314667 [1, 2]\n", "not a tape"),
            (b"\x1f\x8b broken", "compressed stream is cut or broken"),
            (b"\x28\xb5\x2f\xfd broken", "compressed stream is cut or broken"),
            (lines(trade(1, "100.0")), "no book in it"),
            (lines({"channel": "pong"}), "no book in it; 1 × pong"),
        ],
    )
    def test_one_line_names_the_file_and_what_was_expected(
        self, tmp_path: Path, content: bytes, message: str
    ) -> None:
        path = tmp_path / "odd.gz"
        path.write_bytes(content)
        with pytest.raises(TapeError) as caught:
            open_tape(path)
        text = str(caught.value)
        assert message in text
        assert str(path) in text
        assert "Binance" in text
        assert "\n" not in text

    def test_a_missing_file_and_a_directory_without_recordings(self, tmp_path: Path) -> None:
        with pytest.raises(TapeError, match="no-such: cannot read the tape: No such file"):
            open_tape(tmp_path / "no-such")
        with pytest.raises(TapeError, match=r"no recording .* in it, but nothing"):
            open_tape(tmp_path)
        (tmp_path / "BTC").mkdir()
        with pytest.raises(TapeError, match=r"no recording .* in it, but BTC"):
            open_tape(tmp_path)

    def test_a_symbol_that_it_does_not_hold(self, write: Write) -> None:
        with pytest.raises(TapeError, match="no book of ETHUSDT; 1 × bookTicker of another symbol"):
            open_tape(write(TICKER), "ETHUSDT")


class TestBadLines:
    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (b"rubbish", "no time stamp"),
            (b"-5 {}", "no time stamp"),
            (b'17231612550 {"stream":"x"}', "time stamp is not in nanoseconds"),
            (b"%d {" % T0, "not JSON"),
            (b'%d {"stream":"btcusdt@bookTicker","data":{"u":1' % T0, "not JSON"),
            (b"%d \xff\xfe\x00" % T0, "not JSON"),
            (b"%d []" % T0, "wrong fields"),
            (b'%d {"stream":"btcusdt@bookTicker","data":{"u":"x"}}' % T0, "wrong fields"),
            (ticker(11, "101.0", "100.0"), "crossed book"),
            (ticker(11, "-1", "100.0"), "price or size is not a positive number"),
            (ticker(11, "nan", "100.0"), "price or size is not a positive number"),
            (ticker(11, "1", "inf"), "price or size is not a positive number"),
            (ticker(11, "one", "100.0"), "wrong fields"),
            (trade(1, "100.0", "0"), "price or size is not a positive number"),
            (trade(1, "100.0", m="maybe"), "wrong fields"),
            (trade(1, "100.0", t=None), "wrong fields"),
            (depth(11, 12, 10, [["100.0", "-1"]]), "price or size is not a positive number"),
            (depth(11, 12, 10, [["100.0"]]), "wrong fields"),
            (snapshot(10, [["100.0", "0"]], []), "price or size is not a positive number"),
            (snapshot(10, [["101.0", "1"]], [["100.0", "1"]]), "crossed book"),
        ],
    )
    def test_are_counted_by_reason_and_skipped(self, write: Write, line: Line, reason: str) -> None:
        tape = open_tape(write(TICKER, line, ticker(20, "100.2", "100.3")))
        assert [book.bids[0][0] for book in books(tape)] == [100.0, 100.2]
        assert tape.report.bad == {reason: 1}

    def test_hyperliquid_s_too(self, write: Write) -> None:
        tape = open_tape(
            write(
                HL_BOOK,
                l2_book(1_001, [("99", "1"), ("100", "1")], [("101", "1")]),
                l2_book(1_002, [("101", "1")], [("101", "1")]),
                bbo(1_003, ("0", "1"), None),
                hl_trade(1, 1_004, side="X"),
                hl_trade(2, 1_005, px="-3"),
                b'%d {"channel":"l2Book","data":{"coin":"ETH"}}' % (T0 + 9 * NS_PER_MS),
            )
        )
        assert len(list(tape)) == 1
        assert tape.report.bad == {
            "book levels are not sorted": 1,
            "crossed book": 1,
            "price or size is not a positive number": 2,
            "wrong fields": 2,
        }

    def test_a_small_step_back_in_time_is_held_and_counted(self, write: Write) -> None:
        early = b"%d %s" % (T0 - NS_PER_S, json.dumps(ticker(11, "100.1", "100.2")).encode())
        tape = open_tape(write(TICKER, early))
        assert [book.ts for book in books(tape)] == [T0, T0]
        assert tape.report.bad == {"time goes backwards": 1}

    @pytest.mark.parametrize("seconds", [-3_600, 30 * 86_400])
    def test_a_broken_time_stamp_is_dropped(self, write: Write, seconds: int) -> None:
        odd = b"%d %s" % (T0 + seconds * NS_PER_S, json.dumps(ticker(11, "9", "10")).encode())
        tape = open_tape(write(TICKER, odd, ticker(12, "100.1", "100.2")))
        assert [book.bids[0][0] for book in books(tape)] == [100.0, 100.1]
        assert tape.report.bad == {"time out of range": 1}

    @given(junk=st.binary(max_size=300), at=st.integers(0, 3))
    @settings(max_examples=150, deadline=None)
    def test_no_bytes_whatever_do_more_than_be_counted(
        self, tmp_path_factory: pytest.TempPathFactory, junk: bytes, at: int
    ) -> None:
        frames: list[Line] = [TICKER, trade(1, "100.0"), ticker(11, "100.1", "100.2")]
        frames.insert(at, junk)
        path = tmp_path_factory.mktemp("junk") / "tape"
        path.write_bytes(lines(*frames))
        try:
            tape = open_tape(path)
        except TapeError:
            assert at == 0  # only where junk at the start hides what the file is
        else:
            assert len(list(tape)) >= 3

    @given(data=st.data(), venue=st.sampled_from(sorted(MUTATED)))
    @settings(max_examples=150, deadline=None)
    def test_no_mutation_of_a_frame_raises(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, venue: str
    ) -> None:
        frames = MUTATED[venue]
        body = bytearray(lines(*frames))
        for _ in range(data.draw(st.integers(1, 6))):
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        path = tmp_path_factory.mktemp("mutated") / "tape"
        path.write_bytes(bytes(body))
        with suppress(TapeError):
            for book in books(open_tape(path)):
                assert not (book.bids and book.asks) or book.bids[0][0] < book.asks[0][0]


# -- Binance ------------------------------------------------------------------------------------


class TestBinance:
    def test_before_the_snapshot_there_is_only_the_touch(self, write: Write) -> None:
        tape = open_tape(
            write(TICKER, depth(11, 12, 10, [["99.0", "5"]]), ticker(13, "99.8", "99.9"))
        )
        assert [book.bids for book in books(tape)] == [((100.0, 1.5),), ((99.8, 1.5),)]

    def test_diffs_that_came_before_the_snapshot_are_applied_after_it(self, write: Write) -> None:
        tape = open_tape(
            write(
                depth(1, 5, 0, [["100.0", "9"]]),
                depth(6, 8, 5, [["99.0", "9"]]),
                snapshot(7, [["100.0", "1"]], [["101.0", "1"]]),
                depth(9, 11, 8, [["100.0", "0"], ["98.0", "2"]], [["101.5", "3"]]),
            )
        )
        assert [(book.bids, book.asks) for book in books(tape)] == [
            (((100.0, 1.0), (99.0, 9.0)), ((101.0, 1.0),)),
            (((99.0, 9.0), (98.0, 2.0)), ((101.0, 1.0), (101.5, 3.0))),
        ]
        assert tape.report.bad == {}

    def test_a_newer_ticker_rules_the_touch_until_the_depth_catches_up(self, write: Write) -> None:
        tape = open_tape(
            write(
                snapshot(7, [["100.0", "1"], ["99.0", "2"]], [["101.0", "1"]]),
                ticker(12, "99.0", "100.5"),
                depth(8, 10, 7, [["100.0", "4"]]),
                ticker(9, "100.0", "101.0"),
                depth(11, 13, 10, [["100.0", "0"], ["99.0", "1.6"]], [["100.5", "2.6"]]),
            )
        )
        assert [book.bids[0] for book in books(tape)] == [
            (100.0, 1.0),
            (99.0, 1.5),
            (99.0, 1.5),
            (99.0, 1.6),
        ]
        assert tape.report.bad == {}

    def test_a_broken_sequence_is_counted_and_the_book_goes_on(self, write: Write) -> None:
        tape = open_tape(
            write(
                snapshot(7, [["100.0", "1"]], [["101.0", "1"]]),
                depth(8, 10, 7, [["99.0", "1"]]),
                depth(20, 22, 19, [["98.0", "1"]]),
                depth(23, 24, 22, [["97.0", "1"]]),
            )
        )
        assert len(books(tape)[-1].bids) == 4
        assert tape.report.bad == {"depth sequence is broken": 1}

    def test_a_book_that_crosses_waits_for_the_next_snapshot(self, write: Write) -> None:
        tape = open_tape(
            write(
                snapshot(7, [["100.0", "1"]], [["101.0", "1"]]),
                depth(8, 10, 7, [["102.0", "1"]]),
                depth(11, 12, 10, [["99.0", "1"]]),
                snapshot(12, [["99.0", "1"]], [["101.0", "1"]]),
            )
        )
        assert [book.bids[0][0] for book in books(tape)] == [100.0, 99.0]
        assert tape.report.bad == {"crossed book": 1}

    def test_prints(self, write: Write) -> None:
        tape = open_tape(
            write(
                TICKER,
                trade(5, "100.0"),
                trade(6, "100.1", m=False),
                trade(6, "100.1", m=False),
                trade(7, "0", "0", X="INSURANCE_FUND"),
            )
        )
        printed = [record.trades[0] for record in prints(tape)]
        assert [(p.trade_id, p.price, p.aggressor) for p in printed] == [
            (5, 100.0, Side.ASK),
            (6, 100.1, Side.BID),
        ]
        assert printed[0].venue_ts == (MS0 + 7) * NS_PER_MS
        assert tape.report.unused == {"trade outside the book": 1}

    def test_bare_frames_spot_frames_and_aggregate_trades(self, write: Write) -> None:
        """A single-stream recording has no envelope; spot has no event name or time."""
        spot = {"u": 12, "s": "BTCUSDT", "b": "100.0", "B": "1", "a": "100.2", "A": "1"}
        aggregate = trade(3, "100.0")["data"] | {"e": "aggTrade", "a": 3}
        del aggregate["t"], aggregate["X"]
        tape = open_tape(
            write(
                TICKER["data"],
                trade(1, "100.0")["data"],
                {"stream": "btcusdt@bookTicker", "data": spot},
                {"stream": "btcusdt@aggTrade", "data": aggregate},
                {"stream": "btcusdt@markPrice", "data": {"p": "1"}},
            )
        )
        records = list(tape)
        assert [type(record) for record in records] == [Book, Trades, Book, Trades]
        spot_book = records[2]
        assert isinstance(spot_book, Book)
        assert spot_book.venue_ts == spot_book.ts
        assert tape.report.unused == {"markPrice": 1}

    def test_the_first_symbol_is_the_tape_s_unless_named(self, write: Write) -> None:
        other = ticker(1, "5.0", "5.1")
        other["data"]["s"] = "1000SHIBUSDT"
        path = write(TICKER, other)
        assert open_tape(path).coin == "BTC"
        named = open_tape(path, "1000shibusdt")
        assert (named.coin, books(named)[0].bids[0][0]) == ("1000SHIB", 5.0)


# -- Hyperliquid --------------------------------------------------------------------------------


class TestHyperliquid:
    def test_a_newer_touch_goes_on_top_of_the_last_book(self, write: Write) -> None:
        tape = open_tape(
            write(
                HL_BOOK,
                bbo(1_001, ("100.5", "1"), ("101.5", "1")),
                bbo(1_000, ("100", "1"), ("101", "1")),
                bbo(1_002, ("99", "3"), None),
            )
        )
        assert [(book.bids, book.asks) for book in books(tape)][1:] == [
            (((100.5, 1.0), (100.0, 1.0), (99.0, 2.0)), ((101.5, 1.0), (102.0, 4.0))),
            (((99.0, 3.0),), ()),
        ]

    def test_trades_repeated_or_older_than_the_first_book_are_left_out(self, write: Write) -> None:
        tape = open_tape(
            write(
                hl_trade(1, 2_000),
                HL_BOOK,
                hl_trade(2, 999),
                hl_trade(3, 1_001),
                hl_trade(3, 1_001),
                hl_trade(4, 1_002, side="A"),
                hl_trade(5, 1_003, coin="BTC"),
                {"channel": "subscriptionResponse", "data": {}},
            ),
            "ETH",
        )
        printed = [record.trades[0] for record in prints(tape)]
        assert [(p.trade_id, p.aggressor) for p in printed] == [(3, Side.BID), (4, Side.ASK)]
        assert tape.report.unused == {
            "trade before the first book": 2,
            "trade repeated": 1,
            "trade of another coin": 1,
            "subscriptionResponse": 1,
        }

    def test_what_it_remembers_is_bounded(self, write: Write) -> None:
        many = [hl_trade(number, 1_001) for number in range(2_100)]
        tape = open_tape(write(HL_BOOK, *many, hl_trade(0, 1_001)))
        assert len(prints(tape)) == 2_101
