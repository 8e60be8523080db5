"""The venue adapter's view of the configuration."""

from collections.abc import Sequence

from mm.adapters.hyperliquid.settings import Asking, Network, VenueSettings
from mm.app.config import Config

NETWORKS: dict[str, Network] = {
    "embedded": "local",
    "local": "local",
    "testnet": "testnet",
    "mainnet": "mainnet",
}


def venue_settings(
    config: Config, coin: str, base_url: str = "", also: Sequence[str] = ()
) -> VenueSettings:
    """`base_url` overrides the configured one: the embedded exchange's address. `also`: further
    coins on the same connection."""
    venue = config.venue
    timing = venue.timing.model_dump()
    polls = {name: timing.pop(name) for name in set(timing) & set(Asking.__struct_fields__)}
    return VenueSettings(
        network=_network(config),
        coins=(coin, *also),
        base_url=base_url or venue.base_url,
        account_address=venue.account_address or None,
        vault=venue.vault or None,
        cancel_all_s=config.daemon.shutdown_timeout_s,
        asking=Asking(ip_weight_share=venue.ip_weight_share, **polls),
        **timing,
    )


def _network(config: Config) -> Network:
    """Of paper: whose data it is."""
    if config.venue.network != "paper":
        return NETWORKS[config.venue.network]
    return "local" if config.venue.base_url else config.paper.source
