"""What a valuation is asked to do is checked when it is said, each fault by the name of its member."""

from typing import Any

import pytest

from contract.orders.spec import FIDELITIES, MODES, ValuationSpec


@pytest.mark.parametrize(
    ("member", "value", "rule"),
    [
        ("mode", "ful", "mode 'ful' is unknown .did you mean 'full'"),
        ("fidelity", "exact", "fidelity 'exact' is unknown"),
        ("estimator", "shap", "estimator 'shap' is unknown"),
        ("metric", "acuracy", "did you mean 'accuracy'"),
        ("unlearning", "", "unlearning must name a method"),
        ("share_ci", 0.0, "share_ci must be a number of points above 0"),
        ("share_ci", float("inf"), "share_ci must be"),
        ("share_ci", float("nan"), "share_ci must be"),
        ("confidence", 0.49, "confidence must be at least 0.5"),
        ("confidence", 1.0, "confidence must be at least 0.5 and under 1"),
        ("max_evaluations", 1, "max_evaluations must be at least 2"),
        ("max_retrains", -1, "max_retrains must not be negative"),
        ("max_seconds", 0.0, "max_seconds must be above 0"),
        ("max_seconds", float("nan"), "max_seconds must be above 0"),
        ("seed", -1, "seed must not be negative"),
    ],
)
def test_a_fault_names_the_member_and_the_rule(member: str, value: Any, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        ValuationSpec(**{member: value})


def test_what_lies_on_a_limit_is_allowed() -> None:
    spec = ValuationSpec(confidence=0.5, max_evaluations=2, max_retrains=0, max_seconds=1e-9, seed=0, share_ci=1e-9)
    assert spec.confidence == 0.5


def test_partial_mode_has_nothing_to_repair_with() -> None:
    for mode in MODES:
        for fidelity in FIDELITIES:
            if (mode, fidelity) == ("partial", "repair"):
                with pytest.raises(ValueError, match="nothing to repair with"):
                    ValuationSpec(mode=mode, fidelity=fidelity)
            else:
                ValuationSpec(mode=mode, fidelity=fidelity)


def test_a_spec_is_plain_data_that_makes_an_equal_spec() -> None:
    spec = ValuationSpec(metric="log_loss", estimator="svarm", max_evaluations=9, seed=4)
    assert ValuationSpec(**spec.to_dict()) == spec
