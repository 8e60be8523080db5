"""Configuration sections of the shell: daemon, venue, instruments, recorder, web, exchange."""

from pathlib import Path
from types import UnionType
from typing import Annotated, Literal, NoReturn, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator
from pydantic_core.core_schema import ValidationInfo

Network = Literal["embedded", "local", "testnet", "mainnet", "paper"]
ADDRESS = r"^(0x[0-9a-fA-F]{40})?$"


def _none(value: object) -> object:
    """TOML has no null: "none" or "" unsets an optional field."""
    return None if isinstance(value, str) and value.lower() in ("", "none") else value


OptionalFloat = Annotated[float | None, BeforeValidator(_none)]
"""A number that may be absent, written "none" in TOML, env and --set."""
OptionalPath = Annotated[Path | None, BeforeValidator(_none)]


def takes_bool(annotation: object) -> bool:
    if get_origin(annotation) in (Union, UnionType):
        return any(takes_bool(part) for part in get_args(annotation))
    return annotation is bool


class Section(BaseModel):
    """A table of the configuration: frozen, complete, and refusing what it does not know."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    def __getstate__(self) -> NoReturn:
        raise TypeError("a configuration may hold secrets: it is not pickled")

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        field = cls.model_fields[info.field_name or ""]
        if isinstance(value, bool) and not takes_bool(field.annotation):
            raise ValueError("true and false are not valid here")
        return value


class DaemonConfig(Section):
    """The process: where it keeps its state and how it speaks."""

    data_dir: Path = Field(
        default=Path("data"),
        description="Directory of ledger, journal, token and lock; created 0700.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line that is written."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto",
        description="console for people, json for machines; auto: console on a terminal.",
    )
    shutdown_timeout_s: float = Field(
        default=4.0,
        gt=0,
        le=60,
        description="Time to cancel own orders and verify that none rests, s.",
    )
    checkpoint_interval_s: float = Field(
        default=10.0,
        ge=1,
        le=3600,
        description="Time between estimator checkpoints in the ledger, s.",
    )
    watchdog_s: OptionalFloat = Field(
        default=10.0,
        ge=3,
        le=600,
        description="Silence after which a process of its own cancels this run's orders, s; "
        '"none": no watchdog.',
    )


class TimingConfig(Section):
    """Timeouts and polls of the connection to the venue."""

    request_timeout_s: float = Field(
        default=3.0, gt=0, le=60, description="Unanswered for longer, its outcome is unknown, s."
    )
    expires_after_s: float = Field(
        default=5.0, ge=1, le=60, description="The venue refuses our actions that come later, s."
    )
    ping_s: float = Field(
        default=15.0, ge=1, le=30, description="Websocket ping; two silent ones reconnect, s."
    )
    book_stale_s: float = Field(
        default=5.0, ge=1, le=60, description="Resubscribe a stream that is silent for longer, s."
    )
    full_book_poll_s: OptionalFloat = Field(
        default=None, ge=0.2, le=60, description='Deep book; "none": 1 s locally, else 2 s.'
    )
    audit_s: float = Field(
        default=20.0, ge=1, le=600, description="Audit of position, equity and orders, s."
    )
    budget_poll_s: float = Field(
        default=60.0, ge=5, le=3600, description="Reading the address's action budget, s."
    )
    dead_man_s: OptionalFloat = Field(
        default=60.0,
        ge=10,
        le=3600,
        description='Dead-man switch ahead; it cancels all orders of the account; "none": never.',
    )
    reconnect_max_s: float = Field(
        default=30.0, ge=0.1, le=300, description="Longest wait between reconnections, s."
    )


class VenueConfig(Section):
    """Where to trade and who we are there.

    The key never stands in a file like this: set MM_VENUE__PRIVATE_KEY, or private_key_file.
    """

    network: Network = Field(
        default="embedded",
        description="embedded (own exchange, paper money), local, testnet, mainnet or paper.",
    )
    allow_mainnet: bool = Field(
        default=False, description="Real money needs this to be true besides network = mainnet."
    )
    base_url: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="HTTP address of the venue; needed for local, else empty for the usual one.",
    )
    account_address: str = Field(
        default="",
        pattern=ADDRESS,
        description="Master or sub-account address that is traded; empty: the key's own address.",
    )
    vault: str = Field(
        default="",
        pattern=ADDRESS,
        description="Vault or sub-account that the key trades for, or empty.",
    )
    private_key: SecretStr | None = Field(
        default=None, description="API wallet's private key; only from MM_VENUE__PRIVATE_KEY."
    )
    private_key_file: OptionalPath = Field(
        default=None, description="File (mode 0600, or a Docker secret) that holds the private key."
    )
    cloid_prefix: str = Field(
        default="6d6d",
        pattern=r"^[0-9a-f]{4}$",
        description="First four hex digits of our client ids: how we know our own orders.",
    )
    ip_weight_share: float = Field(
        default=1.0,
        ge=0.1,
        le=1.0,
        description="Share of the IP address's request weight, messages and posts; of n daemons on "
        "it, 1/n.",
    )
    timing: TimingConfig = Field(default_factory=TimingConfig, description="Timeouts and polls.")


class InstrumentConfig(Section):
    """One perpetual to quote (repeat the table for more); it may override [strategy] and [risk]."""

    name: str = Field(
        default="BTC",
        pattern=r"^[A-Za-z0-9:_@/.-]{1,32}$",
        description="The venue's name of the coin.",
    )
    lot_usd: OptionalFloat = Field(
        default=None, gt=0, description="Overrides strategy.lot_usd for this instrument, USD."
    )
    max_position_usd: OptionalFloat = Field(
        default=None, gt=0, description="Overrides risk.max_position_usd for this instrument, USD."
    )


class RecorderConfig(Section):
    """The journal of every event and its actions, for exact replay; the tape of the market."""

    journal: bool = Field(default=True, description="Write a journal of this run.")
    journal_flush_s: float = Field(
        default=1.0, ge=0.05, le=60, description="At most this much is lost to kill -9, s."
    )
    journal_level: int = Field(default=3, ge=1, le=19, description="zstd compression level.")
    journal_keep_gb: float = Field(
        default=1.0,
        ge=0.001,
        le=10_000,
        description="Disk for journals, GB; the oldest go beyond it, be they of this run.",
    )
    ledger_keep_orders: int = Field(
        default=500_000,
        ge=1_000,
        le=100_000_000,
        description="Order requests and answers in the ledger, and no older than a week; fills "
        "stay.",
    )
    enabled: bool = Field(
        default=False, description="Record the market's raw frames to hourly tapes as well."
    )
    tape_dir: OptionalPath = Field(
        default=None,
        description='Directory of the tapes, one in it for each coin; "none": data_dir/tape.',
    )
    tape_keep_gb: float = Field(
        default=5.0, ge=0.001, le=10_000, description="Disk for tapes, GB; the oldest go beyond it."
    )


class WebConfig(Section):
    """The live page, the metrics and the control API."""

    enabled: bool = Field(default=True, description="Serve the page, /metrics and the control API.")
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address to bind; any but loopback needs MM_WEB__TOKEN.",
    )
    port: int = Field(default=8080, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    token: SecretStr | None = Field(
        default=None,
        description="Bearer token of POST requests, from MM_WEB__TOKEN; else made in data_dir.",
    )
    hosts: tuple[str, ...] = Field(
        default=(), max_length=20, description="Further host names that clients may use for us."
    )


class ExchangeConfig(Section):
    """The local exchange: embedded in `mm run`, alone in `mm exchange`."""

    scenario: str = Field(
        default="liquid",
        min_length=1,
        description="Preset (liquid thin illiquid toxic jumpy trending) or a scenario's TOML file.",
    )
    tape: OptionalPath = Field(
        default=None, description="Recording that drives the market instead of a scenario."
    )
    seed: int = Field(default=1, ge=0, description="Seed of the market's randomness.")
    speed: OptionalFloat = Field(
        default=None,
        ge=0.01,
        le=1000,
        description='Market time per wall time; clocks and nonces stay. "none": 5, of a tape 1.',
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="Address to bind.")
    port: int = Field(default=0, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    faucet: bool = Field(
        default=True, description="Give an address that acts for the first time its test USDC."
    )
    faucet_usd: float = Field(
        default=100_000.0,
        gt=0,
        le=1e9,
        description="What the faucet gives, test USDC, on each exchange.",
    )
    weight_per_min: int = Field(
        default=1200,
        ge=100,
        le=10_000_000,
        description="Request weight that one IP address may use a minute.",
    )
    book_s: float = Field(
        default=1.0,
        ge=0.05,
        le=60.0,
        description="Seconds between whole books, and between mids; the venue's are 5.",
    )
    schedule_cancel_usd: float = Field(
        default=1_000_000.0,
        ge=0,
        description="Traded volume that scheduleCancel asks for, as on the venue; 0: none.",
    )
    faults: str = Field(
        default="none",
        description="Bad days: none drops half-open lost-replies lost-updates frames errors "
        "upgrade spent-budget forgetful idle ip-weight no-dead-man storm; POST /admin/faults "
        "changes them live.",
    )

    @property
    def market_speed(self) -> float:
        """Market seconds per wall second."""
        if self.speed is not None:
            return self.speed
        return 5.0 if self.tape is None else 1.0
