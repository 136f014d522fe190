"""A player whose rows stay with its owner, as the engine sees it: questions to its agent, and the answers that came.

A question is a row in the database, which the agent gets over HTTP; the answer is a row too, and the same question is
asked once, so a shard that is done again, here or elsewhere, finds what was answered before. An agent that does not
answer is waited for a moment; then the work stops (``AgentAway``), and is done again later.
"""

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sqlalchemy.orm import Session, sessionmaker
from torch import Tensor

from app.agents import repository
from app.agents.tables import QuestionStatus
from app.datasets.rows.features import Encoding
from app.datasets.rows.registered import encoding_for_agent, read_registration
from app.db.session import transaction
from contract.agent_networks import MOST_NUMBERS, NetworkSettings
from contract.agents import ASKS, AgentLearner, AgentQuestion, Ask, Registration, unpacked
from contract.document import digest_of
from contract.openings import AskedQuestion
from contract.orders.job import AwayTerms, Job
from contract.rows.files import InputFile
from worker.engine.games.away import RowMoments, TangentMoments

_FIRST_LOOK, _LONGEST_LOOK = 0.01, 0.2
# models of one question
_MOST_STACKED = 64
Check = Callable[[], None]


class AgentAway(Exception):
    """An agent has not answered for a while; the text names the dataset."""


class AgentRefused(Exception):
    """An agent does not answer, and says why; the text is for the buyer."""


class Questions(Protocol):
    """Where questions are left and answers found."""

    def ask(self, dataset: uuid.UUID, question: AskedQuestion, models: bytes) -> None: ...

    def answer(self, dataset: uuid.UUID, question: AskedQuestion, models: bytes, check: Check) -> bytes: ...


def _moments(arrays: Mapping[str, NDArray[np.float64]]) -> RowMoments:
    return RowMoments(torch.from_numpy(arrays["A"]), torch.from_numpy(arrays["b"]))


@dataclass(frozen=True)
class QuestionDesk:
    """The database's. ``patience``: seconds after which an agent counts as away."""

    factory: sessionmaker[Session]
    patience: float

    def ask(self, dataset: uuid.UUID, question: AskedQuestion, models: bytes) -> None:
        """Leave a question where the agent finds it."""
        with transaction(self.factory) as session:
            repository.ask(session, dataset, question, models)

    def answer(self, dataset: uuid.UUID, question: AskedQuestion, models: bytes, check: Check) -> bytes:
        """The bytes of the answer; raises AgentAway, AgentRefused, and what ``check`` raises."""
        ends, look = time.monotonic() + self.patience, _FIRST_LOOK
        while True:
            with transaction(self.factory) as session:
                row = repository.stored_question(session, dataset, question.digest)
                if row is None:
                    repository.ask(session, dataset, question, models)
                elif row.status is QuestionStatus.ANSWERED and row.answer is not None:
                    return row.answer
                elif row.status is QuestionStatus.REFUSED:
                    raise AgentRefused(f"the agent of dataset ds_{dataset.hex} does not answer: {row.refusal}")
            check()
            if time.monotonic() > ends:
                raise AgentAway(f"the agent of dataset ds_{dataset.hex} has not answered for {self.patience:g} seconds")
            time.sleep(look)
            look = min(1.5 * look, _LONGEST_LOOK)


@dataclass(eq=False)
class AskedPlayer:
    """``worker.engine.games.away.Away`` by questions. ``question`` lacks only what it asks and its models."""

    desk: Questions
    question: AgentQuestion
    registration: Registration
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _moments: RowMoments | None = None
    _tangents: dict[str, TangentMoments] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.registration.rows

    def moments(self, check: Check) -> RowMoments:
        with self._lock:
            if self._moments is None:
                arrays = self._arrays(*self._question("moments", None), check)
                self._moments = _moments(arrays)
            return self._moments

    def objective(self, theta: Tensor, check: Check) -> Callable[[], tuple[Tensor, Tensor]]:
        question, content = self._question("objective", theta)
        self.desk.ask(uuid.UUID(question.dataset), question, content)

        def wait() -> tuple[Tensor, Tensor]:
            values, gradients = map(torch.from_numpy, self._arrays(question, content, check).values())
            return values.to(theta), gradients.to(theta)

        return wait

    def curvature(self, theta: Tensor, check: Check) -> RowMoments:
        arrays = self._arrays(*self._question("curvature", theta.unsqueeze(0)), check)
        return _moments(arrays)

    def gradients(self, models: Tensor, check: Check) -> Callable[[], Tensor]:
        size = max(1, min(_MOST_STACKED, MOST_NUMBERS // models.shape[1]))
        questions = [self._question("gradients", models[a : a + size]) for a in range(0, len(models), size)]
        for question, content in questions:
            self.desk.ask(uuid.UUID(question.dataset), question, content)

        def wait() -> Tensor:
            answers = [self._arrays(question, content, check).values() for question, content in questions]
            return torch.from_numpy(np.concatenate([gradients for (gradients,) in answers]))

        return wait

    def tangents(self, reference: Tensor, sketch: int, check: Check) -> TangentMoments:
        question, content = self._question("tangents", reference.unsqueeze(0), sketch)
        with self._lock:
            if question.digest not in self._tangents:
                # in the order that the question says
                A, b, squares = map(torch.from_numpy, self._arrays(question, content, check).values())
                self._tangents[question.digest] = TangentMoments(A, b, float(squares))
            return self._tangents[question.digest]

    def _question(self, asks: Ask, models: Tensor | None, sketch: int = 0) -> tuple[AgentQuestion, bytes]:
        """A question, and the numbers that come with it."""
        content = b"" if models is None else models.detach().cpu().numpy().astype("<f8").tobytes()
        stack = len(models) if models is not None and asks in ("objective", "gradients") else 0
        return self.question.of(asks, content, stack, sketch), content

    def _arrays(self, question: AgentQuestion, content: bytes, check: Check) -> dict[str, NDArray[np.float64]]:
        answer = self.desk.answer(uuid.UUID(question.dataset), question, content, check)
        # what lies in the database is checked again where it is counted with
        return unpacked(question, answer, self.registration.noise)


def game_of(job: Job, terms: AwayTerms) -> str:
    """The buyer's game: what another buyer asks of the same files is another job to the owner."""
    return digest_of({"game": job.game_digest, "buyer": terms.buyer})


def player_of_agent(desk: Questions, job: Job, file: InputFile, encoding: Encoding, content: bytes) -> AskedPlayer:
    """The player behind a file that is a registration (``content``); raises InvalidData where it does not fit."""
    registration = read_registration(content, file.name)
    terms = job.inputs.away
    if terms is None:
        raise AssertionError(f"game {job.game_id} has data that stays with its owner, and no terms for its agent")
    learner = asked_learner(job.game.learner.name)
    question = AgentQuestion(
        dataset=file.name.rpartition("_")[2],
        registration=file.digest,
        commitment=registration.commitment,
        rows=registration.rows,
        game=game_of(job, terms),
        buyer=terms.buyer,
        purpose=terms.purpose,
        learner=learner,
        asks=ASKS[learner][0],
        encoding=encoding_for_agent(encoding, registration, file.name, file.target),
        network=NetworkSettings.of(job.game.learner.hyper).network if learner == "mlp" else None,
    )
    return AskedPlayer(desk, question, registration)


def asked_learner(name: str) -> AgentLearner:
    """A learner by its name among those that agents answer for."""
    for known in ASKS:
        if known == name:
            return known
    raise AssertionError(f"no agent answers for {name}, and an order of it with data at home is refused")
