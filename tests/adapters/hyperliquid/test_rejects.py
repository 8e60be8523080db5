"""Every refusal of the protocol page (3.3) is understood."""

import pytest

from mm.adapters.hyperliquid import rejects
from mm.adapters.hyperliquid.inbox import ends_order
from mm.model.events import RejectCode as Code

WORDS = {
    "Price must be divisible by tick size. asset=4": Code.TICK,
    "Order must have minimum value of $10. asset=4": Code.MIN_NOTIONAL,
    "Insufficient margin to place order. asset=4": Code.MARGIN,
    "Reduce only order would increase position. asset=4": Code.REDUCE_ONLY,
    "Post only order would have immediately matched, bbo was 1800.1@1800.2.": Code.POST_ONLY,
    "Order could not immediately match against any resting orders. asset=4": Code.OTHER,
    "No liquidity available for market order.": Code.OTHER,
    "Order would increase open interest while open interest is capped": Code.OPEN_INTEREST,
    "Order would increase open interest too quickly": Code.OPEN_INTEREST,
    "Order rejected due to price more aggressive than oracle while at open interest cap":
        Code.OPEN_INTEREST,
    "Order price too far from oracle": Code.ORACLE,
    "Order price cannot be more than 80% away from the reference price": Code.ORACLE,
    "Order price cannot be more than 95% away from the reference price": Code.ORACLE,
    "Order would cause position to exceed margin tier limit at current leverage": Code.MARGIN,
    "Order has zero size.": Code.SIZE,
    "Order has invalid size.": Code.SIZE,
    "Order has invalid price.": Code.TICK,
    "Order was never placed, already canceled, or filled. asset=4": Code.NOT_OPEN,
    "Cannot modify canceled or filled order": Code.NOT_OPEN,
    "Only post-only orders allowed immediately after network upgrade": Code.OTHER,
    "User or API Wallet 0xab does not exist.": Code.AUTH,
    "Must deposit before performing actions. User: 0xab": Code.AUTH,
    "Unable to recover signer.": Code.AUTH,
    "Invalid nonce: duplicate nonce 17": Code.NONCE,
    "Invalid nonce: nonce too low 3 < 4": Code.NONCE,
    "Action already expired": Code.EXPIRED,
    "Too many cumulative requests sent (97460 > 97456) for cumulative volume traded $87457.46.":
        Code.BUDGET,
    "Signed action over weight limit of 200.": Code.RATE,
    "Vault not registered: 0xab": Code.AUTH,
    "429 Too Many Requests": Code.RATE,
    "anything new": Code.OTHER,
}  # fmt: skip


@pytest.mark.parametrize(("words", "code"), WORDS.items(), ids=str)
def test_each_is_classified_with_and_without_the_old_prefix(words: str, code: Code) -> None:
    assert rejects.classify(words) is code
    assert rejects.classify(f"L1 error: {words}") is code


@pytest.mark.parametrize(("words", "code"), WORDS.items(), ids=str)
def test_a_failed_modify_is_gone_for_the_inner_reason(words: str, code: Code) -> None:
    wrapped = f"Error placing new order during modify: {words}"
    assert rejects.classify(wrapped) is code
    assert rejects.order_gone(wrapped)
    assert not rejects.order_gone(words)


STATUSES = (
    "filled canceled rejected marginCanceled vaultWithdrawalCanceled openInterestCapCanceled "
    "selfTradeCanceled reduceOnlyCanceled siblingFilledCanceled delistedCanceled "
    "liquidatedCanceled scheduledCancel outcomeSettledCanceled internalCancel tickRejected "
    "minTradeNtlRejected perpMarginRejected reduceOnlyRejected badAloPxRejected iocCancelRejected "
    "badTriggerPxRejected marketOrderNoLiquidityRejected oracleRejected perpMaxPositionRejected "
    "positionIncreaseAtOpenInterestCapRejected positionFlipAtOpenInterestCapRejected "
    "tooAggressiveAtOpenInterestCapRejected openInterestIncreaseRejected tooManyOpenOrdersRejected "
    "insufficientSpotBalanceRejected"
)


@pytest.mark.parametrize("status", STATUSES.split())
def test_each_terminal_status_ends_an_order(status: str) -> None:
    assert ends_order(status)


@pytest.mark.parametrize("status", ["open", "triggered", "somethingNew"])
def test_no_other_status_ends_an_order(status: str) -> None:
    assert not ends_order(status)


def test_statuses_of_refusal_have_codes() -> None:
    assert rejects.classify_status("badAloPxRejected") is Code.POST_ONLY
    assert rejects.classify_status("perpMarginRejected") is Code.MARGIN
    assert rejects.classify_status("neverHeardOfRejected") is Code.OTHER
