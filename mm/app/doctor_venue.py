"""The account at the venue, looked at before it trades: key, money, limits, what is there."""

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from mm.adapters.hyperliquid import answers
from mm.adapters.hyperliquid.budget import WeightMeter
from mm.adapters.hyperliquid.desks import dex_of
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.others import found_beside
from mm.adapters.hyperliquid.public_feed import PublicFeed
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.settings import NO_HOOKS, Bootstrap, VenueError, VenueSettings
from mm.adapters.hyperliquid.sign import Signer
from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.adapters.hyperliquid.wire import OrderCore
from mm.app.clock import WallClock
from mm.app.config import Config, private_key
from mm.app.config_venue import venue_settings
from mm.app.findings import Finding
from mm.app.paper import PaperVenue
from mm.model.units import NS_PER_MS

SKEW_WARN_MS, SKEW_FAIL_MS = 500, 2_000
GOOD_MODES = ("", "default", "disabled")
DEAD_MAN_VOLUME_USD = 1_000_000
DAY_MS = 86_400_000
EXPIRY_WARN_DAYS = 7
FEW_ACTIONS = 1000
BASE_MAKER_BPS, BASE_TAKER_BPS = 1.5, 4.5


class Account(Struct, frozen=True):
    """Positions on the exchanges that are quoted on, orders on all: the dead-man switch takes all.

    `owner`: whose sub-account it is, or the account itself. `agents` are the owner's.
    """

    address: str
    owner: str
    signer: str
    signer_role: answers.UserRole
    agents: list[answers.ExtraAgent]
    positions: dict[str, Decimal]
    taken: dict[str, Decimal]
    """USD of margin that others hold on each exchange, but for their orders in our coins."""
    orders: list[OrderCore]
    limit: answers.RateLimit
    now_ms: int


async def examine_venue(config: Config) -> list[Finding]:
    """All findings; after a failed one, those that hang on it are left out."""
    coins = [instrument.name for instrument in config.instruments]
    settings = venue_settings(config, coins[0], also=coins[1:])
    if config.venue.network == "paper":
        return [await _paper(config, settings)]
    key = private_key(config)
    if key is None:
        remedy = "set MM_VENUE__PRIVATE_KEY or venue.private_key_file"
        return [Finding("key", "fail", "no private key", remedy)]
    signer, clock = Signer(key), WallClock()
    venue = HyperliquidVenue(settings, signer, clock, lambda _: None, config.venue.cloid_prefix)
    for coin in coins[1:]:
        venue.open(coin, lambda _: None)
    try:
        await venue.bootstrap()
        account = await _account(settings, venue.account, signer.address, clock)
    except (VenueError, RestError) as error:
        return [_unusable(error)]
    return [*_of_the_venue(config, venue.found), *_of_the_account(config, account)]


def _unusable(error: Exception) -> Finding:
    """Such errors end with the fix."""
    text = str(error)
    what, _, fix = text.rpartition("; ") if "; " in text else text.partition(": ")
    return Finding("venue", "fail", what, fix)


async def _paper(config: Config, settings: VenueSettings) -> Finding:
    clock = WallClock()
    audience = PaperVenue(settings, config.paper, clock, lambda _: None)
    feed = PublicFeed(settings, clock, Health(clock, NO_HOOKS), audience)
    try:
        await feed.instruments()
    except VenueError as error:
        return _unusable(error)
    coins = ", ".join(settings.coins)
    return Finding("venue", "ok", f"{settings.url} lists {coins}; on paper no key is needed")


async def _account(settings: VenueSettings, address: str, signer: str, clock: WallClock) -> Account:
    """Raises RestError."""
    dexes = tuple(dict.fromkeys(dex_of(coin) for coin in settings.coins))
    meter = WeightMeter(clock.now, settings.asking.weight_per_min)
    async with Rest(settings.url, settings.request_timeout_s, meter) as rest:
        owner = (await rest.role(address)).of or address
        states = {dex: await rest.clearinghouse(address, dex) for dex in dexes}
        listed = {dex: await rest.open_orders(address, dex) for dex in await rest.dexes()}

        async def leverage(coin: str) -> int:
            return await rest.leverage(address, coin) or 1

        taken = {}
        for dex, state in states.items():
            ours = {coin for coin in settings.coins if dex_of(coin) == dex}
            foreign = [one for one in listed[dex] if one.coin not in ours]
            beside = await found_beside(state, foreign, ours, leverage)
            taken[dex] = next(iter(beside.values())).margin
        return Account(
            address=address,
            owner=owner,
            signer=signer.lower(),
            signer_role=await rest.role(signer),
            agents=await rest.extra_agents(owner),
            positions={held.coin: held.szi for of in states.values() for held in of.positions},
            taken=taken,
            orders=[one for orders in listed.values() for one in orders],
            limit=await rest.rate_limit(address),
            now_ms=clock.now() // NS_PER_MS,
        )


# -- what the venue says ------------------------------------------------------------------------


def _of_the_venue(config: Config, found: dict[str, Bootstrap]) -> Iterator[Finding]:
    boot = next(iter(found.values()))
    yield Finding("venue", "ok", f"{config.venue.network} answers; {', '.join(found)} listed")
    yield _clock(boot.skew_ms)
    yield _mode(boot.account_mode)
    for dex in dict.fromkeys(map(dex_of, found)):
        yield _balance(config, dex, [one for coin, one in found.items() if dex_of(coin) == dex])
    yield _fees(boot)
    yield _actions(boot.actions_cap - boot.actions_used)


def _clock(skew_ms: int) -> Finding:
    size = abs(skew_ms)
    level = "fail" if size > SKEW_FAIL_MS else "warn" if size > SKEW_WARN_MS else "ok"
    remedy = "" if level == "ok" else "synchronise the clock: run an NTP client such as chrony"
    return Finding("clock", level, f"{skew_ms} ms behind the venue", remedy)


def _mode(mode: str) -> Finding:
    if mode in GOOD_MODES:
        return Finding("account mode", "ok", mode or "standard")
    remedy = 'set it to "disabled" (standard) at the venue: its balance is not the perp account\'s'
    return Finding("account mode", "warn", mode, remedy)


def _balance(config: Config, dex: str, boots: list[Bootstrap]) -> Finding:
    """Each exchange has a balance of its own, for its coins."""
    needed = config.strategy.lot_usd * len(boots) / config.risk.max_leverage
    equity = boots[0].equity
    text = f"equity {equity:.2f} USD" + (f" on {dex}" if dex else "")
    if equity <= 0:
        where = f" to {dex}" if dex else ""
        return Finding(
            "balance", "fail", text, f"deposit USDC{where}, or check venue.account_address"
        )
    if float(equity) < needed:
        remedy = f"a lot of each needs {needed:.2f} USD: deposit, or lower strategy.lot_usd"
        return Finding("balance", "warn", text, remedy)
    return Finding("balance", "ok", text)


def _fees(boot: Bootstrap) -> Finding:
    text = f"maker {boot.maker_bps:g} bps, taker {boot.taker_bps:g} bps"
    if boot.maker_bps <= BASE_MAKER_BPS:
        tier = "base tier" if boot.taker_bps == BASE_TAKER_BPS else "better than the base tier"
        return Finding("fees", "ok", f"{text} ({tier})")
    remedy = "quotes are that much wider: builders' exchanges charge more; compare the coins"
    return Finding("fees", "warn", f"{text}, above the base tier's {BASE_MAKER_BPS:g}", remedy)


def _actions(left: int) -> Finding:
    remedy = (
        "traded volume raises it; quote fewer levels or less often" if left < FEW_ACTIONS else ""
    )
    return Finding("actions", "warn" if remedy else "ok", f"{left} actions left", remedy)


# -- what the account is ------------------------------------------------------------------------


def _of_the_account(config: Config, account: Account) -> Iterator[Finding]:
    yield _address(config, account)
    yield _key(config, account)
    yield _positions(config, account)
    yield _margin(account)
    yield _orders(config, account)
    yield _dead_man(config, account)


def _address(config: Config, account: Account) -> Finding:
    if config.venue.account_address or config.venue.network == "local":
        whose = "" if account.owner == account.address else f", sub-account of {account.owner}"
        return Finding("account", "ok", f"{account.address}{whose}: the key may trade for it")
    remedy = "set venue.account_address, so that a wrong key is noticed"
    return Finding("account", "warn", f"{account.address}, taken from the key", remedy)


def _key(config: Config, account: Account) -> Finding:
    if account.signer in {account.address, account.owner} or account.signer_role.role != "agent":
        if config.venue.network == "local":
            return Finding("key", "ok", "the account's own, on a local exchange")
        remedy = "approve an API wallet at the venue and use its key: it cannot withdraw"
        return Finding("key", "warn", "the account's own key: who has it can withdraw", remedy)
    named = [agent for agent in account.agents if agent.address.lower() == account.signer]
    if not named or named[0].valid_until is None:
        return Finding("key", "ok", f"API wallet {account.signer}")
    days = (named[0].valid_until - account.now_ms) / DAY_MS
    level = "fail" if days <= 0 else "warn" if days < EXPIRY_WARN_DAYS else "ok"
    remedy = "" if level == "ok" else "approve a new API wallet: never one that was used before"
    return Finding("key", level, f"API wallet {named[0].name}, valid for {days:.0f} days", remedy)


def _positions(config: Config, account: Account) -> Finding:
    held = {coin: size for coin, size in account.positions.items() if size}
    text = ", ".join(f"{size} {coin}" for coin, size in held.items()) or "none"
    quoted = {instrument.name for instrument in config.instruments}
    if set(held) - quoted:
        remedy = "other coins share this account's margin, unmanaged: use a sub-account of its own"
        return Finding("positions", "warn", text, remedy)
    if held:
        remedy = "a start takes it over as inventory; close it first if that is not meant"
        return Finding("positions", "warn", text, remedy)
    return Finding("positions", "ok", text)


def _margin(account: Account) -> Finding:
    """What is left over is what quotes may use."""
    held = [(dex, usd) for dex, usd in account.taken.items() if usd]
    if not held:
        return Finding("margin", "ok", "nothing of it is held by others")
    text = ", ".join(f"{usd:.2f} USD" + (f" on {dex}" if dex else "") for dex, usd in held)
    remedy = "quotes have what is left: close what holds it, or use a sub-account of its own"
    return Finding("margin", "warn", f"other coins or isolated positions hold {text}", remedy)


def _orders(config: Config, account: Account) -> Finding:
    foreign = _foreign(config, account)
    text = f"{len(account.orders) - foreign} of ours rest, {foreign} foreign"
    if foreign:
        remedy = "they are left alone, and the venue's dead-man switch with them: "
        remedy += "use a sub-account of its own"
        return Finding("orders", "warn", text, remedy)
    return Finding("orders", "ok", text)


def _foreign(config: Config, account: Account) -> int:
    prefix = f"0x{config.venue.cloid_prefix}"
    return sum(not (one.cloid or "").startswith(prefix) for one in account.orders)


def _dead_man(config: Config, account: Account) -> Finding:
    volume, watchdog_s = account.limit.cum_vlm, config.daemon.watchdog_s
    wanted = config.venue.timing.dead_man_s is not None and not _foreign(config, account)
    if volume >= DEAD_MAN_VOLUME_USD and wanted:
        return Finding("dead man", "ok", "the venue's switch, which needs 1,000,000 USD of volume")
    text = f"not the venue's: {volume:,.0f} of 1,000,000 USD traded, foreign orders, or off"
    if watchdog_s is not None:
        return Finding("dead man", "ok", f"watchdog process after {watchdog_s:g} s; {text}")
    return Finding("dead man", "warn", text, "set daemon.watchdog_s: a process of its own cancels")
