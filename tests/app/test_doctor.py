"""The doctor's judgement of what a venue says about an account."""

import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import structs

from mm.adapters.data_dir import DataDir
from mm.adapters.hyperliquid.settings import Bootstrap
from mm.app import doctor
from mm.app.config import load
from mm.app.doctor import Finding, examine
from mm.model.events import OpenOrder
from mm.model.instrument import Instrument
from mm.model.units import Side

WELL = Bootstrap(
    instrument=Instrument(name="BTC", asset=0, size_decimals=5, price_decimals=1),
    account="0x" + "ab" * 20,
    maker_bps=1.5,
    taker_bps=4.5,
    position=Decimal(0),
    equity=Decimal(5000),
    orders=(),
    venue_ms=0,
    skew_ms=20,
    actions_used=100,
    actions_cap=10_000,
    account_mode="disabled",
)


def order(cloid: str | None) -> OpenOrder:
    return OpenOrder(cloid, 1, Side.BID, Decimal(1), Decimal(1), False)


def judged(boot: Bootstrap) -> dict[str, Finding]:
    return {finding.check: finding for finding in doctor._account(load(environ={}), boot)}


def test_a_sound_account_is_ok_throughout() -> None:
    found = judged(structs.replace(WELL, orders=(order("0x6d6d0000"),)))

    assert {finding.level for finding in found.values()} == {"ok"}
    assert not any(finding.remedy for finding in found.values())


@pytest.mark.parametrize(
    ("change", "check", "level", "remedy"),
    [
        ({"skew_ms": -700}, "clock", "warn", "NTP"),
        ({"skew_ms": 5000}, "clock", "fail", "NTP"),
        ({"account_mode": "unifiedAccount"}, "account mode", "warn", '"disabled" (standard)'),
        ({"equity": Decimal(0)}, "balance", "fail", "check venue.account_address"),
        ({"equity": Decimal(100)}, "balance", "warn", "lower strategy.lot_usd"),
        ({"actions_used": 9500}, "actions", "warn", "quote fewer levels"),
        ({"orders": (order(None), order("0xbeef"))}, "orders", "warn", "sub-account"),
    ],
)
def test_each_fault_has_its_level_and_remedy(
    change: dict[str, object], check: str, level: str, remedy: str
) -> None:
    found = judged(structs.replace(WELL, **change))

    assert found[check].level == level
    assert remedy in found[check].remedy
    assert {f.level for f in found.values() if f.check != check} == {"ok"}


@pytest.mark.parametrize(("free", "level"), [(10**7, "fail"), (10**9, "warn"), (10**11, "ok")])
def test_a_full_disk_is_told_before_it_matters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: str
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    assert doctor._disk(tmp_path / "not" / "there" / "yet").level == level


async def test_each_problem_of_the_configuration_is_a_finding() -> None:
    found = await examine([], {}, ["strategy.gamma=0", "risk.max_leverage=0"])

    assert [finding.level for finding in found] == ["fail", "fail"]


async def test_a_bad_tape_and_a_bad_scenario_are_found(tmp_path: Path) -> None:
    for source in (f"exchange.tape={tmp_path / 'none'}", "exchange.scenario=liqid"):
        settings = [f"daemon.data_dir={tmp_path}", "web.port=0", source]

        found = {finding.check: finding for finding in await examine([], {}, settings)}

        assert found["market"].level == "fail"


async def test_a_venue_that_does_not_answer_is_found(tmp_path: Path) -> None:
    settings = [
        f"daemon.data_dir={tmp_path}",
        "web.port=0",
        "venue.network=local",
        "venue.base_url=http://127.0.0.1:9",
    ]

    without = {f.check: f for f in await examine([], {}, settings)}
    key = {"MM_VENUE__PRIVATE_KEY": "ab" * 32}
    unreachable = {f.check: f for f in await examine([], key, settings)}

    assert "MM_VENUE__PRIVATE_KEY" in without["key"].remedy
    assert unreachable["venue"].level == "fail"
    assert "cannot be reached" in unreachable["venue"].text


async def test_a_directory_held_by_someone_unannounced_is_a_fault(tmp_path: Path) -> None:
    held = DataDir.open(tmp_path)
    found = {f.check: f for f in await examine([], {}, [f"daemon.data_dir={tmp_path}"])}
    held.close()

    assert found["data dir"].level == "fail"
    assert "another daemon" in found["data dir"].text
