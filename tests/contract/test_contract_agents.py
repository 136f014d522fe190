"""What either side refuses of the other: registrations, questions' models and answers that cannot be what they say."""

from typing import Any

import numpy as np
import pytest

from contract.agents import (
    AgentQuestion,
    AnswerHead,
    AnswerRefused,
    AskedColumn,
    AskedEncoding,
    NoiseTerms,
    models_of,
    packed,
    registration_of,
    unpacked,
)
from contract.document import canonical_json
from contract.rows.columns import CLIP, mark, standardised

HEX = "ab" * 32
COLUMNS = (AskedColumn(name="age", kind="number"), AskedColumn(name="ward", kind="text", categories=("a", "b")))
NUMBER = AskedEncoding(columns=COLUMNS, target="stay", scale=(0.0, 1.0))
CLASSES = AskedEncoding(columns=COLUMNS, target="ill", classes=("no", "yes"))
ROWS = 40


def question(**changes: Any) -> AgentQuestion:
    said = {
        "dataset": "01" * 16, "registration": HEX, "commitment": HEX, "rows": ROWS, "game": HEX, "buyer": "acc_1",
        "purpose": None, "learner": "ridge", "asks": "moments", "encoding": NUMBER,
    }  # fmt: skip
    return AgentQuestion(**{**said, **changes})


def sums(asked: AgentQuestion) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(1)
    X = np.concatenate([rng.normal(size=(ROWS, 1)), np.eye(3)[rng.integers(0, 3, ROWS)], np.ones((ROWS, 1))], axis=1)
    targets = rng.normal(size=(ROWS, 1)) if asked.encoding.scale else np.eye(2)[rng.integers(0, 2, ROWS)]
    return {"A": X.T @ X, "b": X.T @ targets}


def head(asked: AgentQuestion, **changes: Any) -> AnswerHead:
    return AnswerHead(**{"question": asked.digest, "commitment": HEX, "rows": ROWS, **changes})


@pytest.mark.parametrize("encoding", [NUMBER, CLASSES])
def test_an_answer_comes_back_bit_for_bit(encoding: AskedEncoding) -> None:
    asked = question(encoding=encoding)
    sent = sums(asked)
    got = unpacked(asked, packed(head(asked), sent, asked), None)
    assert all((got[name] == sent[name]).all() for name in sent)
    assert len(packed(head(asked), sent, asked)) <= asked.answer_bytes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"question": "cd" * 32}, "of another question"),
        ({"commitment": "cd" * 32}, "of another commitment"),
        ({"rows": ROWS + 1}, "of another number of rows"),
        ({"protocol": 0}, "of another protocol"),
        ({"noise": NoiseTerms(epsilon=1, delta=1e-6, clip=5)}, "of another noise"),
    ],
)
def test_an_answer_to_something_else_is_refused(changes: dict[str, Any], said: str) -> None:
    asked = question()
    with pytest.raises(AnswerRefused, match=said):
        unpacked(asked, packed(head(asked, **changes), sums(asked), asked), None)


def test_a_replayed_answer_is_one_to_another_question() -> None:
    first, second = question(), question(game="cd" * 32)
    with pytest.raises(AnswerRefused, match="another question"):
        unpacked(second, packed(head(first), sums(first), first), None)


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (lambda a: a["A"].__setitem__((0, 0), np.nan), "NaN"),
        (lambda a: a["A"].__setitem__((0, 1), 9.0), "not symmetric"),
        (lambda a: a["A"].__setitem__((0, 0), -1.0), "not positive semidefinite"),
        (lambda a: a["A"].__setitem__((0, 0), 2 * CLIP**2 * ROWS), "larger than sums"),
        (lambda a: a["A"].fill(0.0), "number of rows"),
        (lambda a: a["b"].__setitem__((-1, 0), a["b"][-1, 0] + 1), "no counts"),
        (lambda a: a["b"].__setitem__((0, 0), 1e3), "larger than sums over the rows of a class"),
    ],
)
def test_numbers_that_no_rows_have_as_their_sums_are_refused(forge: Any, said: str) -> None:
    asked = question(encoding=CLASSES)
    arrays = sums(asked)
    forge(arrays)
    with pytest.raises(AnswerRefused, match=said):
        unpacked(asked, packed(head(asked), arrays, asked), None)


@pytest.mark.parametrize("cut", [-1, -8, -200])
def test_an_answer_of_another_length_is_refused(cut: int) -> None:
    asked = question()
    with pytest.raises(AnswerRefused, match="bytes of numbers"):
        unpacked(asked, packed(head(asked), sums(asked), asked)[:cut], None)
    with pytest.raises(AnswerRefused, match="does not begin"):
        unpacked(asked, b"[[[[", None)


def test_models_are_those_that_the_question_names() -> None:
    asked = question(encoding=CLASSES, learner="logistic")
    content = np.ones((3, 2, 5)).tobytes()
    named = asked.of("objective", content, 3)
    assert models_of(named, content).shape == (3, 2, 5)
    for wrong in (content[:-8], np.zeros((3, 2, 5)).tobytes()):
        with pytest.raises(AnswerRefused, match="not those that it names"):
            models_of(named, wrong)
    with pytest.raises(AnswerRefused, match="NaN"):
        models_of(asked.of("objective", (bad := np.full((1, 2, 5), np.nan).tobytes()), 1), bad)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"protocol": 2}, "protocol 1"),
        ({"target": "height"}, "none of the columns"),
        ({"columns": [{"name": "age", "kind": "number"}] * 2}, "one name"),
        ({"labels": {"yes": 90, "no": 60}}, "no more than the rows"),
        ({"noise": {"epsilon": 1.0, "delta": 1e-6, "clip": 4.0}, "learners": ["logistic"]}, "ridge's statistics only"),
    ],
)
def test_a_registration_that_breaks_a_rule_is_refused(changes: dict[str, Any], said: str) -> None:
    whole = {
        "rows": 100, "columns": [{"name": "age", "kind": "number"}, {"name": "ill", "kind": "text"}], "target": "ill",
        "labels": {"yes": None, "no": None}, "commitment": HEX, "learners": ["logistic"],
    }  # fmt: skip
    assert registration_of(canonical_json(whole)).rows == 100
    with pytest.raises(AnswerRefused, match=said):
        registration_of(canonical_json(whole | changes))


def test_numbers_are_cut_off_and_categories_have_a_place_for_what_is_none() -> None:
    assert standardised(np.array([0.0, 1e9, -1e9]), 0.0, 1.0).tolist() == [0.0, CLIP, -CLIP]
    block = np.full((2, 3), 7.0, dtype=np.float32)
    mark(block, np.array([0, 2]))
    assert block.tolist() == [[1, 0, 0], [0, 0, 1]]
