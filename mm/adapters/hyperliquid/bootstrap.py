"""First questions to the venue: the instrument, the account, its rights, clocks and budgets."""

import asyncio
import difflib
import math
from collections.abc import Awaitable, Callable

from msgspec import Struct, structs

from mm.adapters.hyperliquid import answers
from mm.adapters.hyperliquid.desks import dex_of
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.settings import Bootstrap, VenueError
from mm.model.actions import Severity
from mm.model.instrument import Instrument
from mm.model.units import NS_PER_MS

PERP_DECIMALS = 6
"""A perp's price has at most 6 - szDecimals decimals."""
BUILDER_ASSETS, BUILDER_STEP = 100_000, 10_000
BUILDER_FEES = 2.0
STATE_WEIGHT = 2
SKEW_NOTED_MS = 2000
SKEW_TRIES, SKEW_QUICK_MS = 5, 400
PAUSES_S = (0.5, 1.0, 2.0, 4.0, *[8.0] * 10)
"""The venue's weight limit is one of any minute: a start that met it must outlast that minute, and
go on as soon as some of it comes free."""
POOLED_MODES = ("unifiedAccount", "portfolioMargin")


async def bootstrap(seat: Seat, rest: Rest, health: Health) -> dict[str, Bootstrap]:
    """By coin. Sets the seat's assets and clock skew. VenueError says in one line what to change.

    A venue that is only busy is asked again for a minute and a half, noted each time. After 429
    that is the one question: to begin anew would spend again what has just come free.
    """
    pauses_s = iter(PAUSES_S)

    async def again(error: RestError) -> bool:
        pause_s = next(pauses_s, None) if error.busy else None
        if pause_s is None:
            return False
        text = "the venue is busy: it will be asked again"
        health.note(Severity.WARNING, "link", text, answer=str(error), pause_s=pause_s)
        await asyncio.sleep(pause_s)
        return True

    rest.ask_again = again
    try:
        while True:
            try:
                return await _bootstrap(seat, rest)
            except RestError as error:
                if not await again(error):
                    raise _unusable(error) from None
    finally:
        rest.ask_again = None


def _unusable(error: RestError) -> VenueError:
    if error.busy:
        waited = f"and so it was for {sum(PAUSES_S):.0f} s"
        return VenueError(f"the venue is too busy to start with ({error}), {waited}: try later")
    hint = "check venue.network and venue.base_url, and that the venue is up"
    return VenueError(f"{error}; {hint}")


async def _bootstrap(seat: Seat, rest: Rest) -> dict[str, Bootstrap]:
    network = seat.settings.network
    listings = {dex: await listing_of(dex, network, rest) for dex in _dexes(seat)}
    instruments = {coin: listings[dex_of(coin)].instrument(coin) for coin in seat.settings.coins}
    seat.skew_ms = await _skew_ms(seat, rest)
    states = {dex: await rest.clearinghouse(seat.account, dex) for dex in listings}
    await _check_rights(seat, rest)
    fees = await rest.fees(seat.account)
    limit = await rest.rate_limit(seat.account)
    mode = await _account_mode(seat, rest)
    venue_ms = next(iter(states.values())).time or seat.venue_ms()
    seat.assets = {coin: instrument.asset for coin, instrument in instruments.items()}
    found = {}
    for coin, instrument in instruments.items():
        dex = dex_of(coin)
        found[coin] = Bootstrap(
            instrument=await _with_own_leverage(instrument, seat, rest),
            account=seat.account,
            maker_bps=fee_on(dex, fees.maker_bps),
            taker_bps=fee_on(dex, fees.taker_bps),
            position=states[dex].position(coin),
            equity=states[dex].equity,
            venue_ms=venue_ms,
            skew_ms=seat.skew_ms,
            actions_used=limit.n_requests_used,
            actions_cap=limit.n_requests_cap,
            account_mode=mode,
        )
    return found


async def _skew_ms(seat: Seat, rest: Rest) -> int:
    def now_ms() -> int:
        return seat.now() // NS_PER_MS

    async def ask() -> int:
        return (await rest.clearinghouse(seat.account)).time or now_ms()

    await rest.room(STATE_WEIGHT * SKEW_TRIES)  # no wait is to be taken for a clock's skew
    return await clock_skew(ask, now_ms)


async def clock_skew(ask: Callable[[], Awaitable[int]], now_ms: Callable[[], int]) -> int:
    """Venue's clock minus ours, ms, by the quickest of a few answers: any may be held up.

    The error is at most half of that answer's round trip. An expiry or nonce may err by no more
    than `GRACE_S`.
    """
    skew, least = 0, math.inf
    for _ in range(SKEW_TRIES):
        asked = now_ms()
        told = await ask()
        answered = now_ms()
        if answered - asked < least:
            skew, least = told - (asked + answered) // 2, answered - asked
        if least <= SKEW_QUICK_MS:
            break
    return skew


def _dexes(seat: Seat) -> list[str]:
    return list(dict.fromkeys(dex_of(coin) for coin in seat.settings.coins))


def fee_on(dex: str, bps: float) -> float:
    """A builder's exchange charges about twice; a rebate is not promised there."""
    return max(0.0, bps) * BUILDER_FEES if dex else bps


class Listing(Struct, frozen=True):
    """What one exchange lists: the venue's own, or a builder's."""

    meta: answers.Meta
    network: str
    first_asset: int

    def instrument(self, coin: str) -> Instrument:
        """Raises VenueError where it is not, or no longer, listed."""
        return instrument_of(self.meta, coin, self.network, self.first_asset)


async def listing_of(dex: str, network: str, rest: Rest) -> Listing:
    """Raises VenueError, RestError."""
    first = await _first_asset(dex, network, rest)
    meta = await rest.meta(dex)
    if meta.collateral_token:
        raise VenueError(f"{dex or network} does not settle in USDC: its coins cannot be quoted")
    return Listing(meta, network, first)


async def _first_asset(dex: str, network: str, rest: Rest) -> int:
    """A builder's exchange has asset ids from 100,000 + 10,000 · its index on."""
    if not dex:
        return 0
    known = await rest.dexes()
    if dex not in known:
        raise VenueError(f"no builder's exchange {dex!r} on {network} ({len(known) - 1} listed)")
    return BUILDER_ASSETS + BUILDER_STEP * known.index(dex)


async def _with_own_leverage(instrument: Instrument, seat: Seat, rest: Rest) -> Instrument:
    """What the account has set for this coin bounds its margin, not what the venue would allow."""
    chosen = await rest.leverage(seat.account, instrument.name)
    if chosen is None or chosen >= instrument.max_leverage:
        return instrument
    return structs.replace(instrument, max_leverage=chosen)


def remark(boot: Bootstrap, health: Health) -> None:
    """Note what is odd about the account or our clock, though we can trade with it."""
    if abs(boot.skew_ms) > SKEW_NOTED_MS:
        text = "clock differs from the venue's: set it, or orders may expire unsent"
        health.note(Severity.WARNING, "link", text, skew_ms=boot.skew_ms)
    if boot.account_mode in POOLED_MODES:
        text = "the account's mode pools balances: its perp equity is not all of it"
        health.note(Severity.WARNING, "risk", text, mode=boot.account_mode)


def instrument_of(meta: answers.Meta, coin: str, network: str, first: int = 0) -> Instrument:
    """Raises VenueError where the venue does not list the coin. `first`: asset id of the list's."""
    names = {asset.name: index for index, asset in enumerate(meta.universe)}
    index = names.get(coin)
    if index is None:
        raise VenueError(_unknown_coin(coin, network, list(names)))
    asset = meta.universe[index]
    if asset.is_delisted:
        raise VenueError(f"coin {coin!r} is delisted on {network}")
    return Instrument(
        name=asset.name,
        asset=first + index,
        size_decimals=asset.sz_decimals,
        price_decimals=PERP_DECIMALS - asset.sz_decimals,
        max_leverage=asset.max_leverage,
        leverage_tiers=meta.tiers(asset),
    )


def _unknown_coin(coin: str, network: str, names: list[str]) -> str:
    text = f"unknown coin {coin!r} on {network} ({len(names)} listed)"
    folded = {name.upper(): name for name in names}
    near = difflib.get_close_matches(coin.upper(), list(folded), n=1, cutoff=0.4)
    return f"{text}; did you mean {folded[near[0]]!r}?" if near else text


async def _check_rights(seat: Seat, rest: Rest) -> None:
    """Queries for an API wallet's address come back empty: say so instead of trading blind."""
    vault = seat.settings.vault
    if vault and vault.lower() != seat.account:
        raise VenueError(
            f"orders would be for venue.vault {vault}, books and fills of {seat.account}: set "
            "venue.account_address to the same sub-account or vault"
        )
    if not vault and seat.signer_address != seat.account:
        signer = await _role(rest, seat.signer_address)
        if signer is not None and signer.role == "agent" and signer.of == seat.account:
            return  # whose API wallet it is exists, and is none itself
    role = await _role(rest, seat.account)
    if role is not None and role.role == "agent":
        raise VenueError(
            f"account {seat.account} is an API wallet: set venue.account_address to its master"
            + (f" {role.of}" if role.of else "")
        )
    if role is not None and role.role == "missing":
        raise VenueError(f"account {seat.account} does not exist on the venue: deposit first")
    if vault:
        await _check_owner(seat, rest, role.of if role is not None else None)
    elif seat.signer_address != seat.account:
        _check_wallet(seat, signer, role is not None and role.role == "subAccount")


async def _check_owner(seat: Seat, rest: Rest, owner: str | None) -> None:
    """The key is the sub-account's owner, or an API wallet of it; a vault's leader is not told."""
    if owner is None or seat.signer_address == owner:
        return
    signer = await _role(rest, seat.signer_address)
    if signer is not None and signer.of not in {None, owner}:
        raise VenueError(
            f"the key's address {seat.signer_address} acts for {signer.of}, but sub-account "
            f"{seat.account} belongs to {owner}: approve it there, or correct venue.vault"
        )
    if signer is not None and signer.role != "agent":
        raise VenueError(
            f"the key's address {seat.signer_address} is no API wallet of {owner}, who owns "
            f"sub-account {seat.account}: approve it there, or correct venue.vault"
        )


def _check_wallet(seat: Seat, signer: answers.UserRole | None, is_sub_account: bool) -> None:
    if signer is None or (signer.role == "agent" and signer.of in {None, seat.account}):
        return
    remedy = (
        f"it is a sub-account: set venue.vault to {seat.account} too"
        if is_sub_account
        else "approve it there, correct venue.account_address, or set venue.vault for a sub-account"
    )
    raise VenueError(
        f"the key's address {seat.signer_address} is no API wallet of {seat.account}: {remedy}"
    )


async def _role(rest: Rest, address: str) -> answers.UserRole | None:
    """None where the venue does not know the question."""
    try:
        return await rest.role(address)
    except RestError as error:
        if error.status is None:
            raise
        return None


async def _account_mode(seat: Seat, rest: Rest) -> str:
    try:
        return await rest.account_mode(seat.account)
    except RestError:
        return ""
