"""Epsilon and delta of Gaussian noise, against numbers of ``dp_accounting`` 0.6.0 (its PLD accountant's bound is from
above)."""

import pytest

from contract.gaussian_privacy import delta_of, epsilon_of, multiplier_for


@pytest.mark.parametrize(
    ("epsilon", "delta", "multiplier"),
    [(1.0, 1e-5, 3.7306316348159374), (0.5, 1e-6, 8.057618480725052), (8.0, 1e-5, 0.6002290721989517)],
)
def test_the_noise_of_one_answer_is_that_of_the_analytic_gaussian_mechanism(
    epsilon: float, delta: float, multiplier: float
) -> None:
    assert multiplier_for(epsilon, delta) == pytest.approx(multiplier, rel=1e-9)
    assert delta_of(epsilon, [multiplier]) == pytest.approx(delta, rel=1e-6)


def test_answers_compose_as_an_accountant_of_privacy_loss_distributions_says() -> None:
    assert epsilon_of(1e-5, (4.0, 4.0, 6.5, 10.0)) == pytest.approx(1.5477976832418454, abs=1e-6)


def test_no_answer_costs_nothing_and_each_one_more() -> None:
    spent = [epsilon_of(1e-6, [5.0] * count) for count in range(5)]
    assert spent[0] == 0.0
    assert spent == sorted(spent)
    assert spent[1] < spent[4] < 4 * spent[1]
