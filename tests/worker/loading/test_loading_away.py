"""A player that is asked: each question once, an answer checked where it is counted with, an agent that is away."""

import uuid
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from sqlalchemy.orm import Session

from app.agents import repository
from app.agents.tables import QuestionStatus
from app.db.session import transaction
from contract.agent_networks import MOST_NUMBERS, AskedNetwork
from contract.agents import (
    AgentQuestion,
    AnswerHead,
    AnswerRefused,
    AskedColumn,
    AskedEncoding,
    RegisteredColumn,
    Registration,
    packed,
)
from tests.market import Market
from worker.loading.away import AgentAway, AgentRefused, AskedPlayer, QuestionDesk

COLUMNS = (RegisteredColumn(name="a", kind="number"), RegisteredColumn(name="y", kind="number"))
OWN = Registration(rows=20, columns=COLUMNS, target="y", commitment="ab" * 32, learners=("ridge",))
QUESTION = AgentQuestion(
    dataset="01" * 16, registration="cd" * 32, commitment=OWN.commitment, rows=20, game="ef" * 32, buyer="acc_1",
    purpose=None, learner="ridge", asks="moments",
    encoding=AskedEncoding(columns=(AskedColumn(name="a", kind="number"),), target="y", scale=(0.0, 1.0)),
)  # fmt: skip
X = np.stack([np.linspace(-1, 1, 20), np.ones(20)], axis=1)


def moments(question: AgentQuestion, **changes: object) -> bytes:
    head = {"question": question.digest, "commitment": OWN.commitment, "rows": 20} | changes
    return packed(AnswerHead.read(head), {"A": X.T @ X, "b": X.T @ X[:, :1]}, question)


@dataclass
class Told:
    """A desk that answers at once."""

    answers: list[bytes]
    asked: list[AgentQuestion] = field(default_factory=list)

    def ask(self, dataset: uuid.UUID, question: AgentQuestion, models: bytes) -> None:
        self.asked.append(question)

    def answer(self, dataset: uuid.UUID, question: AgentQuestion, models: bytes, check: object) -> bytes:
        self.asked.append(question)
        return self.answers.pop(0)


def test_moments_are_asked_for_once() -> None:
    desk = Told([moments(QUESTION)])
    player = AskedPlayer(desk, QUESTION, OWN)
    first, second = player.moments(lambda: None), player.moments(lambda: None)
    assert torch.equal(first.A, second.A)
    assert (len(desk.asked), player.rows) == (1, 20)


def test_what_was_kept_is_checked_again() -> None:
    player = AskedPlayer(Told([moments(QUESTION, commitment="00" * 32)]), QUESTION, OWN)
    with pytest.raises(AnswerRefused, match="another commitment"):
        player.moments(lambda: None)


def test_a_question_waits_for_its_answer_and_an_agent_that_is_away_or_refuses_ends_the_wait(market: Market) -> None:
    desk, dataset = QuestionDesk(market.factory, 0.2), market.datasets[0]

    def answered(session: Session, status: QuestionStatus) -> None:
        row = repository.stored_question(session, dataset, QUESTION.digest)
        assert row is not None
        row.status, row.answer, row.refusal = status, b"sums", "the policy forbids it"

    with pytest.raises(AgentAway, match="has not answered for"):
        desk.answer(dataset, QUESTION, b"", lambda: None)
    with transaction(market.factory) as session:
        answered(session, QuestionStatus.ANSWERED)
    assert desk.answer(dataset, QUESTION, b"", lambda: None) == b"sums"
    with transaction(market.factory) as session:
        answered(session, QuestionStatus.REFUSED)
    with pytest.raises(AgentRefused, match="the policy forbids it"):
        desk.answer(dataset, QUESTION, b"", lambda: None)


def test_gradients_of_many_models_are_several_questions_and_tangents_are_asked_for_once() -> None:
    network = AskedNetwork(hidden=10_000 // 32 * 4, layers=1)
    parameters = network.width(1, 1)
    base = QUESTION.model_copy(update={"learner": "mlp", "asks": "gradients", "network": network})
    count = MOST_NUMBERS // parameters + 2
    assert count > 64
    models = torch.zeros((130, parameters), dtype=torch.float64)
    models[:, 0] = torch.arange(130)
    desk = Told([])
    player = AskedPlayer(desk, base, OWN)
    wait = player.gradients(models, lambda: None)
    assert [asked.stack for asked in desk.asked] == [64, 64, 2]
    for asked, some in zip(tuple(desk.asked), models.split(64), strict=True):
        head = AnswerHead(question=asked.digest, commitment=OWN.commitment, rows=20)
        desk.answers.append(packed(head, {"gradients": some.numpy()}, asked))
    assert torch.equal(wait(), models)
    asked = base.of("tangents", models[0].numpy().tobytes(), sketch=1)
    head = AnswerHead(question=asked.digest, commitment=OWN.commitment, rows=20)
    desk.answers.append(packed(head, {"A": X.T @ X, "b": X.T @ X[:, :1], "squares": np.array([10.0])}, asked))
    first, second = (player.tangents(models[0], 1, lambda: None) for _ in range(2))
    assert torch.equal(first.A, second.A)
    assert first.squares == 10.0
