"""The doctor's judgement of what a venue says about an account."""

import asyncio
import shutil
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import structs

from mm.adapters.data_dir import DataDir
from mm.adapters.hyperliquid import answers
from mm.adapters.hyperliquid.settings import Bootstrap
from mm.adapters.hyperliquid.sign import Signer
from mm.adapters.hyperliquid.wire import OrderCore
from mm.app import doctor, doctor_venue
from mm.app.config import load
from mm.app.doctor import Finding, examine
from mm.app.doctor_venue import Account
from mm.model.custody import CreateSubAccount
from mm.model.exchange import OrderSpec, PlaceOrders, Tif
from mm.model.instrument import Instrument
from mm.model.units import Side
from tests.adapters.hyperliquid.stand import ME, stand

WALLET = Signer("0x" + "c3" * 32)

MASTER, AGENT = "0x" + "ab" * 20, "0x" + "cd" * 20
NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000
WELL = Bootstrap(
    instrument=Instrument(name="BTC", asset=0, size_decimals=5, price_decimals=1),
    account=MASTER,
    maker_bps=1.5,
    taker_bps=4.5,
    position=Decimal(0),
    equity=Decimal(5000),
    venue_ms=0,
    skew_ms=20,
    actions_used=100,
    actions_cap=10_000,
    account_mode="disabled",
)
OWNED = Account(
    address=MASTER,
    owner=MASTER,
    signer=AGENT,
    signer_role=answers.UserRole("agent"),
    agents=[],
    positions={"BTC": Decimal(0)},
    taken={"": Decimal(0)},
    orders=[],
    limit=answers.RateLimit(100, 10_000, 0.0),
    now_ms=NOW_MS,
)
TESTNET = ["venue.network=testnet", f"venue.account_address={MASTER}"]
KEY = {"MM_VENUE__PRIVATE_KEY": "ab" * 32}


def order(cloid: str | None) -> OrderCore:
    return OrderCore("BTC", "B", Decimal(1), Decimal(1), 1, cloid)


def agent(days: float) -> list[answers.ExtraAgent]:
    return [answers.ExtraAgent("mm1", AGENT.upper(), NOW_MS + int(days * DAY_MS))]


def judged(
    boot: Bootstrap, account: Account = OWNED, sets: Sequence[str] = ()
) -> dict[str, Finding]:
    config = load(environ=KEY, assignments=[*TESTNET, *sets])
    found = [
        *doctor_venue._of_the_venue(config, {"BTC": boot}),
        *doctor_venue._of_the_account(config, account),
    ]
    return {finding.check: finding for finding in found}


def test_a_sound_account_is_ok_throughout() -> None:
    found = judged(WELL, structs.replace(OWNED, orders=[order("0x6d6d0000")], agents=agent(60)))

    assert {finding.level for finding in found.values()} == {"ok"}
    assert not any(finding.remedy for finding in found.values())
    assert list(found) == [
        "venue", "clock", "account mode", "balance", "fees", "actions",
        "account", "key", "positions", "margin", "orders", "dead man",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "check", "level", "remedy"),
    [
        ({"skew_ms": -700}, "clock", "warn", "NTP"),
        ({"skew_ms": 5000}, "clock", "fail", "NTP"),
        ({"account_mode": "unifiedAccount"}, "account mode", "warn", '"disabled" (standard)'),
        ({"equity": Decimal(0)}, "balance", "fail", "check venue.account_address"),
        ({"equity": Decimal(100)}, "balance", "warn", "lower strategy.lot_usd"),
        ({"actions_used": 9500}, "actions", "warn", "quote fewer levels"),
        ({"maker_bps": 3.0}, "fees", "warn", "compare the coins"),
    ],
)
def test_each_fault_has_its_level_and_remedy(
    change: dict[str, object], check: str, level: str, remedy: str
) -> None:
    found = judged(structs.replace(WELL, **change))

    assert found[check].level == level
    assert remedy in found[check].remedy
    assert {f.level for f in found.values() if f.check != check} == {"ok"}


def test_each_exchange_needs_a_balance_of_its_own() -> None:
    gold = structs.replace(WELL, equity=Decimal(0))
    config = load(environ=KEY, assignments=TESTNET)
    found = [*doctor_venue._of_the_venue(config, {"BTC": WELL, "xyz:GOLD": gold})]

    balances = [(one.level, one.text) for one in found if one.check == "balance"]
    assert balances == [("ok", "equity 5000.00 USD"), ("fail", "equity 0.00 USD on xyz")]


@pytest.mark.parametrize(
    ("change", "sets", "check", "level", "remedy"),
    [
        ({"signer": MASTER}, [], "key", "warn", "it cannot withdraw"),
        ({"signer_role": answers.UserRole("user")}, [], "key", "warn", "API wallet"),
        ({"agents": agent(3)}, [], "key", "warn", "never one that was used before"),
        ({"agents": agent(-1)}, [], "key", "fail", "approve a new API wallet"),
        ({}, ["venue.account_address="], "account", "warn", "set venue.account_address"),
        ({"positions": {"BTC": Decimal(1)}}, [], "positions", "warn", "close it first"),
        ({"positions": {"ETH": Decimal(1)}}, [], "positions", "warn", "use a sub-account"),
        ({"taken": {"": Decimal(0), "xyz": Decimal(9)}}, [], "margin", "warn", "what is left"),
        ({"orders": [order(None), order("0xbeef")]}, [], "orders", "warn", "left alone"),
        ({}, ["daemon.watchdog_s=none"], "dead man", "warn", "set daemon.watchdog_s"),
    ],
)
def test_each_fault_of_the_account_too(
    change: dict[str, object], sets: list[str], check: str, level: str, remedy: str
) -> None:
    found = judged(WELL, structs.replace(OWNED, **change), sets)

    assert found[check].level == level
    assert remedy in found[check].remedy
    assert {f.level for f in found.values() if f.check != check} == {"ok"}


@pytest.mark.parametrize(("volume", "whose"), [(999_999.0, "watchdog"), (1e6, "venue's switch")])
def test_who_cancels_when_nobody_else_does(volume: float, whose: str) -> None:
    limit = answers.RateLimit(100, 10_000, volume)

    assert whose in judged(WELL, structs.replace(OWNED, limit=limit))["dead man"].text


def test_nobody_cancels_beside_foreign_orders_without_a_watchdog() -> None:
    """However much was traded, the venue's switch would take the foreign orders too."""
    rich = structs.replace(OWNED, limit=answers.RateLimit(0, 10**7, 9e6), orders=[order(None)])

    found = judged(WELL, rich, ["daemon.watchdog_s=none"])["dead man"]

    assert (found.level, found.remedy[:22]) == ("warn", "set daemon.watchdog_s:")


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

    paper = {f.check: f for f in await examine([], {}, [*settings, "venue.network=paper"])}

    assert "MM_VENUE__PRIVATE_KEY" in without["key"].remedy
    for found in (unreachable, paper):
        assert found["venue"].level == "fail"
        assert "cannot be reached" in found["venue"].text
        assert "check" in found["venue"].remedy


async def test_the_account_at_a_real_exchange(tmp_path: Path) -> None:
    """An API wallet, a foreign order, a position; then the wallet's own address as the account."""
    async with stand() as at:
        at.exchange.register_agent(ME.address, WALLET.address)
        at.place(ME.address, Side.BID, "90000", "0.01", "0xbeef" + "0" * 28)
        spec = OrderSpec(0, Side.BID, Decimal(100_010), Decimal("0.01"), Tif.IOC)
        at.act(ME.address, PlaceOrders((spec,)))
        key = {"MM_VENUE__PRIVATE_KEY": "c3" * 32}
        settings = [
            f"daemon.data_dir={tmp_path}",
            "web.port=0",
            "venue.network=local",
            f"venue.base_url={at.server.url}",
        ]
        named = [*settings, f"venue.account_address={ME.address}"]
        async with asyncio.timeout(10):
            while not at.exchange.fills(ME.address):  # noqa: ASYNC110 - its clock runs by itself
                await asyncio.sleep(0.05)

        found = {f.check: f for f in await examine([], key, named)}
        unnamed = {f.check: f for f in await examine([], key, settings)}
        on_paper = {f.check: f for f in await examine([], {}, [*settings, "venue.network=paper"])}

    assert {check for check, f in found.items() if f.level == "fail"} == set()
    assert found["key"].text == f"API wallet {WALLET.address.lower()}"
    assert (found["orders"].level, found["orders"].text) == ("warn", "0 of ours rest, 1 foreign")
    assert (found["positions"].level, found["positions"].text) == ("warn", "0.01 BTC")
    assert found["fees"].text == "maker 1.5 bps, taker 4.5 bps (base tier)"
    assert found["dead man"].text.startswith("watchdog process after 10 s")
    assert "is an API wallet" in unnamed["venue"].text
    assert unnamed["venue"].remedy.startswith("set venue.account_address to its master")
    assert on_paper["venue"].level == "ok"


async def test_a_sub_account_at_a_real_exchange(tmp_path: Path) -> None:
    """Its owner's API wallet, with a term; then half of what must be set, the other half, none."""
    async with stand() as at:
        exchange = at.exchange
        now_ms = at.clock.now() // 1_000_000
        exchange.register_agent(ME.address, WALLET.address, "mm", now_ms + 30 * DAY_MS)
        at.act(ME.address, CreateSubAccount("desk"))
        async with asyncio.timeout(10):
            while not exchange.sub_accounts(ME.address):  # noqa: ASYNC110 - its clock runs by itself
                await asyncio.sleep(0.05)
        sub = exchange.sub_accounts(ME.address)[0].address
        exchange.deposit(sub, Decimal(5_000))
        key = {"MM_VENUE__PRIVATE_KEY": "c3" * 32}
        place = [f"daemon.data_dir={tmp_path}", "web.port=0", "venue.network=local"]
        place.append(f"venue.base_url={at.server.url}")
        account, vault = f"venue.account_address={sub}", f"venue.vault={sub}"

        async def found(*sets: str) -> dict[str, Finding]:
            return {f.check: f for f in await examine([], key, [*place, *sets])}

        both, half, other, none = (
            await found(account, vault),
            await found(account),
            await found(vault),
            await found(),
        )

    assert {f.level for f in both.values()} == {"ok"}
    assert both["account"].text.startswith(f"{sub}, sub-account of {ME.address}")
    assert both["key"].text == "API wallet mm, valid for 30 days"
    assert both["balance"].text == "equity 5000.00 USD"
    assert half["venue"].remedy == f"it is a sub-account: set venue.vault to {sub} too"
    assert other["venue"].remedy.startswith("set venue.account_address to the same sub-account")
    assert none["venue"].remedy == f"set venue.account_address to its master {ME.address}"


async def test_a_directory_held_by_someone_unannounced_is_a_fault(tmp_path: Path) -> None:
    held = DataDir.open(tmp_path)
    found = {f.check: f for f in await examine([], {}, [f"daemon.data_dir={tmp_path}"])}
    held.close()

    assert found["data dir"].level == "fail"
    assert "another daemon" in found["data dir"].text
