"""The venue's own words when it refuses, and the order status that goes with them."""

from msgspec import Struct

from mm.model.exchange import Refused
from mm.sim.orders import Status


class Refusal(Struct, frozen=True):
    """`status` None: the order never got as far as having an id."""

    message: str
    status: Status | None = None

    def at(self, asset: int) -> Refused:
        return Refused(f"{self.message} asset={asset}")


ZERO_SIZE = Refusal("Order has zero size.")
INVALID_SIZE = Refusal("Order has invalid size.")
INVALID_PRICE = Refusal("Order has invalid price.")
UNKNOWN_ASSET = Refusal("Order has invalid asset.")  # wording unverified
SPOT = Refusal("Spot is not supported by this exchange.")
DUPLICATE_CLOID = Refusal("Order with this cloid is already open.")  # wording unverified
TICK = Refusal("Price must be divisible by tick size.", Status.TICK_REJECTED)
MIN_NOTIONAL = Refusal("Order must have minimum value of $10.", Status.MIN_NOTIONAL_REJECTED)
TIER = Refusal(
    "Order would cause position to exceed margin tier limit at current leverage",
    Status.MAX_POSITION_REJECTED,
)
MARGIN = Refusal("Insufficient margin to place order.", Status.MARGIN_REJECTED)
REDUCE_ONLY = Refusal("Reduce only order would increase position.", Status.REDUCE_ONLY_REJECTED)
IOC = Refusal("Order could not immediately match against any resting orders.", Status.IOC_REJECTED)
ORACLE = Refusal(
    "Order price cannot be more than 80% away from the reference price", Status.ORACLE_REJECTED
)
TOO_MANY = Refusal("Too many open orders.", Status.TOO_MANY_REJECTED)  # wording unverified
NOT_OPEN = Refusal("Order was never placed, already canceled, or filled.")
NOT_MODIFIABLE = Refusal("Cannot modify canceled or filled order")

EXPIRED = "Action already expired"
OVER_WEIGHT = "Signed action over weight limit of 200."
EMPTY = "Orders are empty."
AGENT_TAKEN = "Extra agent already used."  # wording unverified, and of the next seven
AGENT_LIFE = "Invalid valid_until of agent name."
TOO_MANY_AGENTS = "Too many extra agents."
SUB_ACCOUNT_NAME = "Sub-account name already used."
TOO_MANY_SUB_ACCOUNTS = "Too many sub-accounts."
NO_FUNDS = "Insufficient balance."
NO_ISOLATED = "No isolated position to adjust the margin of."
TOO_MANY_TRIGGERS = "Too many scheduled cancels triggered today."  # wording unverified
TOO_EARLY = "Scheduled cancel time too early, must be at least 5 seconds from now."
LEVERAGE = "Invalid leverage value"
LEVERAGE_TYPE = "Cannot switch leverage type with open position."


def post_only(bid: str, ask: str) -> Refusal:
    return Refusal(
        f"Post only order would have immediately matched, bbo was {bid}@{ask}.",
        Status.ALO_REJECTED,
    )


def in_modify(cause: Refusal) -> Refusal:
    return Refusal(f"Error placing new order during modify: {cause.message}", cause.status)


def unknown_user(user: str) -> str:
    return f"User or API Wallet {user} does not exist."


def no_deposit(user: str) -> str:
    return f"Must deposit before performing actions. User: {user}"


def unknown_vault(vault: str) -> str:
    return f"Vault not registered: {vault}"


def duplicate_nonce(nonce: int) -> str:
    return f"Invalid nonce: duplicate nonce {nonce}"


def low_nonce(nonce: int, lowest: int) -> str:
    return f"Invalid nonce: nonce too low {nonce} < {lowest}"


def high_nonce(nonce: int, highest: int) -> str:
    return f"Invalid nonce: nonce too high {nonce} > {highest}"  # wording unverified


def budget(used: int, cap: int, volume_usd: float) -> str:
    return (
        f"Too many cumulative requests sent ({used} > {cap}) for cumulative volume traded "
        f"${volume_usd:.2f}. Place taker orders to free up 1 request per USDC traded."
    )


def schedule_volume(required_usd: int, volume_usd: float) -> str:
    return (
        f"Cannot set scheduled cancel time until enough volume traded. Required: ${required_usd}. "
        f"Traded: ${volume_usd:.2f}."
    )
