"""Every refusal of the protocol page (3.3) is understood: its reason, and the remedy for that."""

import re
from pathlib import Path

import pytest

from mm.adapters.hyperliquid import rejects
from mm.adapters.hyperliquid.inbox import ends_order
from mm.model.events import RejectCode as Code
from mm.model.events import Remedy
from mm.sim import refusals

PROTOCOL = Path(__file__).parents[4] / "shared" / "hyperliquid-protocol.md"
RETRY, REPRICE, RESIZE, DROP, HALT = Remedy

WORDS = {
    "429 Too Many Requests": (Code.RATE, RETRY),
    "HTTP 429 null": (Code.RATE, RETRY),
    "too many pending post requests id=7": (Code.RATE, RETRY),
    "Too many cumulative requests sent (97460 > 97456) for cumulative volume traded $87457.46.":
        (Code.BUDGET, RETRY),
    "Invalid nonce: duplicate nonce 17": (Code.NONCE, RETRY),
    "Invalid nonce: nonce too low 3 < 4": (Code.NONCE, RETRY),
    "Only post-only orders allowed immediately after network upgrade": (Code.UPGRADE, RETRY),
    "Order would increase open interest while open interest is capped": (Code.OPEN_INTEREST, RETRY),
    "Order would increase open interest too quickly": (Code.OPEN_INTEREST, RETRY),
    "Post only order would have immediately matched, bbo was 1800.1@1800.2.":
        (Code.POST_ONLY, REPRICE),
    "Price must be divisible by tick size. asset=4": (Code.TICK, REPRICE),
    "Order has invalid price.": (Code.TICK, REPRICE),
    "Order price too far from oracle": (Code.ORACLE, REPRICE),
    "Order price cannot be more than 80% away from the reference price": (Code.ORACLE, REPRICE),
    "Order price cannot be more than 95% away from the reference price": (Code.ORACLE, REPRICE),
    "Order rejected due to price more aggressive than oracle while at open interest cap":
        (Code.ORACLE, REPRICE),
    "Insufficient margin to place order. asset=4": (Code.MARGIN, RESIZE),
    "Order would cause position to exceed margin tier limit at current leverage":
        (Code.MARGIN, RESIZE),
    "Order has zero size.": (Code.SIZE, RESIZE),
    "Order has invalid size.": (Code.SIZE, RESIZE),
    "Order must have minimum value of $10. asset=4": (Code.MIN_NOTIONAL, RESIZE),
    "Order was never placed, already canceled, or filled. asset=4": (Code.NOT_OPEN, DROP),
    "Cannot modify canceled or filled order": (Code.NOT_OPEN, DROP),
    "Action already expired": (Code.EXPIRED, DROP),
    "Order could not immediately match against any resting orders. asset=4": (Code.NO_MATCH, DROP),
    "No liquidity available for market order.": (Code.NO_MATCH, DROP),
    "Reduce only order would increase position. asset=4": (Code.REDUCE_ONLY, DROP),
    "Invalid TP/SL price.": (Code.TRIGGER, DROP),
    "Scheduled cancel time too early, must be at least 5 seconds from now.": (Code.SETTING, DROP),
    "Cannot set scheduled cancel time until enough volume traded. Required: $1000000. "
    "Traded: $740.58.": (Code.SETTING, DROP),
    "Invalid leverage value": (Code.SETTING, DROP),
    "Cannot switch leverage type with open position.": (Code.SETTING, DROP),
    "Signed action over weight limit of 200.": (Code.MALFORMED, DROP),
    "Orders are empty.": (Code.MALFORMED, DROP),
    "HTTP 422 Failed to deserialize the JSON body into the target type": (Code.MALFORMED, DROP),
    "User or API Wallet 0xab does not exist.": (Code.AUTH, HALT),
    "Unable to recover signer.": (Code.AUTH, HALT),
    "Vault not registered: 0xab": (Code.AUTH, HALT),
    "Must deposit before performing actions. User: 0xab": (Code.DEPOSIT, HALT),
    "Builder fee has not been approved": (Code.BUILDER, HALT),
    "anything new": (Code.OTHER, DROP),
}  # fmt: skip


@pytest.mark.parametrize(("words", "meant"), WORDS.items(), ids=str)
def test_each_is_classified_with_and_without_the_old_prefix(
    words: str, meant: tuple[Code, Remedy]
) -> None:
    code = rejects.classify(words)
    assert (code, code.remedy) == meant
    assert rejects.classify(f"L1 error: {words}") is code


@pytest.mark.parametrize(("words", "meant"), WORDS.items(), ids=str)
def test_a_failed_modify_is_gone_for_the_inner_reason(
    words: str, meant: tuple[Code, Remedy]
) -> None:
    wrapped = f"Error placing new order during modify: {words}"
    assert rejects.classify(wrapped) is rejects.classify(words) is meant[0]
    assert rejects.order_gone(wrapped)
    assert not rejects.order_gone(words)


def test_no_words_hide_behind_those_of_another_reason() -> None:
    """The first prefix that fits is taken: none may begin with an earlier one."""
    assert all(rejects.classify(words) is row.code for row in rejects.TABLE for words in row.words)
    told = {row.code for row in rejects.TABLE}
    assert set(Code) - told == {Code.UNSENT, Code.OTHER}, "the only ones that are not its words"


def test_the_manual_has_the_table() -> None:
    rows = [
        f"| {row.code.remedy} | {row.code} | {'; '.join(f'`{words}`' for words in row.words)} |"
        for row in rejects.TABLE
    ]
    manual = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    assert "\n".join(rows) in manual


def quoted(page: str) -> list[str]:
    """What the page quotes of the venue in section 3.3: error strings of items and of actions."""
    section = page.split("### 3.3 Answers")[1].split("## 4.")[0]
    items = re.findall(r"^\| `([^|]*)` \|", section, re.MULTILINE)
    actions = section.split("Top-level")[1]
    texts = [text for cell in items for text in re.split(r"`, `|` / `|`; `", cell)]
    texts += [" ".join(text.split()) for text in re.findall(r"`([^`]+)`", actions)]
    return [text for text in texts if re.match(r"[A-Z]\w+ .*\w", text) and "asset=" not in text]


def test_the_protocol_page_quotes_nothing_that_we_do_not_know() -> None:
    if not PROTOCOL.exists():
        pytest.skip("the protocol page is not in ../shared")
    texts = quoted(PROTOCOL.read_text())
    assert len(texts) > 30

    inner = [text.removesuffix(" <reason>") for text in texts]
    unknown = [text for text in inner if rejects.classify(text) is Code.OTHER]
    assert unknown == ["Error placing new order during modify:", "L1 error:"], "reasons follow"


def test_the_local_exchange_says_nothing_that_we_do_not_know() -> None:
    said = [one.message for one in vars(refusals).values() if isinstance(one, refusals.Refusal)]
    said += [refusals.unknown_user("0x"), refusals.no_deposit("0x"), refusals.unknown_vault("0x")]
    said += [refusals.duplicate_nonce(1), refusals.low_nonce(1, 2), refusals.high_nonce(2, 1)]
    said += [refusals.budget(1, 1, 1.0), refusals.post_only("1", "2").message]
    said += [refusals.schedule_volume(1, 1.0), refusals.EXPIRED, refusals.OVER_WEIGHT]
    said += [refusals.EMPTY, refusals.TOO_EARLY, refusals.LEVERAGE, refusals.LEVERAGE_TYPE]
    assert not [text for text in said if rejects.classify(text) is Code.OTHER]


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


@pytest.mark.parametrize("status", [one for one in STATUSES.split() if one.endswith("Rejected")])
def test_each_status_of_refusal_has_a_reason(status: str) -> None:
    assert rejects.classify_status(status) is not Code.OTHER


def test_statuses_of_refusal_have_codes() -> None:
    assert rejects.classify_status("badAloPxRejected") is Code.POST_ONLY
    assert rejects.classify_status("perpMarginRejected") is Code.MARGIN
    assert rejects.classify_status("neverHeardOfRejected") is Code.OTHER


@pytest.mark.parametrize(
    ("words", "nonce"),
    [
        ("Invalid nonce: nonce too low 1700000000000 < 1700000000123", 1_700_000_000_123),
        ("L1 error: Invalid nonce: nonce too low 5 < 7", 7),
        ("Invalid nonce: duplicate nonce 1700000000000", None),
        ("Invalid nonce: nonce too low 5 < " + "9" * 40, None),
        ("Action already expired", None),
    ],
)
def test_a_nonce_too_low_names_the_one_to_be_above(words: str, nonce: int | None) -> None:
    assert rejects.lowest_nonce(words) == nonce
