"""Each point that a quoting model must prove, and the tests that prove it: none may vanish."""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

POINTS: dict[str, dict[str, tuple[str, ...]]] = {
    "sensitivity: every control moves a quote by 0.1 bps with its sign, m = 0.3 is 0.3·h": {
        "core/test_sensitivity.py": (
            "test_every_setting_moves_an_order_with_its_sign",
            "test_volatility_moves_the_skew_of_a_held_position",
            "test_the_venues_fee_moves_both_sides",
            "test_inventory_moves_both_sides_against_itself",
            "test_a_stale_book_widens_but_never_the_side_that_reduces",
            "test_a_cold_start_quotes_three_tenths_of_the_optimal_width_exactly",
        ),
        "core/strategy/test_glft.py": (
            "test_every_control_moves_a_quote_with_its_sign",
            "test_m_scales_the_glft_term_exactly_and_never_the_skew",
        ),
        "core/strategy/test_funding_drift.py": ("test_the_venues_funding_rate_reaches_an_order",),
    },
    "for all inputs: bid < ask, on tick, finite; what is missing is a named refusal": {
        "core/strategy/test_glft.py": (
            "test_quotes_are_finite_add_up_and_never_cross",
            "test_a_quote_that_is_not_finite_is_a_named_refusal",
        ),
        "core/strategy/test_ladder.py": ("test_whatever_the_inputs_orders_are_valid",),
        "core/strategy/test_params.py": ("test_what_is_missing_is_named",),
        "core/test_engine.py": ("test_a_stale_book_pulls_every_quote_and_comes_back_by_itself",),
        "core/stochastic/test_kappa.py": (
            "test_whatever_comes_the_estimates_stay_finite_and_positive",
        ),
    },
    "known truth: 90 % intervals of κ, A, σ and adverse selection cover it": {
        "app/test_coverage.py": (
            "test_intervals_hold_the_truth_and_means_lie_near_it_from_priors_three_times_off",
        ),
        "core/stochastic/test_kappa.py": (
            "test_ninety_per_cent_intervals_cover_the_truth_from_a_prior_three_times_off",
        ),
        "core/stochastic/test_volatility.py": ("test_ninety_per_cent_intervals_cover_the_truth",),
        "core/stochastic/test_adverse_selection.py": (
            "test_ninety_per_cent_intervals_cover_the_truth",
        ),
    },
    "batches: learn(a + b) is learn(a), then learn(b), to the bit": {
        "core/stochastic/test_kappa.py": ("test_splitting_a_batch_of_trades_changes_nothing",),
    },
    "antisymmetry: swapping sides and the sign of q swaps the quotes": {
        "core/strategy/test_glft.py": (
            "test_swapping_the_sides_and_the_sign_of_inventory_swaps_the_quotes",
        ),
        "core/strategy/test_funding_drift.py": (
            "test_swapping_sides_position_and_payer_swaps_the_quotes",
        ),
        "core/test_sensitivity.py": ("test_before_rounding_opposite_inventories_swap_the_quotes",),
    },
    "Avellaneda and Stoikov (2008), section 3.3": {
        "sim/test_avellaneda_stoikov.py": ("test_the_tables_of_the_paper",),
    },
    "efficiency: utility over that of the exact optimum, on the same random numbers": {
        "app/test_efficiency.py": (
            "test_told_the_truth_the_engine_comes_near_the_optimum",
            "test_calibrated_it_loses_little_more",
            "test_a_fixed_spread_pays_for_its_inventory",
        ),
    },
    "the simulated market's truth is known": {
        "sim/test_market_truth.py": (
            "test_few_fills_are_crossings_by_the_moving_background",
            "test_arrivals_come_at_the_rate_of_the_truth",
            "test_markouts_of_fills_are_the_adverse_selection_of_the_truth",
        ),
    },
    "no information gives no adverse selection, information its true value": {
        "core/stochastic/test_adverse_selection.py": (
            "test_null_flow_gives_zero_within_two_standard_errors",
        ),
        "app/test_session_identity.py": ("test_adverse_selection_is_that_of_the_market",),
    },
    "spread less markout less fee is the marked profit, per fill and per session": {
        "core/stochastic/test_adverse_selection.py": (
            "test_spread_minus_markout_minus_fee_is_the_marked_profit",
        ),
        "core/test_pnl.py": ("test_the_split_sums_to_the_total_exactly",),
        "app/test_session_identity.py": (
            "test_the_parts_sum_to_what_the_exchange_says_was_earned",
            "test_spread_and_markouts_are_those_that_an_observer_measures",
        ),
    },
    "a pair without trades is quoted in time": {
        "app/test_quiet_pair.py": (
            "test_the_first_quote_waits_no_longer_than_the_warm_up_is_allowed_to",
        ),
    },
    "exploration and entropy cost less than an edit per level and update": {
        "app/test_size_churn.py": (
            "test_a_busy_market_has_less_than_one_size_change_per_level_and_update",
            "test_what_rests_has_the_entropy_that_was_asked_for",
        ),
    },
}
"""Point -> file -> the tests of it."""


@cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("point", POINTS)
def test_every_point_has_its_tests(point: str) -> None:
    for path, names in POINTS[point].items():
        assert set(names) <= functions(path), path
