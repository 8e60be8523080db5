"""The recorder: only the public's market, bounded disk, gaps marked, never in the way."""

import json
from pathlib import Path

import pytest

from mm.adapters.tape import TapeError, open_tape
from mm.adapters.tape_recorder import TapeRecorder
from mm.adapters.tape_writer import TapeWriter
from mm.model.events import Book, Trades
from mm.model.units import NS_PER_MS, NS_PER_S, Ns

HOUR: Ns = 472_222 * 3_600 * NS_PER_S  # 2023-11-14T22:00 UTC
GIGA = 1_000_000_000


def book(time_ms: int, bid: float = 100.0, coin: str = "BTC") -> str:
    levels = [[{"px": str(bid), "sz": "1", "n": 1}], [{"px": "200", "sz": "1", "n": 1}]]
    data = {"coin": coin, "time": time_ms, "levels": levels}
    return json.dumps({"channel": "l2Book", "data": data}, separators=(",", ":"))


def prints(time_ms: int, *tids: int) -> str:
    rows = [
        {"coin": "BTC", "side": "B", "px": "200", "sz": "1", "time": time_ms, "tid": tid}
        for tid in tids
    ]
    return json.dumps({"channel": "trades", "data": rows}, separators=(",", ":"))


def deep(time_ms: int, bid: float) -> str:
    payload = {"type": "l2Book", "data": json.loads(book(time_ms, bid))["data"]}
    reply = {"id": 7, "response": {"type": "info", "payload": payload}}
    return json.dumps({"channel": "post", "data": reply}, separators=(",", ":"))


def write(directory: Path, *frames: tuple[Ns, str], keep: int = GIGA) -> TapeRecorder:
    recorder = TapeRecorder(directory, keep, flush_s=0.01)
    for ts, text in frames:
        recorder.frame(ts, text)
    recorder.close()
    return recorder


def test_each_coin_has_a_directory_that_is_a_tape(tmp_path: Path) -> None:
    hour = 3600 * NS_PER_S
    frames = [(HOUR + n * hour, book(n, 100.0 + n)) for n in range(12)]
    write(tmp_path, *frames, (HOUR + 12 * hour, book(99, 5.0, coin="dex:X/Y")))
    write(tmp_path, (HOUR + 11 * hour + 9, book(50, 150.0)))

    tape = open_tape(tmp_path / "BTC")

    assert len(list((tmp_path / "BTC").iterdir())) == 13
    found = [record.bids[0][0] for record in tape if isinstance(record, Book)]
    assert found == [100.0 + n for n in range(12)] + [150.0]
    assert tape.coin == "BTC"
    assert open_tape(tmp_path / "dex_X_Y").coin == "dex:X/Y"


def test_what_is_ours_alone_is_not_recorded(tmp_path: Path) -> None:
    fills = '{"channel":"userFills","data":{"user":"0xab","fills":[{"coin":"BTC"}]}}'
    order = (
        '{"channel":"post","data":{"id":1,"response":{"type":"action",'
        '"payload":{"coin":"BTC","type":"order"}}}}'
    )
    told = write(tmp_path, (HOUR, book(1)), (HOUR, fills), (HOUR, order), (HOUR, deep(2, 101.0)))

    tape = open_tape(tmp_path / "BTC")
    found = [record.bids[0][0] for record in tape if isinstance(record, Book)]

    assert told.frames == 2
    assert found == [100.0, 101.0]
    assert tape.report.bad == {}


def test_depth_that_comes_later_than_the_touch_stands_behind_it(tmp_path: Path) -> None:
    def touch(time_ms: int, bid: float) -> str:
        rows = [{"px": str(bid), "sz": "2", "n": 1}, {"px": "200", "sz": "1", "n": 1}]
        data = {"coin": "BTC", "time": time_ms, "bbo": rows}
        return json.dumps({"channel": "bbo", "data": data}, separators=(",", ":"))

    frames = (book(1_000), touch(1_500, 101.0), book(1_400, 99.0), book(1_300, 98.0))
    write(tmp_path, *((HOUR + at, text) for at, text in enumerate(frames)))

    found = [r for r in open_tape(tmp_path / "BTC") if isinstance(r, Book)]

    assert [record.bids for record in found] == [
        ((100.0, 1.0),),
        ((101.0, 2.0), (100.0, 1.0)),
        ((101.0, 2.0), (99.0, 1.0)),
    ]
    assert found[-1].venue_ts == 1_500 * NS_PER_MS


def test_what_the_venue_replays_after_a_gap_is_left_out(tmp_path: Path) -> None:
    recorder = TapeRecorder(tmp_path, GIGA)
    for ts, text in ((1, book(1_000)), (2, prints(1_001, 1)), (3, "gap")):
        if text == "gap":
            recorder.gap(HOUR + ts, "link lost")
        else:
            recorder.frame(HOUR + ts, text)
    for ts, text in ((4, prints(1_500, 2)), (5, book(2_000)), (6, prints(1_600, 3))):
        recorder.frame(HOUR + ts, text)
    recorder.frame(HOUR + 7, prints(2_001, 4))
    recorder.close()

    tape = open_tape(tmp_path / "BTC")
    tids = [t.trade_id for record in tape if isinstance(record, Trades) for t in record.trades]

    assert tids == [1, 4]
    assert tape.report.unused == {"gap": 2, "trade before the first book": 2}


def test_a_new_subscription_is_a_gap(tmp_path: Path) -> None:
    ack = (
        '{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":'
        '{"type":"l2Book","coin":"BTC","nSigFigs":null,"mantissa":null,"fast":true}}}'
    )
    other = ack.replace("l2Book", "trades")
    left = ack.replace('"subscribe"', '"unsubscribe"')
    texts = (ack, book(1), other, left, book(2), ack, book(3))
    write(tmp_path, *((HOUR + at, text) for at, text in enumerate(texts)))

    tape = open_tape(tmp_path / "BTC")
    assert len(list(tape)) == 3
    assert [b"gap" in line for _, line in tape.lines()] == [True, False, False, True, False]


def test_the_disk_is_bounded_and_the_newest_kept(tmp_path: Path) -> None:
    keep = 200_000
    frames = [
        (HOUR + n * NS_PER_S, book(n, 100 + (n * 7919 % 1000) / 10 + n % 97 / 1e6))
        for n in range(30_000)
    ]
    for start in range(0, len(frames), 3_000):
        write(tmp_path, *frames[start : start + 3_000], keep=keep)
        assert sum(file.stat().st_size for file in tmp_path.glob("*/*")) <= keep

    records = [record for record in open_tape(tmp_path / "BTC") if isinstance(record, Book)]

    assert 1_000 < len(records) < 29_000
    assert records[-1].venue_ts == 29_999 * NS_PER_MS
    times = [record.venue_ts for record in records]
    assert times == sorted(times)


def test_a_file_cut_in_the_middle_reads_up_to_the_cut(tmp_path: Path) -> None:
    with TapeWriter(tmp_path, "btc") as writer:
        for number in range(2_000):
            writer.write(HOUR + number * NS_PER_S // 4, book(number).encode())
    with TapeWriter(tmp_path, "btc") as writer:
        writer.write(HOUR + 1_000 * NS_PER_S, book(5_000).encode())
    file = tmp_path / "btc-20231114T22.zst"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    books = [record for record in open_tape(tmp_path) if isinstance(record, Book)]
    found = [record.venue_ts // NS_PER_MS for record in books]

    assert 500 < len(found) < 1_600
    assert found[:-1] == list(range(len(found) - 1))
    assert found[-1] == 5_000


def test_a_disk_that_refuses_stops_nothing_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "BTC").write_text("in the way")
    recorder = TapeRecorder(tmp_path, GIGA, flush_s=0.01)
    for number in range(100):
        recorder.frame(HOUR + number, book(number))
    recorder.close()

    assert recorder.dropped == 100
    assert "cannot record" in recorder.failure


def test_it_is_tried_again_and_the_gap_says_why(tmp_path: Path) -> None:
    in_the_way = tmp_path / "BTC"
    in_the_way.write_text("")
    recorder = TapeRecorder(tmp_path, GIGA)
    recorder.frame(HOUR, book(1))
    recorder._drain()
    in_the_way.unlink()
    recorder.frame(HOUR + 31 * NS_PER_S, book(2))
    recorder.close()

    tape = open_tape(in_the_way)
    assert len(list(tape)) == 1
    lines = [line for _, line in tape.lines()]
    assert b"cannot record" in lines[0]


def test_two_recordings_in_one_directory_are_not_mixed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with TapeWriter(tmp_path, name) as writer:
            writer.write(HOUR, book(1).encode())
    with pytest.raises(TapeError, match=r"several recordings \(one, two\)"):
        open_tape(tmp_path)
