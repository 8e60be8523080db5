"""Signers, nonces, expiry, weight and the address's budget: refusals of whole actions."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.model.custody import AddAgent, Noop, ScheduleCancel, Standing, UpdateLeverage
from mm.model.exchange import (
    Answer,
    CancelOrders,
    ModifyOrders,
    OrderRef,
    PlaceOrders,
    Resting,
    Signed,
    Tif,
)
from mm.model.units import Side
from mm.sim.admission import DAY_MS, KEPT_NONCES, Nonces
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scripted import Session, calm_market, order

T0 = 1_700_000_000_000
A, B, AGENT = "0x" + "a" * 40, "0x" + "b" * 40, "0x" + "e" * 40
QUOTE = order(Side.BID, "99000", "0.01")


def opened(options: ExchangeOptions | None = None) -> Session:
    session = Session(Exchange([calm_market(T0)], T0, options), T0)
    session.run(T0)
    return session


# -- who ----------------------------------------------------------------------------------------


def test_the_faucet_serves_who_acts_and_who_is_asked_about_once() -> None:
    session = opened()
    assert session.ask(A, Noop()).error is None
    exchange = session.exchange
    assert [exchange.account(user, T0).cash for user in (A, A, "0xb")] == [Decimal(100_000)] * 3


def test_without_a_faucet_strangers_are_unknown() -> None:
    session = opened(ExchangeOptions(faucet=False))
    assert session.ask(A, Noop()).error == f"User or API Wallet {A} does not exist."
    assert session.exchange.account(A, T0).equity == 0


def test_without_money_nobody_acts() -> None:
    exchange = Exchange([calm_market(T0)], T0, ExchangeOptions(faucet=False))
    session = Session(exchange, T0)
    exchange.register_agent(A, AGENT)
    error = f"Must deposit before performing actions. User: {A}"
    assert session.ask(AGENT, Noop()).error == error

    exchange.deposit(A, Decimal(500))
    assert session.ask(AGENT, Noop()).error is None
    assert exchange.account(A, T0).cash == 500


def test_an_agent_acts_for_its_master_and_owns_nothing() -> None:
    exchange = Exchange([calm_market(T0)], T0)
    exchange.register_agent(A.upper().replace("X", "x"), AGENT)
    session = Session(exchange, T0)
    session.run(T0)

    assert isinstance(session.place(AGENT, QUOTE), Resting)

    assert exchange.standing(AGENT) == Standing("agent", A)
    assert exchange.standing(A) == Standing("user")
    assert len(exchange.open_orders(A)) == 1
    assert not exchange.open_orders(AGENT)
    assert exchange.account(AGENT, T0).cash == 0


def test_an_agent_of_one_account_cannot_become_anothers() -> None:
    session = opened()
    taken = "Extra agent already used."
    assert session.ask(A, AddAgent(AGENT, "")).error is None
    assert session.ask(A, AddAgent(AGENT, "")).error is None
    assert session.ask(B, AddAgent(AGENT, "")).error == taken
    assert session.ask(B, AddAgent(A, "")).error == taken
    assert "does not exist" in str(session.ask(AGENT, AddAgent("0x" + "9" * 40, "x")).error)


def test_vaults_do_not_exist() -> None:
    session = opened()
    answer = session.send(Signed(A, session.nonce(), Noop(), vault="0xabc"))
    assert answer.error == "Vault not registered: 0xabc"


# -- nonces -------------------------------------------------------------------------------------


def test_a_nonce_is_used_once_even_by_a_refused_order() -> None:
    session = opened()
    bad = PlaceOrders((order(Side.BID, "99000", "0"),))
    assert session.send(Signed(A, T0 + 5, bad)).error is None
    again = session.send(Signed(A, T0 + 5, Noop()))
    assert again.error == f"Invalid nonce: duplicate nonce {T0 + 5}"


def test_a_session_says_why_an_action_was_refused() -> None:
    session = opened(ExchangeOptions(faucet=False))
    with pytest.raises(ValueError, match="does not exist"):
        session.place(A, QUOTE)


def test_a_noop_kills_the_order_with_its_nonce() -> None:
    session = opened()
    assert session.send(Signed(A, T0 + 5, Noop())).error is None
    late = session.send(Signed(A, T0 + 5, PlaceOrders((QUOTE,))))
    assert late.error is not None
    assert not session.exchange.open_orders(A)


def test_the_window_keeps_the_100_highest() -> None:
    nonces = Nonces()
    assert nonces.use(T0 - 1, T0) is None
    for i in range(KEPT_NONCES - 1):
        assert nonces.use(T0 + 10 + i, T0) is None
    assert nonces.use(T0, T0) is None  # out of order, above the smallest
    assert nonces.use(T0 - 1, T0) == f"Invalid nonce: nonce too low {T0 - 1} < {T0}"
    assert nonces.use(T0, T0) == f"Invalid nonce: duplicate nonce {T0}"


def test_the_window_in_time() -> None:
    nonces = Nonces()
    assert nonces.use(T0 - 2 * DAY_MS, T0) is not None
    assert nonces.use(T0 - 2 * DAY_MS + 1, T0) is None
    assert nonces.use(T0 + DAY_MS, T0) is not None
    assert nonces.use(T0 + DAY_MS - 1, T0) is None


@given(st.lists(st.integers(0, 300), max_size=250))
def test_no_nonce_is_ever_accepted_twice(offsets: list[int]) -> None:
    nonces = Nonces()
    accepted = [offset for offset in offsets if nonces.use(T0 + offset, T0) is None]
    assert len(accepted) == len(set(accepted))


def test_signers_have_separate_windows() -> None:
    exchange = Exchange([calm_market(T0)], T0)
    exchange.register_agent(A, AGENT)
    session = Session(exchange, T0)
    assert session.send(Signed(A, T0 + 5, Noop())).error is None
    assert session.send(Signed(AGENT, T0 + 5, Noop())).error is None


# -- expiry, weight -----------------------------------------------------------------------------


def test_expired_actions_do_nothing_and_count_five_times() -> None:
    session = opened()
    quotes = PlaceOrders((QUOTE, QUOTE))
    stale = Signed(A, session.nonce(), quotes, expires_after_ms=session.now_ms)
    assert session.send(stale).error == "Action already expired"
    assert session.exchange.rate_limit(A).used == 10
    fresh = Signed(A, session.nonce(), quotes, expires_after_ms=session.now_ms + 70)
    assert session.send(fresh).error is None


def test_weight_and_emptiness() -> None:
    session = opened()
    heavy = CancelOrders((OrderRef(0, oid=1),) * 201)
    assert session.ask(A, heavy).error == "Signed action over weight limit of 200."
    assert session.ask(A, CancelOrders(heavy.refs[:200])).error is None
    for empty in (PlaceOrders(()), CancelOrders(()), ModifyOrders(())):
        assert session.ask(A, empty).error == "Orders are empty."


# -- the budget ---------------------------------------------------------------------------------


def exhaust(session: Session, user: str = A) -> None:
    refused = PlaceOrders((order(Side.BID, "99000", "0"),) * 200)
    for _ in range(50):
        assert session.ask(user, refused).error is None


def test_an_exhausted_budget_lets_one_action_through_in_ten_seconds() -> None:
    session = opened()
    session.place(A, order(Side.BID, "100010", "0.001", Tif.IOC))  # 100.01 USD buy 100 requests
    session.exchange.rate_limit(A)
    exhaust(session)
    limit = session.exchange.rate_limit(A)
    assert (limit.used, limit.cap) == (10_001, 10_100)
    assert limit.cumulative_volume == Decimal("100.01")

    big = PlaceOrders((QUOTE,) * 100)
    session.run(session.now_ms + 10_000)
    assert session.ask(A, big).error is None  # the spare action
    refused = session.ask(A, PlaceOrders((QUOTE,)))
    assert refused.error == (
        "Too many cumulative requests sent (10102 > 10100) for cumulative volume traded "
        "$100.01. Place taker orders to free up 1 request per USDC traded."
    )
    session.run(session.now_ms + 9_800)
    assert session.ask(A, PlaceOrders((QUOTE,))).error is not None  # refusals extend nothing
    session.run(session.now_ms + 140)
    assert session.ask(A, PlaceOrders((QUOTE,))).error is None


def test_cancels_have_room_of_their_own() -> None:
    session = opened()
    exhaust(session)
    session.run(session.now_ms + 20_000)
    assert session.ask(A, Noop()).error is None
    assert session.ask(A, Noop()).error is not None
    assert session.ask(A, CancelOrders((OrderRef(0, oid=1),))).error is None


def test_the_budget_can_be_switched_off() -> None:
    session = opened(ExchangeOptions(enforce_budget=False))
    exhaust(session)
    assert all(session.ask(A, Noop()).error is None for _ in range(3))


# -- dead-man switch and leverage ---------------------------------------------------------------


def test_scheduled_cancel_needs_volume() -> None:
    session = opened()
    for time_ms in (T0 + 60_000, None):
        assert session.ask(A, ScheduleCancel(time_ms)).error == (
            "Cannot set scheduled cancel time until enough volume traded. "
            "Required: $1000000. Traded: $0.00."
        )


def test_scheduled_cancel_at_its_time() -> None:
    session = opened(ExchangeOptions(schedule_cancel_volume=None))
    session.place(A, QUOTE)
    early = ScheduleCancel(session.now_ms + 5_000)
    assert session.ask(A, early).error == (
        "Scheduled cancel time too early, must be at least 5 seconds from now."
    )
    due_ms = session.now_ms + 6_000
    answer = session.ask(A, ScheduleCancel(due_ms))
    assert answer == Answer(answer.ticket)
    assert session.exchange.next_ms() == due_ms
    session.run(due_ms - 1)
    assert len(session.exchange.open_orders(A)) == 1
    session.run(due_ms)
    (last,) = session.exchange.historical_orders(A)
    assert (str(last[1]), last[2]) == ("scheduledCancel", due_ms)


def test_scheduled_cancel_is_pushed_back_and_cleared_per_user() -> None:
    session = opened(ExchangeOptions(schedule_cancel_volume=None))
    start = session.now_ms
    for user in (A, "0xb"):
        session.place(user, QUOTE)
        session.ask(user, ScheduleCancel(start + 10_000))
    session.ask(A, ScheduleCancel(start + 20_000))
    session.run(start + 10_000)
    assert (len(session.exchange.open_orders(A)), session.exchange.open_orders("0xb")) == (1, [])
    session.ask(A, ScheduleCancel(None))
    session.run(start + 60_000)
    assert len(session.exchange.open_orders(A)) == 1


@pytest.mark.parametrize("leverage", [0, 41])
def test_leverage_has_bounds(leverage: int) -> None:
    session = opened()
    assert session.ask(A, UpdateLeverage(0, True, leverage)).error == "Invalid leverage value"
    assert session.ask(A, UpdateLeverage(9, True, 5)).error == "Invalid leverage value"


def test_leverage_type_is_fixed_while_a_position_is_open() -> None:
    session = opened()
    assert session.ask(A, UpdateLeverage(0, False, 5)).error is None
    session.place(A, order(Side.BID, "100010", "0.01", Tif.IOC))
    (row,) = session.exchange.account(A, 0).positions
    assert (row.leverage, row.is_cross, row.max_leverage) == (5, False, 40)
    answer = session.ask(A, UpdateLeverage(0, True, 5))
    assert answer.error == "Cannot switch leverage type with open position."
    assert session.ask(A, UpdateLeverage(0, False, 40)).error is None
