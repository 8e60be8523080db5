"""The latch's own page: what it holds outlives a full disk, and damage halts."""

import errno
import os
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.adapters.latch import FLATTEN, HALT, PAGE, PAUSE, Latch
from mm.adapters.ledger_schema import LedgerError
from tests.full_disk import fill, mounted

COINS = st.sampled_from(("BTC", "ETH", "xyz:GOLD"))
REASONS = st.text(max_size=300)


@pytest.mark.parametrize("coin", ["BTC", "xyz:GOLD"])
def test_a_halt_is_there_after_any_end(tmp_path: Path, coin: str) -> None:
    latch = Latch.open(tmp_path / "one.latch")
    latch.set(coin, "drawdown")

    with closing(Latch.open(tmp_path / "one.latch")) as again:  # the first was never closed
        assert again.reason(coin) == "drawdown"
        assert again.reason("SOL") == ""
        again.set(coin, "")
    with closing(Latch.open(tmp_path / "one.latch")) as last:
        assert last.reason(coin) == ""
    latch.close()


def test_a_full_disk_keeps_it(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", 1) as disk:
        with closing(Latch.open(disk / "one.latch")) as latch:
            fill(disk)
            with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
                (disk / "more").write_bytes(b"x")
            latch.set("BTC", "daily loss")
            latch.set("ETH", "operator")
            latch.set("ETH", "")

        with closing(Latch.open(disk / "one.latch")) as again:
            assert again.reason("BTC") == "daily loss"
            assert again.reason("ETH") == ""


def test_a_pause_and_a_flatten_are_kept_beside_a_halt_on_a_full_disk(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", 1) as disk:
        with closing(Latch.open(disk / "one.latch")) as latch:
            fill(disk)
            latch.set("BTC", "lunch", PAUSE)
            latch.set("BTC", "operator", FLATTEN)
            latch.set("ETH", "operator", FLATTEN)
            latch.set("ETH", "", FLATTEN)

        with closing(Latch.open(disk / "one.latch")) as again:
            assert again.reason("BTC", PAUSE) == "lunch"
            assert again.reason("BTC", FLATTEN) == "operator"
            assert again.reason("BTC") == ""
            assert not any(again.reason("ETH", verb) for verb in (HALT, PAUSE, FLATTEN))


def test_a_damaged_page_halts_until_a_halt_is_lifted_not_a_pause(tmp_path: Path) -> None:
    (tmp_path / "one.latch").write_bytes(b"no page")
    with closing(Latch.open(tmp_path / "one.latch", sync=lambda _: None)) as latch:
        latch.set("BTC", "", PAUSE)
        assert "damaged" in latch.reason("BTC")
        assert latch.reason("BTC", PAUSE) == ""


def test_a_full_disk_without_one_is_told(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", 1) as disk:
        fill(disk)
        with pytest.raises(LedgerError, match="No space left on device; free space"):
            Latch.open(disk / "one.latch")


@given(st.lists(st.tuples(COINS, REASONS), max_size=20))
def test_it_holds_what_was_set_last(
    tmp_path_factory: pytest.TempPathFactory, wishes: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("latch") / "one.latch"
    with closing(Latch.open(path, sync=lambda _: None)) as latch:
        for coin, reason in wishes:
            latch.set(coin, reason)
    with closing(Latch.open(path)) as again:
        for coin, reason in dict(wishes).items():
            held = again.reason(coin)
            assert reason.startswith(held)
            assert bool(held) == bool(reason)
    assert path.stat().st_size == PAGE


@given(st.integers(0, 40), st.binary(max_size=40))
def test_damage_halts_until_it_is_lifted(
    tmp_path_factory: pytest.TempPathFactory, offset: int, noise: bytes
) -> None:
    path = tmp_path_factory.mktemp("latch") / "one.latch"
    with closing(Latch.open(path, sync=lambda _: None)) as latch:
        latch.set("BTC", "drawdown")
    sound = path.read_bytes()
    path.write_bytes(sound[:offset] + noise + sound[offset + len(noise) :])

    with closing(Latch.open(path, sync=lambda _: None)) as found:
        if path.read_bytes().rstrip() == sound.rstrip():
            return
        assert "damaged" in found.reason("BTC")
        assert "damaged" in found.reason("ETH")
        found.set("BTC", "")
    with closing(Latch.open(path)) as lifted:
        assert lifted.reason("BTC") == ""


@pytest.mark.parametrize("left", [0, 5, 100])
def test_a_page_cut_short_is_damage(tmp_path: Path, left: int) -> None:
    path = tmp_path / "one.latch"
    Latch.open(path).close()
    content = path.read_bytes()
    path.write_bytes(content[:left])
    with closing(Latch.open(path)) as latch:
        assert bool(latch.reason("BTC")) == (left < 10)


@pytest.mark.parametrize(
    "content", [bytes(PAGE), b"\xff" * PAGE, b"\n" * PAGE, b"{}" * (PAGE // 2)]
)
def test_a_page_of_anything_else_is_damage(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "one.latch"
    path.write_bytes(content)
    with closing(Latch.open(path)) as latch:
        assert "damaged" in latch.reason("BTC")


def test_many_instruments_still_fit(tmp_path: Path) -> None:
    with closing(Latch.open(tmp_path / "one.latch", sync=lambda _: None)) as latch:
        for number in range(100):
            latch.set(f"COIN{number}", "a long story " * 50)
    assert (tmp_path / "one.latch").stat().st_size == PAGE
    with closing(Latch.open(tmp_path / "one.latch")) as again:
        assert all(again.reason(f"COIN{number}") for number in range(100))


def test_only_we_may_read_it(tmp_path: Path) -> None:
    Latch.open(tmp_path / "one.latch").close()
    assert (tmp_path / "one.latch").stat().st_mode & 0o077 == 0
