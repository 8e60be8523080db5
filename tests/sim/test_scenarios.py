"""Presets are usable and distinct, and a scenario of one's own fails with a helpful line."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins

from mm.sim.scenarios import (
    DEFAULT,
    PRESETS,
    ScenarioError,
    build_market,
    preset,
    scenario_from,
    truth,
)

EXAMPLE = Path(__file__).parents[2] / "config" / "scenarios" / "example.toml"
OWN = """
name = "alt"
base = "thin"
coin = "ALT"
price = 0.55
size_decimals = 0
[mid]
sigma_bps = 3.0
[takers]
arrival_per_s = 0.1
"""


class TestPresets:
    def test_the_shipped_ones(self) -> None:
        assert set(PRESETS) == {"liquid", "thin", "illiquid", "toxic", "jumpy", "trending"}
        assert DEFAULT in PRESETS
        assert all(each.name == name and each.about for name, each in PRESETS.items())

    def test_each_is_what_its_name_says(self) -> None:
        told = {name: truth(each) for name, each in PRESETS.items()}
        assert told["liquid"].arrival > 10 * told["thin"].arrival > 30 * told["illiquid"].arrival
        assert told["toxic"].adverse_bps > 5 * told["liquid"].adverse_bps
        assert told["jumpy"].variance_jumps > 0
        assert told["trending"].drift_bps_per_s > 0

    def test_ticks_are_fine_against_the_mean_reach(self) -> None:
        for each in PRESETS.values():
            assert each.tick_bps * each.takers.kappa_per_bps < 0.05

    def test_an_unknown_name_is_told_the_nearest(self) -> None:
        with pytest.raises(ScenarioError, match="unknown scenario 'liqiud'; did you mean 'liquid'"):
            preset("liqiud")
        with pytest.raises(ScenarioError, match=r"known: liquid, thin"):
            preset("zzz")


class TestOwnForm:
    def test_overrides_its_base(self) -> None:
        own = scenario_from(tomllib.loads(OWN))
        assert (own.name, own.coin, own.price) == ("alt", "ALT", 0.55)
        assert own.mid.sigma_bps == 3.0
        assert own.takers.arrival_per_s == 0.1
        assert own.takers.kappa_per_bps == preset("thin").takers.kappa_per_bps
        assert own.depth == preset("thin").depth
        assert build_market(own, 1, 0).instrument.price_decimals == 6

    def test_an_empty_form_is_the_default_preset_under_another_name(self) -> None:
        own = scenario_from({})
        assert own.name == "own"
        assert own.takers == preset(DEFAULT).takers

    def test_the_shipped_example_sets_every_key(self) -> None:
        form = tomllib.loads(EXAMPLE.read_text())
        own = scenario_from(form)
        assert build_market(own, 1, 0).instrument.name == "ALT"
        everything = set(to_builtins(own)) | {"base"}
        assert set(form) == everything
        for table in ("mid", "takers", "depth"):
            assert set(form[table]) == set(to_builtins(own)[table])

    @pytest.mark.parametrize(
        ("form", "message"),
        [
            ({"takers": {"kapa_per_bps": 0.1}}, "takers.kapa_per_bps; did you mean 'kappa_per_bps"),
            ({"takesr": {}}, "unknown scenario key takesr; did you mean 'takers'"),
            ({"xyzzy": 1}, "unknown scenario key xyzzy; known: name"),
            ({"mid": 3}, "scenario key mid is a table, not 3"),
            ({"base": "thinn"}, "unknown scenario 'thinn'; did you mean 'thin'"),
            ({"mid": {"sigma_bps": -1.0}}, "mid.sigma_bps"),
            ({"mid": {"sigma_bps": "fast"}}, "mid.sigma_bps"),
            ({"mid": {"sigma_bps": float("nan")}}, "sigma_bps"),
            ({"mid": {"drift_bps_per_s": float("inf")}}, "drift_bps_per_s is not finite"),
            ({"takers": {"informed_share": 1.5}}, "takers.informed_share"),
            ({"takers": {"informed_delay_ms": 1000.0}}, "takers.informed_delay_ms"),
            ({"depth": {"levels": 0}}, "depth.levels"),
            ({"coin": "B/T"}, "coin"),
            ({"price": 0.0005, "size_decimals": 0}, "too coarse"),
        ],
    )
    def test_names_the_key_and_the_fix(self, form: dict[str, Any], message: str) -> None:
        with pytest.raises(ScenarioError) as caught:
            scenario_from(form)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
