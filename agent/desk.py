"""One agent: a table, the owner's policy, what is remembered. Decides on questions and answers them; sends nothing."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent import noise, openings, policy, sums, tables
from agent.encoding import encoded
from agent.errors import AgentError, NotAllowed
from agent.policy import Policy
from agent.state import Folder, State
from agent.tables import Table
from contract.agent_adapters import AdapterQuestion
from contract.agents import (
    AgentLearner,
    AgentQuestion,
    AnswerHead,
    AskedEncoding,
    RegisteredColumn,
    Registration,
    models_of,
    packed,
)
from contract.document import canonical_json, digest_of
from contract.openings import DrawnRows, OpeningQuestion, answer_bytes
from contract.proof.row_commitment import commitment, leaves_of

# asked at one model after the other: the same bytes again, and nothing is spent
_OVER_AND_OVER = ("objective", "gradients")
Rows = tuple[NDArray[np.float32], NDArray[np.float64] | NDArray[np.int64]]


@dataclass
class Desk:
    """An agent at work on one table."""

    path: Path
    target: str
    policy: Policy
    folder: Folder
    table: Table
    state: State
    _encoded: tuple[str, Rows] | None = None

    @classmethod
    def open(cls, path: Path, target: str, allowed: Policy, folder: Folder) -> "Desk":
        """Read the table; raises AgentError."""
        table = tables.read(path)
        if target not in table.names:
            raise AgentError(f"{path}: there is no column `{target}`; it has {', '.join(table.names)}")
        if gaps := table.gaps(target):
            raise AgentError(f"{path}: {gaps} cells of `{target}`, which is predicted, are missing; drop those rows")
        return cls(path, target, allowed, folder, table, folder.load())

    def registration(self) -> Registration:
        """What is registered of the table: no row, no value of a row but the labels."""
        return Registration(
            rows=self.table.rows,
            columns=tuple(
                RegisteredColumn(name=name, kind=self.table.kind(name), gaps=self.table.gaps(name) > 0)
                for name in self.table.names
            ),
            target=self.target,
            labels=self._labels(),
            commitment=commitment(leaves_of(self.table.cells(), bytes.fromhex(self.state.secret))),
            learners=self._learners(),
            noise=self.policy.noise,
            open_rows=self.policy.open_rows,
        )

    @property
    def kept_as(self) -> dict[str, str | None]:
        """What the service's catalogue is told of the dataset's kind."""
        return {"target": self.target}

    def _learners(self) -> tuple[AgentLearner, ...]:
        learners = tuple(each for each in self.policy.learners if each != "lm")
        if not learners:
            raise AgentError("the policy allows lm alone, which trains on documents; name their base models (--base)")
        return learners

    def _labels(self) -> dict[str, int | None]:
        if self.policy.labels == "none" or not {"logistic", "mlp"} & set(self.policy.learners):
            return {}
        counts = Counter(self.table.labels(self.target))
        counted = self.policy.labels == "counts"
        return {label: count if counted else None for label, count in sorted(counts.items())}

    def created(self, dataset: str) -> None:
        """Remember the table's name at the service, before anything is registered under it."""
        self.state = self.state.model_copy(update={"dataset": dataset.rpartition("_")[2]})
        self.folder.save(self.state)

    def registered(self, registration: Registration) -> None:
        """Remember what was registered."""
        content = canonical_json(registration.plain())
        changes = {
            "registration_digest": hashlib.sha256(content).hexdigest(),
            "commitment": registration.commitment,
            "rows": registration.rows,
        }
        self.state = self.state.model_copy(update=changes)
        self.folder.save(self.state)

    def check_unchanged(self) -> None:
        """Raises AgentError where the rows are others than those that were committed to."""
        current = commitment(leaves_of(self.table.cells(), bytes.fromhex(self.state.secret)))
        if current != self.state.commitment:
            raise AgentError(
                f"{self.path}: the rows have changed since they were registered (commitment {current[:12]}…, "
                f"registered {self.state.commitment[:12]}…); register them as a new version"
            )

    def answer(self, question: AgentQuestion, models: bytes) -> bytes:
        """The bytes of the answer; raises NotAllowed, AnswerRefused. What it spends is written down before."""
        policy.check(self.policy, self.state, question)
        if (kept := self.folder.kept(question.digest)) is not None:
            return kept
        X, y = self._rows(question.encoding)
        policy.check_rows(self.policy, question, X, y)
        spent = self.state.spent
        if self.policy.noise is None:
            arrays = sums.answered(question, X, y, models_of(question, models))
        else:
            each = noise.check_budget(self.policy, spent)
            arrays = noise.noisy_moments(X, y.astype(np.float64), self.policy.noise, each)
            spent = (*spent, each)
        answer = packed(self._head(question), arrays, question)
        counted = self.state.jobs | {question.game: self.state.jobs.get(question.game, 0) + 1}
        if question.asks not in _OVER_AND_OVER:
            self.folder.keep(question.digest, answer)
        self.state = self.state.model_copy(update={"jobs": counted, "spent": spent})
        self.folder.save(self.state)
        return answer

    def train(self, question: AdapterQuestion) -> bytes:
        """The bytes of the adapter of documents; raises NotAllowed, AnswerRefused."""
        raise NotAllowed(f"{question.learner} is trained on documents, and this agent keeps a table")

    def bear_out(self, question: OpeningQuestion, models: bytes) -> bytes:
        """The bytes of totals or opened rows; raises NotAllowed, AnswerRefused. What is shown is counted before."""
        policy.check(self.policy, self.state, question.about)
        if (kept := self.folder.kept(question.digest)) is not None:
            return kept
        openings.check(self.policy, self.state, question)
        opener = openings.TableOpener(self.table, bytes.fromhex(self.state.secret), self._rows(question.about.encoding))
        told = opener.answer(question, models_of(question.about, models))
        openings.check_again(self.policy, self.state, question, told)
        answer = answer_bytes(told)
        self.folder.keep(question.digest, answer)
        game = question.about.game
        places = tuple(row.place for row in told.rows) if isinstance(told, DrawnRows) else ()
        before = self.state.places.get(game, ())
        more = len(set(places).difference(before)) if question.again else question.opens
        changes = {
            "jobs": self.state.jobs | {game: self.state.jobs[game] + 1},
            "opened": self.state.opened | {game: self.state.opened.get(game, 0) + more},
            "places": self.state.places | {game: tuple(sorted({*before, *places}))},
        }
        self.state = self.state.model_copy(update=changes)
        self.folder.save(self.state)
        return answer

    def _head(self, question: AgentQuestion | AdapterQuestion) -> AnswerHead:
        return AnswerHead(
            question=question.digest,
            commitment=self.state.commitment,
            rows=self.state.rows,
            noise=self.policy.noise,
        )

    def _rows(self, encoding: AskedEncoding) -> Rows:
        """The encoded rows; those of the last encoding are kept in memory."""
        digest = digest_of(encoding.plain())
        if self._encoded is None or self._encoded[0] != digest:
            self._encoded = digest, encoded(self.table, encoding)
        return self._encoded[1]
