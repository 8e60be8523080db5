"""API wallets with names and terms, sub-accounts, vaults, and the money that moves to them."""

from decimal import Decimal

import pytest

from mm.model.custody import (
    AccountRequest,
    AddAgent,
    AdjustMargin,
    CreateSubAccount,
    MoveFunds,
    NamedAgent,
    Noop,
    ReserveRequests,
    ScheduleCancel,
    Standing,
    UpdateLeverage,
)
from mm.model.exchange import Answer, Filled, PlaceOrders, Request, Resting, Signed, Tif
from mm.model.units import Side
from mm.sim.authority import DAY_MS, NOBODY
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scripted import Session, calm_market, order

T0 = 1_700_000_000_000
A, B = "0x" + "a" * 40, "0x" + "b" * 40
KEYS = ["0x" + f"{digit}" * 40 for digit in range(1, 8)]
USD = 10**6


class Bench(Session):
    exchange: Exchange


def opened(options: ExchangeOptions | None = None) -> Bench:
    session = Bench(Exchange([calm_market(T0)], T0, options), T0)
    session.run(T0)
    return session


def acting(session: Bench, signer: str, account: str, request: Request) -> Answer:
    """`signer` acts for the account, as with `vaultAddress`."""
    return session.send(Signed(signer, session.nonce(), request, vault=account))


def new_sub_account(session: Bench, name: str = "one", usd: int = 5_000) -> str:
    address = session.ask(A, CreateSubAccount(name)).opened
    assert address is not None
    assert session.ask(A, MoveFunds(address, usd * USD)).error is None
    return address


# -- API wallets --------------------------------------------------------------------------------


def test_named_wallets_are_listed_with_the_end_of_their_term() -> None:
    session = opened()
    until = T0 + 10 * DAY_MS
    assert session.ask(A, AddAgent(KEYS[0], "")).error is None
    assert session.ask(A, AddAgent(KEYS[1], f"mm valid_until {until}")).error is None
    assert session.exchange.agents(A) == [NamedAgent("mm", KEYS[1], until)]
    assert session.exchange.standing(KEYS[0]) == Standing("agent", A)


def test_a_wallet_ends_with_its_term_and_is_not_given_money_of_its_own() -> None:
    session = opened()
    session.exchange.register_agent(A, KEYS[0], "mm", T0 + 5_000)
    assert session.ask(KEYS[0], Noop()).error is None
    session.run(T0 + 5_000)
    assert "does not exist" in str(session.ask(KEYS[0], Noop()).error)
    assert session.exchange.standing(KEYS[0]) == Standing("missing")
    assert session.exchange.account(KEYS[0], T0).cash == 0
    assert session.exchange.agents(A) == []


def test_a_replaced_wallet_never_signs_again_for_anybody() -> None:
    session = opened()
    for key in KEYS[:2]:
        assert session.ask(A, AddAgent(key, "mm")).error is None
    assert "does not exist" in str(session.ask(KEYS[0], Noop()).error)
    assert session.ask(A, AddAgent(KEYS[0], "again")).error == "Extra agent already used."
    assert [agent.address for agent in session.exchange.agents(A)] == [KEYS[1]]
    assert session.ask(A, AddAgent(NOBODY, "mm")).error is None
    assert session.exchange.agents(A) == []


def test_three_named_wallets_and_two_more_for_each_sub_account() -> None:
    session = opened()
    answers = [session.ask(A, AddAgent(key, key[-3:])).error for key in KEYS[:4]]
    assert answers == [None, None, None, "Too many extra agents."]
    session.ask(A, CreateSubAccount("one"))
    answers = [session.ask(A, AddAgent(key, key[-3:])).error for key in KEYS[3:6]]
    assert answers == [None, None, "Too many extra agents."]


@pytest.mark.parametrize("days", [-1, 181])
def test_a_term_lies_within_half_a_year(days: int) -> None:
    name = f"mm valid_until {T0 + days * DAY_MS}"
    assert opened().ask(A, AddAgent(KEYS[0], name)).error == "Invalid valid_until of agent name."


# -- sub-accounts and vaults --------------------------------------------------------------------


def test_the_owner_and_its_wallet_trade_for_a_sub_account() -> None:
    session = opened()
    session.exchange.register_agent(A, KEYS[0])
    sub = new_sub_account(session)
    assert session.exchange.standing(sub) == Standing("subAccount", A)
    assert [one.address for one in session.exchange.sub_accounts(A)] == [sub]
    quote = PlaceOrders((order(Side.BID, "99000", "0.01"),))
    for signer in (A, KEYS[0]):
        (item,) = acting(session, signer, sub, quote).items
        assert isinstance(item, Resting)
    assert len(session.exchange.open_orders(sub)) == 2
    assert not session.exchange.open_orders(A)
    assert session.exchange.rate_limit(sub).used == 2


def test_nobody_else_acts_for_it_nor_does_it_act_itself() -> None:
    session = opened()
    sub = new_sub_account(session)
    assert acting(session, B, sub, Noop()).error == f"Vault not registered: {sub}"
    assert "does not exist" in str(session.ask(sub, Noop()).error)
    assert session.ask(B, AddAgent(sub, "")).error == "Extra agent already used."


def test_money_moves_both_ways_and_none_is_made() -> None:
    session = opened()
    sub = new_sub_account(session, usd=5_000)
    assert session.ask(A, MoveFunds(sub, -1_000 * USD)).error is None
    exchange = session.exchange
    assert exchange.account(sub, T0).cash == 4_000
    assert exchange.account(A, T0).cash == 96_000
    assert session.ask(A, MoveFunds(sub, -4_001 * USD)).error == "Insufficient balance."
    assert session.ask(A, MoveFunds(sub, 96_001 * USD)).error == "Insufficient balance."
    assert session.ask(B, MoveFunds(sub, -1)).error == f"Vault not registered: {sub}"
    assert exchange._accounts.imbalance() == 0


def test_money_that_margin_needs_stays() -> None:
    session = opened()
    sub = new_sub_account(session, usd=1_000)
    quote = PlaceOrders((order(Side.BID, "99000", "0.1"),))
    assert acting(session, A, sub, quote).error is None  # 9,900 USD at 20x: 495
    assert session.ask(A, MoveFunds(sub, -506 * USD)).error == "Insufficient balance."
    assert session.ask(A, MoveFunds(sub, -505 * USD)).error is None


def test_an_empty_sub_account_must_be_funded_and_names_are_its_owners_own() -> None:
    session = opened()
    sub = session.ask(A, CreateSubAccount("one")).opened
    assert sub is not None
    assert "Must deposit" in str(acting(session, A, sub, Noop()).error)
    assert session.ask(A, CreateSubAccount("one")).error == "Sub-account name already used."
    assert session.ask(B, CreateSubAccount("one")).opened not in {None, sub}
    for number in range(9):
        session.ask(A, CreateSubAccount(f"{number}"))
    assert session.ask(A, CreateSubAccount("more")).error == "Too many sub-accounts."


def test_a_wallet_disposes_of_nothing() -> None:
    session = opened()
    session.exchange.register_agent(A, KEYS[0])
    sub = new_sub_account(session)
    requests: list[AccountRequest] = [
        MoveFunds(sub, 1),
        CreateSubAccount("two"),
        AddAgent(KEYS[1], ""),
    ]
    for request in requests:
        assert "does not exist" in str(session.ask(KEYS[0], request).error)


def test_a_vault_is_its_leaders() -> None:
    session = opened()
    session.exchange.register_vault(A, B)
    session.exchange.deposit(B, Decimal(1_000))
    assert session.exchange.standing(B) == Standing("vault", A)
    assert acting(session, A, B, Noop()).error is None
    assert session.exchange.sub_accounts(A) == []


# -- margin put aside, requests bought ----------------------------------------------------------


def test_margin_is_put_aside_for_an_isolated_position_only() -> None:
    session = opened(ExchangeOptions(schedule_cancel_volume=None))
    no = "No isolated position to adjust the margin of."
    assert session.ask(A, AdjustMargin(0, USD)).error == no
    session.ask(A, UpdateLeverage(0, is_cross=False, leverage=10))
    taken = session.place(A, order(Side.BID, "101000", "0.1", tif=Tif.IOC))
    assert isinstance(taken, Filled)
    before = session.exchange.account(A, T0)
    assert session.ask(A, AdjustMargin(0, 100 * USD)).error is None
    after = session.exchange.account(A, T0)
    assert after.margin_used - before.margin_used == 100
    assert before.withdrawable - after.withdrawable == 100
    assert after.equity == before.equity
    assert session.ask(A, AdjustMargin(0, -101 * USD)).error == "Insufficient balance."
    session.place(A, order(Side.ASK, "99000", "0.1", tif=Tif.IOC))
    assert session.exchange.account(A, T0).margin_used == 0
    assert session.ask(A, ScheduleCancel(None)).error is None


def test_reserved_requests_are_paid_for_and_used_first() -> None:
    session = opened()
    session.ask(A, ReserveRequests(100))
    limit = session.exchange.rate_limit(A)
    assert (limit.used, limit.surplus, limit.cap) == (0, 99, 10_000)
    assert session.exchange.account(A, T0).cash == Decimal("99999.95")
    assert session.exchange._accounts.imbalance() == 0
    assert session.ask(A, ReserveRequests(10**12)).error == "Insufficient balance."


def test_the_dead_mans_switch_cancels_ten_times_a_day() -> None:
    session = opened(ExchangeOptions(schedule_cancel_volume=None))
    for _ in range(10):
        assert session.ask(A, ScheduleCancel(session.now_ms + 6_000)).error is None
        session.run(session.now_ms + 7_000)
    refused = session.ask(A, ScheduleCancel(session.now_ms + 6_000)).error
    assert refused == "Too many scheduled cancels triggered today."
    assert session.ask(A, ScheduleCancel(None)).error is None
    session.run(session.now_ms + DAY_MS)
    assert session.ask(A, ScheduleCancel(session.now_ms + 6_000)).error is None
