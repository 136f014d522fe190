"""Networks in questions to agents: as long as the engine's, and answers that no rows can have are refused."""

import numpy as np
import pytest

from contract.agent_networks import MOST_NUMBERS, AskedNetwork
from contract.agents import (
    AgentQuestion,
    AnswerHead,
    AnswerRefused,
    AskedColumn,
    AskedEncoding,
    models_of,
    packed,
    unpacked,
)
from contract.metrics import Predicts
from worker.engine.learners.mlp import MLP

HEX, ROWS = "ab" * 32, 40
COLUMNS = (AskedColumn(name="age", kind="number"), AskedColumn(name="ward", kind="text", categories=("a", "b")))
CLASSES = AskedEncoding(columns=COLUMNS, target="ill", classes=("no", "yes"))
NUMBER = AskedEncoding(columns=COLUMNS, target="stay", scale=(0.0, 1.0))
Arrays = dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]


def question(encoding: AskedEncoding = CLASSES, **changes: object) -> AgentQuestion:
    said: dict[str, object] = {
        "dataset": "01" * 16, "registration": HEX, "commitment": HEX, "rows": ROWS, "game": HEX, "buyer": "acc_1",
        "purpose": None, "learner": "mlp", "asks": "gradients", "encoding": encoding.plain(), "stack": 3,
        "network": {"hidden": 5, "layers": 2, "sketch": 6},
    }  # fmt: skip
    return AgentQuestion.read({**said, **changes})


def answer(asked: AgentQuestion, arrays: Arrays) -> bytes:
    return packed(AnswerHead(question=asked.digest, commitment=HEX, rows=ROWS), arrays, asked)


def tangents(encoding: AskedEncoding) -> Arrays:
    rng = np.random.default_rng(1)
    phi = np.concatenate([rng.normal(size=(ROWS, 6)), np.ones((ROWS, 1))], axis=1)
    t = np.eye(2)[rng.integers(0, 2, ROWS)] if encoding.classes else rng.normal(size=(ROWS, 1))
    return {"A": phi.T @ phi, "b": phi.T @ t, "squares": np.array([np.square(t).sum()])}


@pytest.mark.parametrize(("hidden", "layers", "encoding"), [(5, 2, CLASSES), (33, 1, NUMBER), (64, 3, CLASSES)])
def test_a_network_is_as_long_as_the_engines_and_ends_with_the_same_bias(
    hidden: int, layers: int, encoding: AskedEncoding
) -> None:
    asked = AskedNetwork(hidden=hidden, layers=layers)
    predicts = Predicts.CLASS if encoding.classes else Predicts.NUMBER
    layout = MLP({"hidden": hidden, "layers": layers}, (encoding.width,), encoding.outputs, predicts).layout
    last = layout.slots[-1]
    assert asked.width(encoding.width, encoding.outputs) == layout.width
    assert asked.last_bias(encoding.width, encoding.outputs) == slice(last.start, last.start + last.size)


@pytest.mark.parametrize("encoding", [CLASSES, NUMBER])
def test_tangents_and_gradients_come_back_bit_for_bit(encoding: AskedEncoding) -> None:
    asked, sums = question(encoding, asks="tangents", stack=0), tangents(encoding)
    assert all((got == sums[name]).all() for name, got in unpacked(asked, answer(asked, sums), None).items())
    asked = question(encoding)
    gradients = np.zeros(asked.shapes["gradients"])
    gradients[:, 0] = 7.5
    assert (unpacked(asked, answer(asked, {"gradients": gradients}), None)["gradients"] == gradients).all()
    models = gradients.tobytes()
    assert models_of(asked.of("gradients", models, 3), models).shape == gradients.shape


@pytest.mark.parametrize("to", [(0, 41.0), (0, 0.5)])
def test_gradients_of_the_outputs_bias_are_sums_of_probabilities_less_labels(to: tuple[int, float]) -> None:
    asked = question()
    gradients = np.zeros(asked.shapes["gradients"])
    assert asked.network is not None
    bias = asked.network.last_bias(CLASSES.width, CLASSES.outputs)
    gradients[1, bias.start] = to[1]
    with pytest.raises(AnswerRefused, match="no sum of probabilities less labels"):
        unpacked(asked, answer(asked, {"gradients": gradients}), None)


@pytest.mark.parametrize(
    ("encoding", "name", "place", "value", "said"),
    [
        (CLASSES, "A", (0, 1), 9.0, "not symmetric"),
        (CLASSES, "A", (0, 0), -1.0, "not positive semidefinite"),
        (CLASSES, "A", (-1, -1), 41.0, "number of rows"),
        (CLASSES, "squares", (0,), 41.0, "no count of the rows"),
        (CLASSES, "b", (0, 0), 1e3, "larger than sums over the rows of a class"),
        (NUMBER, "b", (0, 0), 1e3, "larger than sums over targets"),
        (NUMBER, "squares", (0,), -1.0, "larger than sums over targets"),
    ],
)
def test_moments_that_no_rows_have_are_refused(
    encoding: AskedEncoding, name: str, place: tuple[int, ...], value: float, said: str
) -> None:
    asked, sums = question(encoding, asks="tangents", stack=0), tangents(encoding)
    sums[name][place] = value
    with pytest.raises(AnswerRefused, match=said):
        unpacked(asked, answer(asked, sums), None)


def test_a_network_is_said_for_mlp_alone_and_answers_are_bounded() -> None:
    with pytest.raises(ValueError, match="which network"):
        question(network=None)
    with pytest.raises(ValueError, match="which network"):
        question(learner="logistic")
    with pytest.raises(ValueError, match=f"at most {MOST_NUMBERS} numbers"):
        question(network={"hidden": 4096, "layers": 1}, stack=64)


def test_questions_of_before_read_as_they_did() -> None:
    asked = question(learner="logistic", network=None, asks="objective")
    assert "network" not in asked.plain()
    assert AgentQuestion.read(asked.plain()) == asked
