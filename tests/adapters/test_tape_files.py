"""Summaries say what a tape holds; conversion keeps every sound line and nothing else."""

import gzip
import json
from pathlib import Path

import pytest
import zstandard

from mm.adapters.tape import TapeError, open_tape
from mm.adapters.tape_convert import convert
from mm.adapters.tape_summary import summary
from mm.model.units import NS_PER_S

DATA = Path(__file__).parents[2].parent / "shared" / "data"
BINANCE = DATA / "binance-usdm" / "btcusdt_20240808.gz"
HYPERLIQUID = DATA / "hyperliquid" / "btc_20250126.gz"
T0 = 1_723_161_255 * NS_PER_S

recorded = pytest.mark.skipif(
    not BINANCE.exists(), reason=f"the recordings are missing: {DATA} does not hold them"
)


def ticker(at_s: float, bid: float, ask: float) -> bytes:
    at = T0 + round(at_s * NS_PER_S)
    data = {"u": at, "s": "BTCUSDT", "b": bid, "B": 1, "a": ask, "A": 1, "T": 1}
    return b"%d %s\n" % (at, json.dumps({"stream": "x@bookTicker", "data": data}).encode())


def trade(at_s: float, price: float, size: float, maker: bool) -> bytes:
    at = T0 + round(at_s * NS_PER_S)
    data = {"s": "BTCUSDT", "t": at, "p": price, "q": size, "T": 1, "m": maker}
    return b"%d %s\n" % (at, json.dumps({"stream": "x@trade", "data": data}).encode())


SMALL = [
    ticker(0, 99.0, 101.0),
    trade(1, 101.0, 0.5, False),
    ticker(2, 99.5, 100.5),
    b"rubbish\n",
    trade(6, 99.0, 1.0, True),
    trade(9, 99.0, 1.5, True),
    ticker(10, 99.9, 100.1),
]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.gz"
    path.write_bytes(gzip.compress(b"".join(SMALL)))
    return path


class TestSummary:
    def test_of_a_tape_counted_by_hand(self, small: Path) -> None:
        told = summary(small)
        assert (told.venue, told.coin, told.lines) == ("binance", "BTC", 7)
        assert told.frames == {"bookTicker": 3, "trade": 3}
        assert told.bad == {"no time stamp": 1}
        assert (told.first_ns, told.span_s, told.longest_gap_s) == (T0, 10.0, 4.0)
        assert told.size_bytes == small.stat().st_size
        assert told.books is not None
        assert told.books.updates == 3
        assert told.books.low == told.books.high == 100.0
        assert told.books.median_spread_bps == 100.0
        assert told.prints is not None
        assert (told.prints.count, told.prints.per_s, told.prints.median_size) == (3, 0.3, 1.0)
        assert told.prints.volume == 3.0
        assert told.prints.notional_usd == pytest.approx(50.5 + 99.0 + 148.5)
        assert told.prints.buyer_share == pytest.approx(0.5 / 3)

    def test_without_prints(self, tmp_path: Path) -> None:
        path = tmp_path / "books"
        path.write_bytes(ticker(0, 99.0, 101.0))
        told = summary(path)
        assert told.prints is None
        assert told.span_s == 0.0

    @recorded
    def test_of_the_recordings(self) -> None:
        told = summary(BINANCE)
        assert told.bad == {}
        assert told.span_s == pytest.approx(344.803, abs=0.001)
        assert told.books is not None
        assert told.books.median_spread_bps == pytest.approx(0.0162)
        assert 61_590 < told.books.low < told.books.high < 61_840
        assert told.prints is not None
        assert told.prints.per_s == pytest.approx(61.8, abs=0.1)


class TestConvert:
    def test_keeps_sound_lines_byte_for_byte(self, small: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.zst"
        done = convert(small, out)
        kept = zstandard.ZstdDecompressor().stream_reader(out.read_bytes()).readall()
        assert kept == b"".join(line for line in SMALL if line != b"rubbish\n")
        assert (done.lines, done.bad) == (6, {"no time stamp": 1})
        assert done.bytes_out == out.stat().st_size
        assert list(open_tape(out)) == list(open_tape(small))

    @recorded
    @pytest.mark.parametrize("path", [BINANCE, HYPERLIQUID], ids=["binance", "hyperliquid"])
    def test_the_recordings_come_out_as_they_went_in(self, path: Path, tmp_path: Path) -> None:
        done = convert(path, tmp_path / "out.zst")
        assert done.bad == {}
        assert list(open_tape(tmp_path / "out.zst")) == list(open_tape(path))

    def test_never_overwrites(self, small: Path) -> None:
        before = small.read_bytes()
        with pytest.raises(TapeError, match="exists already"):
            convert(small, small)
        assert small.read_bytes() == before

    def test_leaves_nothing_half_done(self, small: Path, tmp_path: Path) -> None:
        with pytest.raises(TapeError, match=r"cannot write the tape: No such file"):
            convert(small, tmp_path / "no" / "such" / "out.zst")
        with pytest.raises(TapeError, match="cannot read"):
            convert(tmp_path / "absent", tmp_path / "out.zst")
        assert [path.name for path in tmp_path.iterdir()] == ["small.gz"]
