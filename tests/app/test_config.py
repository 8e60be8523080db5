"""The configuration: every field counts, every mistake is one clear line, no secret shows."""

import json
import re
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct
from pydantic import SecretStr

from mm.app.config import (
    Config,
    ConfigError,
    describe,
    engine_settings,
    json_schema,
    load,
    private_key,
)
from mm.app.config_layers import flag_layer, leaves
from mm.app.config_template import template
from mm.app.config_venue import venue_settings
from mm.core.settings import EngineSettings, PortfolioSettings

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "config"
KEY = "0x" + "ab" * 32
ENGINE = ("strategy", "stochastic", "risk")
CHOICES = {
    "exploration": "thompson",
    "policy": "off",
    "lever": "gamma",
    "horizons_s": [1.0, 5.0, 20.0],
    "primary_s": 30.0,
    "kappa_prior": 0.2,
    "edge_budget_usd": 7.0,
}


def other(name: str, value: Any) -> object:  # noqa: ANN401 - any field's value
    """A valid value of this field that differs from its default, and breaks no cross-check."""
    if name in CHOICES:
        return CHOICES[name]
    if isinstance(value, bool):
        return not value
    if name in {"max_daily_loss_fraction", "max_order_usd", "min_requote_ms"}:
        return type(value)(value / 2)
    return value + 1 if isinstance(value, int) else value * 1.1 + 0.01


def value_at(config: Config, key: tuple[str, ...]) -> object:
    node: Any = config
    for step in key:
        node = node[int(step)] if step.isdigit() else getattr(node, step)
    return node


def problems_of(**given: Any) -> tuple[str, ...]:  # noqa: ANN401 - as `load` takes them
    with pytest.raises(ConfigError) as caught:
        load(**{"environ": {}, **given})
    return caught.value.problems


# -- crossing the border ------------------------------------------------------------------------


def test_the_defaults_are_the_cores_own() -> None:
    assert engine_settings(load(environ={})) == EngineSettings()


@pytest.mark.parametrize("key", [key for key in leaves(Config) if key[0] in ENGINE], ids=".".join)
def test_each_engine_field_reaches_the_engine(key: tuple[str, ...]) -> None:
    default = value_at(Config(), key)
    value = other(key[-1], default)

    config = load(environ={}, flags=flag_layer({"--x": (".".join(key), value)}))

    assert value_at(config, key) != default
    assert engine_settings(config) != EngineSettings()


def changed(ours: Struct, default: Struct) -> set[str]:
    """Names of the fields, at any depth, that differ."""
    names: set[str] = set()
    for name in ours.__struct_fields__:
        mine, theirs = getattr(ours, name), getattr(default, name)
        if isinstance(mine, Struct):
            names |= {f"{name}.{inner}" for inner in changed(mine, theirs)}
        elif mine != theirs:
            names.add(name)
    return names


def fields(settings: Struct) -> set[str]:
    values = {name: getattr(settings, name) for name in settings.__struct_fields__}
    inner = {f"{n}.{f}" for n, v in values.items() if isinstance(v, Struct) for f in fields(v)}
    return inner | {name for name, value in values.items() if not isinstance(value, Struct)}


def test_each_setting_of_the_engine_can_be_configured() -> None:
    reached: set[str] = set()
    for key in leaves(Config):
        if key[0] in ENGINE:
            value = other(key[-1], value_at(Config(), key))
            config = load(environ={}, flags=flag_layer({"--x": (".".join(key), value)}))
            now = changed(engine_settings(config), EngineSettings())
            assert len(now) == 1, f"{key} changes {now}"
            reached |= now

    assert fields(EngineSettings()) - reached == {"label", "cloid_prefix"}


VENUE_FIELDS = [
    ("venue.network=local", "network", "local"),
    ("venue.base_url=http://other", "base_url", "http://other"),
    ("venue.account_address=0x" + "1" * 40, "account_address", "0x" + "1" * 40),
    ("venue.vault=0x" + "2" * 40, "vault", "0x" + "2" * 40),
    ("daemon.shutdown_timeout_s=2", "cancel_all_s", 2.0),
    ("venue.timing.request_timeout_s=1", "request_timeout_s", 1.0),
    ("venue.timing.expires_after_s=9", "expires_after_s", 9.0),
    ("venue.timing.ping_s=9", "ping_s", 9.0),
    ("venue.timing.book_stale_s=9", "book_stale_s", 9.0),
    ("venue.timing.full_book_poll_s=9", "asking.full_book_poll_s", 9.0),
    ("venue.timing.audit_s=9", "asking.audit_s", 9.0),
    ("venue.timing.budget_poll_s=9", "asking.budget_poll_s", 9.0),
    ("venue.ip_weight_share=0.25", "asking.ip_weight_share", 0.25),
    ("venue.timing.dead_man_s=none", "dead_man_s", None),
    ("venue.timing.reconnect_max_s=9", "reconnect_max_s", 9.0),
]


@pytest.mark.parametrize(("assignment", "field", "expected"), VENUE_FIELDS)
def test_each_venue_field_reaches_the_venue(assignment: str, field: str, expected: object) -> None:
    config = load(environ={}, assignments=["venue.base_url=http://x", assignment])

    assert attrgetter(field)(venue_settings(config, "BTC")) == expected


def test_each_setting_of_the_venue_can_be_configured() -> None:
    reached = {field for _, field, _ in VENUE_FIELDS}

    assert fields(venue_settings(Config(), "BTC", "http://x")) - reached == {"coins"}


SHELL = ("daemon", "venue", "instruments", "portfolio", "recorder", "paper", "web", "exchange")


@pytest.mark.parametrize(
    "key", [key for key in leaves(Config) if key[0] in SHELL and "timing" not in key], ids=".".join
)
def test_each_field_of_the_shell_is_read_somewhere(key: tuple[str, ...]) -> None:
    sources = [*ROOT.glob("mm/app/*.py"), *ROOT.glob("mm/commands/*.py")]
    text = "\n".join(p.read_text() for p in sources if p.name != "config_sections.py")

    assert re.search(rf"\.{key[-1]}\b", text), f"{'.'.join(key)} changes nothing"


def test_each_limit_of_the_portfolio_can_be_configured() -> None:
    given = {"max_gross_usd": 9_000.0, "max_net_usd": 4_000.0}
    config = load(environ={}, assignments=[f"portfolio.{k}={v}" for k, v in given.items()])

    assert PortfolioSettings(**config.portfolio.model_dump()) == PortfolioSettings(**given)
    assert Config().portfolio.model_dump() == msgspec.structs.asdict(PortfolioSettings())


@pytest.mark.parametrize(
    ("network", "label"), [("embedded", "EMBEDDED"), ("paper", "PAPER"), ("testnet", "TESTNET")]
)
def test_the_label_names_the_network(network: str, label: str) -> None:
    config = load(environ={"MM_VENUE__PRIVATE_KEY": KEY}, assignments=[f"venue.network={network}"])

    assert engine_settings(config).label == label


def test_the_label_says_that_the_market_is_a_recording() -> None:
    embedded = load(environ={}, assignments=["exchange.tape=data/tape/BTC"])
    paper = load(
        environ={}, assignments=["venue.network=paper", "exchange.tape=data/tape/BTC"], check=False
    )

    assert engine_settings(embedded).label == "RECORDING"
    assert engine_settings(paper).label == "PAPER"


def test_our_orders_carry_the_configured_prefix() -> None:
    config = load(environ={}, assignments=["venue.cloid_prefix=beef"])

    assert engine_settings(config).cloid_prefix == "beef"


def test_an_instrument_overrides_lot_and_position_for_itself_alone() -> None:
    own = ["instruments.0.lot_usd=10", "instruments.0.max_position_usd=6000"]
    config = load(environ={}, assignments=[*own, "instruments.1.name=ETH"])

    first, second = (engine_settings(config, instrument) for instrument in config.instruments)

    assert (first.strategy.lot_usd, first.risk.max_position_usd) == (10, 6000)
    assert (second.strategy, second.risk) == (EngineSettings().strategy, EngineSettings().risk)


def test_the_seeds_keys_keep_the_seeds_names_and_defaults() -> None:
    calibration = engine_settings(load(environ={})).stochastic.calibration

    assert calibration.enable_calibration_fill_rate is True
    assert calibration.target_fill_rate_per_hour == 10.0
    assert calibration.min_fill_hungry_gamma == 0.3
    assert ("stochastic", "min_fill_hungry_gamma") in leaves(Config)


# -- what is shipped ----------------------------------------------------------------------------


def test_the_shipped_default_is_the_built_in_one_and_documents_every_field() -> None:
    shipped = SHIPPED / "default.toml"

    assert shipped.read_text(encoding="utf-8") == template(), (
        "run: mm config default > config/default.toml"
    )
    assert load([shipped], environ={}).model_dump() == Config().model_dump()


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_each_shipped_file_loads(path: Path) -> None:
    unlocked = ["venue.allow_mainnet=true"] if "mainnet" in path.name else []
    needs_key = "testnet" in path.name or "mainnet" in path.name
    environ = {"MM_VENUE__PRIVATE_KEY": KEY} if needs_key else {}

    config = load([path], environ=environ, assignments=unlocked)

    expected = "fill_hungry" if path.stem == "default" else "target_rate"
    assert config.stochastic.policy == expected
    assert engine_settings(config).label == config.venue.network.upper()


def test_the_mainnet_example_trades_nothing_as_it_stands() -> None:
    path = SHIPPED / "hyperliquid-mainnet.example.toml"

    (problem,) = problems_of(files=[path], environ={"MM_VENUE__PRIVATE_KEY": KEY})

    assert "venue.allow_mainnet = true" in problem


def test_every_field_has_a_line_of_doc_and_a_schema() -> None:
    assert all(row.doc for row in describe(Config()))
    schema = json_schema()
    gamma = schema["$defs"]["StrategyConfig"]["properties"]["gamma"]
    assert gamma["default"] == Config().strategy.gamma
    assert gamma["exclusiveMinimum"] == 0
    json.dumps(schema)


# -- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("assignment", "hint"),
    [
        ("strategy.gama=1", "strategy.gamma"),
        ("stochastic.target_fill_rate=1", "stochastic.target_fill_rate_per_hour"),
        ("risk.gamma=1", "strategy.gamma"),
        ("strategie.gamma=1", "strategy.gamma"),
        ("stochastic.sigma_prior=1", "stochastic.volatility.sigma_prior"),
        ("instruments.0.nam=ETH", "instruments.0.name"),
        ("exchange.sede=1", "exchange.seed"),
    ],
)
def test_an_unknown_key_names_the_nearest(assignment: str, hint: str) -> None:
    (problem,) = problems_of(assignments=[assignment])

    assert problem.startswith(f"unknown config key {assignment.split('=')[0]} (--set)")
    assert problem.endswith(f"did you mean {hint}?")


def test_a_section_takes_no_value() -> None:
    (problem,) = problems_of(assignments=["venue=testnet"])

    assert problem.endswith("it is a section, set one of its fields")


def test_a_key_like_nothing_lists_the_sections() -> None:
    (problem,) = problems_of(assignments=["zzz.qqq=1"])

    assert problem.endswith("risk, portfolio, recorder, paper, web, exchange")


@pytest.mark.parametrize("name", ["risc.a", "risk.a", "strategy.x", "webb.b"])
def test_a_key_is_not_guessed_wildly(name: str) -> None:
    (problem,) = problems_of(assignments=[f"{name}=1"])

    assert "did you mean" not in problem


def test_unknown_keys_and_bad_values_are_told_in_one_round() -> None:
    wrong = ["strategy.gama=1", "strategy.gamma=9", "instruments.0.nam=ETH", "web.port=-1"]

    problems = problems_of(assignments=[*wrong, f"venue.private_key={KEY}", "venue=testnet"])

    for name in ("strategy.gama ", "instruments.0.nam ", "strategy.gamma = ", "web.port = "):
        assert sum(name in problem for problem in problems) == 1, name
    assert sum("is a secret" in problem for problem in problems) == 1
    assert len(problems) == 6
    assert KEY not in "".join(problems)


@pytest.mark.parametrize(
    ("assignment", "complaint"),
    [
        ("strategy.gamma=9", "strategy.gamma = '9' (--set): input should be less than or equal"),
        ("strategy.gamma=nan", "strategy.gamma = 'nan' (--set): input should be a finite number"),
        ("strategy.levels=two", "strategy.levels = 'two' (--set): input should be a valid integer"),
        ("stochastic.policy=hungry", "stochastic.policy = 'hungry' (--set): input should be 'fi"),
        ("venue.account_address=0x12", "venue.account_address = '0x12' (--set): string should ma"),
        ("web.port=70000", "web.port = '70000' (--set): input should be less than or equal"),
        ("strategy", "--set strategy: expected section.field=value"),
        ("=3", "--set =3: expected section.field=value"),
    ],
)
def test_a_bad_value_is_told_with_its_source(assignment: str, complaint: str) -> None:
    (problem,) = problems_of(assignments=[assignment])

    assert problem.startswith(complaint)
    assert "\n" not in problem


def test_true_is_not_a_number(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("[strategy]\ngamma = true\nmicroprice = true\n")

    (problem,) = problems_of(files=[file])

    assert problem == f"strategy.gamma = True ({file}:2): true and false are not valid here"


def test_all_problems_are_told_at_once() -> None:
    assert len(problems_of(assignments=["strategy.gamma=0", "risk.max_leverage=0"])) == 2
    assert len(problems_of(assignments=["strategy.gama=0", "risk.leverage=0"])) == 2


@pytest.mark.parametrize(
    ("assignments", "complaint"),
    [
        (["risk.max_daily_loss_fraction=0.2"], "risk.max_daily_loss_fraction can never bind"),
        (["risk.max_daily_loss_fraction=1.5"], "less than 1"),
        (["risk.reject_rate_soft=0.9"], "risk.reject_rate_soft can never bind"),
        (["risk.max_order_usd=20000"], "risk.max_order_usd = 20000.0 can never bind for BTC"),
        (["instruments.0.lot_usd=20000"], "not even one lot could be quoted"),
        (["stochastic.intensity.kappa_min=6"], "kappa_min is not below kappa_max"),
        (["stochastic.intensity.kappa_prior=6"], "kappa_prior is outside"),
        (["stochastic.adverse.primary_s=7"], "primary_s must be one of horizons_s"),
        (["stochastic.adverse.horizons_s=[5, 1]"], "must be positive and ascending"),
        (["stochastic.adverse.horizons_s=[0, 5]"], "must be positive and ascending"),
        (["strategy.min_requote_ms=5000"], "min_requote_ms exceeds the quote timer"),
        (["venue.network=local"], 'needs venue.base_url, e.g. "http://127.0.0.1:3001"'),
        (["venue.network=testnet"], "set MM_VENUE__PRIVATE_KEY or MM_VENUE__PRIVATE_KEY_FILE"),
        (["venue.network=mainnet"], "venue.allow_mainnet = true as well"),
        (["web.host=0.0.0.0"], "set MM_WEB__TOKEN first"),
        (["instruments.1.name=BTC"], "BTC is listed more than once"),
        (["portfolio.max_gross_usd=10000"], "can never bind: the instruments' max_position_usd"),
        (["portfolio.max_net_usd=10"], "portfolio.max_net_usd = 10.0 is below one lot of 1000.0"),
        (
            ["portfolio.max_net_usd=5000", "portfolio.max_gross_usd=5000"],
            "max_net_usd = 5000.0 can never bind",
        ),
    ],
)
def test_contradictions_are_refused(assignments: list[str], complaint: str) -> None:
    assert any(complaint in line for line in problems_of(assignments=assignments))


def test_contradictions_do_not_concern_who_only_looks_for_a_daemon() -> None:
    config = load(environ={}, assignments=["venue.network=mainnet"], check=False)

    assert config.venue.network == "mainnet"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("[strategy\n", "is not valid TOML"), (b"\xff\xfe", "is not UTF-8 text")],
)
def test_an_unreadable_file_is_told(tmp_path: Path, content: str | bytes, complaint: str) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())

    (problem,) = problems_of(files=[file])

    assert complaint in problem


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    (problem,) = problems_of(files=[tmp_path / "no.toml"])

    assert problem == f"cannot read config file {tmp_path / 'no.toml'}: No such file or directory"


# -- precedence and sources ---------------------------------------------------------------------


def test_later_layers_win_leaf_by_leaf_and_say_so(tmp_path: Path) -> None:
    base, own = tmp_path / "base.toml", tmp_path / "own.toml"
    base.write_text(
        '[strategy]\ngamma = 0.1\nlevels = 3\nlot_usd = 10\n\n[[instruments]]\nname = "ETH"\n'
        'lot_usd = 20\n\n[[instruments]]\nname = "SOL"\n'
    )
    own.write_text("[strategy]\n# mine\nlevels = 4\nrequote_bps = 2\n")
    environ = {"MM_STRATEGY__LOT_USD": "30", "MM_DEBUG": "1", "MM_INSTRUMENTS__0__LOT_USD": "40"}

    config = load([base, own], environ, ["strategy.requote_bps=5"])

    shown = {row.key: (row.value, row.source) for row in describe(config)}
    assert shown["strategy.gamma"] == ("0.1", f"{base}:2")
    assert shown["strategy.levels"] == ("4", f"{own}:3")
    assert shown["strategy.lot_usd"] == ("30.0", "env MM_STRATEGY__LOT_USD")
    assert shown["strategy.requote_bps"] == ("5.0", "--set")
    assert shown["strategy.min_edge_bps"][1] == "default"
    assert shown["instruments.0.name"] == ('"ETH"', f"{base}:7")
    assert shown["instruments.0.lot_usd"] == ("40.0", "env MM_INSTRUMENTS__0__LOT_USD")
    assert shown["instruments.1.name"] == ('"SOL"', f"{base}:11")


def test_a_flag_is_named_as_it_was_typed() -> None:
    flags = flag_layer({"--seed": ("exchange.seed", 7), "--speed": ("exchange.speed", None)})

    config = load(environ={}, flags=flags)

    assert (config.exchange.seed, config.source("exchange.seed")) == (7, "--seed")
    assert config.source("exchange.speed") == "default"
    bad = flag_layer({"--seed": ("exchange.seed", -1)})
    assert problems_of(flags=bad)[0].startswith("exchange.seed = -1 (--seed): ")


@pytest.mark.parametrize("text", ["none", "None", ""])
def test_none_unsets_an_optional_number(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.toml"
    file.write_text("[stochastic.intensity]\nkappa_prior = 0.3\n")

    config = load([file], {}, [f"stochastic.intensity.kappa_prior={text}"])

    assert config.stochastic.intensity.kappa_prior is None
    assert config.strategy.exploration == "none"


# -- secrets ------------------------------------------------------------------------------------


def test_secrets_never_show() -> None:
    environ = {"MM_VENUE__PRIVATE_KEY": KEY, "MM_WEB__TOKEN": "correct horse battery"}

    config = load(environ=environ)

    shown = repr(config) + str(describe(config)) + str(config.venue) + config.model_dump_json()
    assert KEY not in shown
    assert "correct horse" not in shown
    assert private_key(config) == KEY
    assert isinstance(config.web.token, SecretStr)


@pytest.mark.parametrize("name", ["venue.private_key", "web.token"])
def test_secrets_are_refused_on_the_command_line_and_in_files(tmp_path: Path, name: str) -> None:
    section, field = name.split(".")
    file = tmp_path / "a.toml"
    file.write_text(f'[{section}]\n{field} = "{KEY}"\n')

    (on_argv,) = problems_of(assignments=[f"{name}={KEY}"])
    (in_file,) = problems_of(files=[file])

    assert f"use MM_{section.upper()}__{field.upper()}" in on_argv
    assert f"{file}:2" in in_file
    assert "abab" not in on_argv + in_file


@pytest.mark.parametrize("text", ["ab" * 31, "zz" * 32, "", "0x"])
def test_a_malformed_key_is_refused_without_showing_it(text: str) -> None:
    config = load(environ={"MM_VENUE__PRIVATE_KEY": text})

    with pytest.raises(ConfigError, match=r"^MM_VENUE__PRIVATE_KEY: a private key is 64 hex"):
        private_key(config)


def test_a_short_token_is_refused_without_showing_it() -> None:
    (problem,) = problems_of(environ={"MM_WEB__TOKEN": "hunter2"})

    assert "web.token is too short" in problem
    assert "hunter2" not in problem


def test_the_key_file_must_be_private(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY.removeprefix("0x").upper() + "\n")
    file.chmod(0o640)
    config = load(environ={"MM_VENUE__PRIVATE_KEY_FILE": str(file)})

    with pytest.raises(ConfigError, match=f"chmod 600 {file}"):
        private_key(config)
    file.chmod(0o600)

    assert private_key(config) == KEY


def test_a_missing_key_file_is_told(tmp_path: Path) -> None:
    config = load(environ={"MM_VENUE__PRIVATE_KEY_FILE": str(tmp_path / "none")})

    with pytest.raises(ConfigError, match=r"cannot read venue\.private_key_file .*No such file"):
        private_key(config)


def test_two_keys_are_ambiguous(tmp_path: Path) -> None:
    environ = {"MM_VENUE__PRIVATE_KEY": KEY, "MM_VENUE__PRIVATE_KEY_FILE": str(tmp_path)}

    assert "keep one" in problems_of(environ=environ)[0]


def test_no_key_is_no_key() -> None:
    assert private_key(load(environ={})) is None
