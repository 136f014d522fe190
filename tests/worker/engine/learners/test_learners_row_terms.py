"""Rows' terms add up to what the sums of an answer determine, whatever is asked; and to nothing else."""

import numpy as np
import pytest

from agent import sums
from contract.agents import AgentQuestion, Array, Ask
from contract.openings import OpeningQuestion
from contract.rows.asked import Encoded
from tests.contract.test_contract_agents import CLASSES, NUMBER, question
from worker.engine.learners.row_terms import TermWeights, claimed_direction, determined, row_terms

SEEDS = [f"{seed:064x}" for seed in range(5)]


def asked(asks: Ask, rows: int) -> tuple[AgentQuestion, Encoded, Array]:
    rng = np.random.default_rng(rows)
    number = asks == "moments"
    about = question(
        encoding=NUMBER if number else CLASSES, rows=rows, learner="ridge" if number else "logistic", asks=asks,
        stack=3 if asks == "objective" else 0,
    )  # fmt: skip
    X = rng.normal(size=(rows, about.encoding.width)).astype(np.float32)
    y = rng.normal(size=rows) if number else rng.integers(0, 2, rows)
    return about, (X, y), rng.normal(size=about.models_shape)


def weighed(about: AgentQuestion, seed: str, toward: tuple[float, ...] = ()) -> TermWeights:
    return TermWeights.of(OpeningQuestion(about=about, answer="ab" * 32, seed=seed, toward=toward))


@pytest.mark.parametrize("asks", ["moments", "curvature"])
def test_along_what_the_sums_claim_terms_are_those_of_b_alone(asks: Ask) -> None:
    about, encoded, models = asked(asks, 400)
    arrays = sums.answered(about, *encoded, models)
    toward = claimed_direction(arrays, weighed(about, SEEDS[0]))
    weights = weighed(about, SEEDS[0], toward)
    assert max(map(abs, toward)) == 1.0
    terms = row_terms(about, encoded, models, weights)
    assert determined(about, arrays, weights) == pytest.approx(terms.sum(), abs=1e-12 * np.abs(terms).sum())
    changed = {**arrays, "A": 2 * arrays["A"]}
    assert determined(about, changed, weights) == determined(about, arrays, weights)
    assert claimed_direction({"A": arrays["A"], "b": 0 * arrays["b"]}, weights) == ()


@pytest.mark.parametrize("asks", ["moments", "curvature", "objective"])
@pytest.mark.parametrize("rows", [1, 40, 9000])
def test_terms_add_up_to_what_the_sums_determine(asks: Ask, rows: int) -> None:
    about, encoded, models = asked(asks, rows)
    arrays = sums.answered(about, *encoded, models)
    for seed in SEEDS:
        weights = weighed(about, seed)
        terms = row_terms(about, encoded, models, weights)
        assert terms.shape == (rows,)
        assert determined(about, arrays, weights) == pytest.approx(terms.sum(), abs=1e-12 * np.abs(terms).sum())
        one = encoded[0][:1], encoded[1][:1]
        assert row_terms(about, one, models, weights)[0] == pytest.approx(terms[0], rel=1e-12)


@pytest.mark.parametrize(("asks", "name"), [("moments", "A"), ("moments", "b"), ("curvature", "b")])
def test_one_number_that_is_changed_changes_what_is_determined(asks: Ask, name: str) -> None:
    about, encoded, models = asked(asks, 40)
    arrays = sums.answered(about, *encoded, models)
    for place in np.ndindex(arrays[name].shape):
        changed = {each: array.copy() for each, array in arrays.items()}
        changed[name][place] += 1.0
        weights = weighed(about, SEEDS[0])
        assert abs(determined(about, changed, weights) - determined(about, arrays, weights)) >= 0.25
