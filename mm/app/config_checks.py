"""What is wrong with a configuration although each field alone is in bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mm.app.config import Config

LOOPBACK = ("127.0.0.1", "::1", "localhost")
REAL = ("testnet", "mainnet")


def problems(config: Config) -> list[str]:
    """One line for each contradiction, naming the fix; [] where there is none."""
    return [*_venue(config), *_limits(config), *_model(config), *_web(config)]


def _venue(config: Config) -> Iterator[str]:
    venue = config.venue
    if venue.network == "mainnet" and not venue.allow_mainnet:
        yield (
            'venue.network = "mainnet" trades real money: set venue.allow_mainnet = true as well'
        )
    if venue.network in REAL and venue.private_key is None and venue.private_key_file is None:
        yield (
            f'venue.network = "{venue.network}" needs a key: set MM_VENUE__PRIVATE_KEY or '
            "MM_VENUE__PRIVATE_KEY_FILE to that of an API wallet"
        )
    if venue.network == "local" and not venue.base_url:
        yield 'venue.network = "local" needs venue.base_url, e.g. "http://127.0.0.1:3001"'
    if venue.private_key is not None and venue.private_key_file is not None:
        yield "venue.private_key and venue.private_key_file are both set: keep one"
    names = [instrument.name for instrument in config.instruments]
    for name in {name for name in names if names.count(name) > 1}:
        yield f"instruments: {name} is listed more than once"


def _limits(config: Config) -> Iterator[str]:
    """A limit that can never bind is a mistake, not a limit (design 8)."""
    risk = config.risk
    if risk.max_daily_loss_fraction > risk.max_drawdown_fraction:
        yield (
            "risk.max_daily_loss_fraction can never bind: it is above "
            f"risk.max_drawdown_fraction = {risk.max_drawdown_fraction}"
        )
    if risk.reject_rate_soft >= risk.reject_rate_hard:
        yield (
            "risk.reject_rate_soft can never bind: it is not below "
            f"risk.reject_rate_hard = {risk.reject_rate_hard}"
        )
    for instrument in config.instruments:
        yield from _instrument_limits(config, instrument.name)
    yield from _portfolio(config)


def _portfolio(config: Config) -> Iterator[str]:
    limits, risk, strategy = config.portfolio, config.risk, config.strategy
    own = sum(one.max_position_usd or risk.max_position_usd for one in config.instruments)
    lot = max(one.lot_usd or strategy.lot_usd for one in config.instruments)
    for name in ("max_gross_usd", "max_net_usd"):
        limit = getattr(limits, name)
        if limit is not None and limit >= own:
            yield (
                f"portfolio.{name} = {limit} can never bind: "
                f"the instruments' max_position_usd sum to {own}"
            )
        if limit is not None and limit < lot:
            yield f"portfolio.{name} = {limit} is below one lot of {lot}: it could not be quoted"
    net, gross = limits.max_net_usd, limits.max_gross_usd
    if net is not None and gross is not None and net >= gross:
        yield f"portfolio.max_net_usd = {net} can never bind: it is not below max_gross_usd"


def _instrument_limits(config: Config, name: str) -> Iterator[str]:
    instrument = next(item for item in config.instruments if item.name == name)
    limit = instrument.max_position_usd or config.risk.max_position_usd
    lot = instrument.lot_usd or config.strategy.lot_usd
    if config.risk.max_order_usd > limit:
        yield (
            f"risk.max_order_usd = {config.risk.max_order_usd} can never bind for {name}: "
            f"it is above max_position_usd = {limit}"
        )
    if lot > limit:
        yield (
            f"lot_usd = {lot} for {name} exceeds max_position_usd = {limit}: "
            "not even one lot could be quoted"
        )


def _model(config: Config) -> Iterator[str]:
    intensity = config.stochastic.intensity
    if intensity.kappa_min >= intensity.kappa_max:
        yield "stochastic.intensity.kappa_min is not below kappa_max"
    prior = intensity.kappa_prior
    if prior is not None and not intensity.kappa_min <= prior <= intensity.kappa_max:
        yield "stochastic.intensity.kappa_prior is outside kappa_min..kappa_max"
    adverse = config.stochastic.adverse
    horizons = adverse.horizons_s
    if horizons[0] <= 0 or list(horizons) != sorted(set(horizons)):
        yield "stochastic.adverse.horizons_s must be positive and ascending"
    if adverse.primary_s not in horizons:
        yield f"stochastic.adverse.primary_s must be one of horizons_s = {list(horizons)}"
    strategy = config.strategy
    if strategy.min_requote_ms > 1000 * strategy.quote_interval_s:
        yield (
            "strategy.min_requote_ms exceeds the quote timer: lower it or raise quote_interval_s"
        )


def _web(config: Config) -> Iterator[str]:
    web = config.web
    if web.enabled and web.host not in LOOPBACK and web.token is None:
        yield f'web.host = "{web.host}" is open to the network: set MM_WEB__TOKEN first'
    if web.token is not None and len(web.token.get_secret_value()) < 16:
        yield "web.token is too short: use 16 characters or more"
