"""Why a request of ours was refused, and the one remedy for each reason."""

from enum import StrEnum


class Remedy(StrEnum):
    """What the daemon does about a refusal; `core/recourse.py` and the venue port carry it out."""

    RETRY = "retry_later"  # nothing wrong with what was asked: wait, ever longer, then ask anew
    REPRICE = "reprice"  # ask that side again only of a newer book
    RESIZE = "resize"  # ask for less, or by the venue's rules as they are now
    DROP = "drop"  # give this order up: the next cycle decides as if it had never been
    HALT = "halt"  # no retry can help: somebody has to look


class RejectCode(StrEnum):
    """Why a request was refused, and the one remedy for that."""

    remedy: Remedy

    def __new__(cls, reason: str, remedy: Remedy) -> "RejectCode":
        code = str.__new__(cls, reason)
        code._value_, code.remedy = reason, remedy
        return code

    RATE = "rate", Remedy.RETRY  # HTTP 429 and the like
    BUDGET = "budget", Remedy.RETRY  # address action budget spent: rationed until it is not
    NONCE = "nonce", Remedy.RETRY
    UPGRADE = "upgrade", Remedy.RETRY  # post-only orders alone, for a while
    OPEN_INTEREST = "open_interest", Remedy.RETRY
    POST_ONLY = "post_only", Remedy.REPRICE  # would have matched
    TICK = "tick", Remedy.REPRICE  # not the venue's tick (any more)
    ORACLE = "oracle", Remedy.REPRICE  # price too far from the reference
    MARGIN = "margin", Remedy.RESIZE
    SIZE = "size", Remedy.RESIZE  # not the venue's lot (any more)
    MIN_NOTIONAL = "min_notional", Remedy.RESIZE
    NOT_OPEN = "not_open", Remedy.DROP  # target of a modify or cancel rests no more
    EXPIRED = "expired", Remedy.DROP  # too long on its way
    NO_MATCH = "no_match", Remedy.DROP  # immediate-or-cancel, and nothing there to take
    UNSENT = "unsent", Remedy.DROP  # not the venue's word: it never left
    REDUCE_ONLY = "reduce_only", Remedy.DROP
    TOO_MANY_OPEN = "too_many_open", Remedy.DROP
    TRIGGER = "trigger", Remedy.DROP  # take-profit and stop-loss, which we never send
    SETTING = "setting", Remedy.DROP  # leverage, dead-man switch: not an order
    MALFORMED = "malformed", Remedy.DROP  # as a whole: empty, too long, an asset that is none
    OTHER = "other", Remedy.DROP  # words that we do not know
    AUTH = "auth", Remedy.HALT  # unknown signer, wrong key, unknown vault
    DEPOSIT = "deposit", Remedy.HALT  # the account was never funded
    BUILDER = "builder", Remedy.HALT  # a fee that only the master key can approve
