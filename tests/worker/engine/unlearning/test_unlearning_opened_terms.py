"""Rows' terms of answers about networks add up to what the answers determine, and false answers need false terms."""

import numpy as np
import pytest

from agent import networks
from contract.agents import AgentQuestion, Array, Ask
from contract.openings import OpeningQuestion
from contract.rows.asked import Encoded
from tests.contract.test_contract_agents import CLASSES, NUMBER, question
from worker.engine.learners.row_terms import TermWeights, claimed_direction
from worker.engine.unlearning.opened_terms import opened_terms, opened_total

CASES = [("gradients", True), ("gradients", False), ("tangents", True), ("tangents", False)]


def asked(asks: Ask, number: bool, rows: int = 90) -> tuple[AgentQuestion, Encoded, Array]:
    rng = np.random.default_rng(rows)
    encoding = NUMBER if number else CLASSES
    network = {"hidden": 6, "layers": 2, "sketch": 20 if asks == "tangents" else 0}
    plain = question(encoding=encoding, rows=rows, stack=3 if asks == "gradients" else 0).plain()
    about = AgentQuestion.read(plain | {"learner": "mlp", "asks": asks, "network": network})
    X = rng.normal(size=(rows, encoding.width)).astype(np.float32)
    y = rng.normal(size=rows) if number else rng.integers(0, encoding.outputs, rows)
    return about, (X, y), rng.normal(size=about.models_shape)


def weighed(about: AgentQuestion, seed: int, toward: tuple[float, ...] = ()) -> TermWeights:
    return TermWeights.of(OpeningQuestion(about=about, answer="ab" * 32, seed=f"{seed:064x}", toward=toward))


@pytest.mark.parametrize(("asks", "number"), CASES)
def test_terms_add_up_to_what_the_answer_determines(asks: Ask, number: bool) -> None:
    about, rows, models = asked(asks, number)
    arrays = networks.answered(about, *rows, models)
    for seed in range(3):
        anyway = weighed(about, seed)
        for weights in (anyway, weighed(about, seed, claimed_direction(arrays, anyway))):
            terms = opened_terms(about, rows, models, weights)
            assert terms.shape == (90,)
            assert opened_total(about, arrays, weights) == pytest.approx(terms.sum(), abs=1e-11 * np.abs(terms).sum())
            one = rows[0][7:8], rows[1][7:8]
            assert opened_terms(about, one, models, weights)[0] == pytest.approx(terms[7], rel=1e-9)


@pytest.mark.parametrize(("asks", "name"), [("gradients", "gradients"), ("tangents", "A"), ("tangents", "squares")])
def test_a_false_answer_needs_false_terms(asks: Ask, name: str) -> None:
    about, rows, models = asked(asks, number=True)
    arrays = networks.answered(about, *rows, models)
    false = {**arrays, name: 1.01 * arrays[name]}
    for seed in range(3):
        weights = weighed(about, seed)
        terms = opened_terms(about, rows, models, weights)
        assert abs(opened_total(about, false, weights) - terms.sum()) > 1e-6 * np.abs(terms).sum()


def test_along_the_claimed_gradient_it_is_as_large_as_can_be() -> None:
    about, rows, models = asked("gradients", number=False)
    arrays = networks.answered(about, *rows, models)
    toward = claimed_direction(arrays, weighed(about, 0))
    assert max(map(abs, toward)) == 1.0
    along, anyway = weighed(about, 0, toward), weighed(about, 0)
    parts = [abs(opened_total(about, arrays, each)) / np.linalg.norm(each.left) for each in (along, anyway)]
    assert parts[0] > parts[1]
