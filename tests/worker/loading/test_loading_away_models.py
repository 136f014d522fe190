"""A player whose model is asked for: one question that says the whole game, an answer checked where it is used."""

import uuid
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from app.errors import InvalidData
from contract.agent_adapters import packed_adapter
from contract.agent_texts import RegisteredBase, RegisteredTexts
from contract.agents import AnswerHead, AnswerRefused, RegisteredColumn, Registration
from contract.document import canonical_json
from contract.openings import AskedQuestion
from contract.orders.game import LearnerChoice, TokenBlocks
from contract.orders.job import AwayTerms, Job
from contract.rows.files import InputFile
from worker.loading.away_models import AskedModel, model_of_agent

BASE = "cd" * 32
OWN = Registration(
    rows=20,
    columns=(RegisteredColumn(name="text", kind="text"),),
    commitment="ab" * 32,
    learners=("lm",),
    texts=RegisteredTexts(bases=(RegisteredBase(digest=BASE, blocks={32: 7}),)),
)
FILE = InputFile(name="dataset ds_" + "01" * 16, digest="ef" * 32, format="agent", target="")
HYPER: dict[str, float | int | str] = {"layers": 1, "width": 32, "heads": 2, "rank": 2}


@dataclass
class Told:
    """A desk that answers at once."""

    answers: list[bytes] = field(default_factory=list)
    asked: list[AskedQuestion] = field(default_factory=list)

    def ask(self, dataset: uuid.UUID, question: AskedQuestion, models: bytes) -> None:
        self.asked.append(question)

    def answer(self, dataset: uuid.UUID, question: AskedQuestion, models: bytes, check: object) -> bytes:
        return self.answers.pop(0)


def job(context: int = 32, base: str = BASE) -> Job:
    blocks = TokenBlocks(context=context, vocabulary=256, domain_column=None, domains=("",))
    game = SimpleNamespace(encoding=blocks, base=base, learner=LearnerChoice(name="lm", hyper=HYPER), seed=3)
    away = AwayTerms(buyer="acc_1", purpose="research", copies="first")
    said = {"game": game, "inputs": SimpleNamespace(away=away), "game_digest": "00" * 32, "game_id": uuid.uuid4()}
    return cast(Job, SimpleNamespace(**said))


def player(desk: Told, registration: Registration = OWN, **changes: Any) -> AskedModel:
    return model_of_agent(desk, job(**changes), FILE, canonical_json(registration.plain()))


def test_the_question_says_the_game_and_is_asked_before_it_is_waited_for() -> None:
    desk = Told()
    own = player(desk)
    question = own.question
    assert (own.rows, question.rows, question.blocks, question.base) == (7, 20, 7, BASE)
    assert (question.buyer, question.purpose, question.seed, question.dataset) == ("acc_1", "research", 3, "01" * 16)
    wait = own.model(lambda: None)
    assert desk.asked == [question]
    sent = {name: np.ones(shape, dtype=np.float32) for name, shape in question.shapes.items()}
    head = AnswerHead(question=question.digest, commitment=OWN.commitment, rows=20)
    desk.answers = [packed_adapter(head, sent, question), packed_adapter(head, sent, question)[:-1]]
    got = wait()
    assert all((got[name] == sent[name]).all() for name in sent)
    with pytest.raises(AnswerRefused, match="bytes of numbers"):
        wait()


@pytest.mark.parametrize("changes", [{"context": 64}, {"base": "00" * 32}])
def test_a_job_that_the_registration_does_not_fit_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidData, match="registered no blocks"):
        player(Told(), **changes)
