"""One agent of documents: those, the owner's policy, the bases at hand. Decides and trains; sends nothing."""

from dataclasses import dataclass
from pathlib import Path

from agent import adapters, documents, policy
from agent.bases import BaseFolder
from agent.desk import Desk
from agent.errors import AgentError, NotAllowed
from agent.policy import Policy
from agent.state import Folder
from contract.agent_adapters import AdapterQuestion, packed_adapter
from contract.agent_texts import RegisteredTexts
from contract.agents import AgentLearner, AgentQuestion, RegisteredColumn, Registration
from contract.openings import OpeningQuestion
from contract.proof.row_commitment import commitment, leaves_of


@dataclass
class TextDesk(Desk):
    """An agent at work on documents, each of which is a row of the commitment."""

    bases: tuple[BaseFolder, ...] = ()

    @classmethod
    def of_documents(cls, path: Path, bases: list[Path], allowed: Policy, folder: Folder) -> "TextDesk":
        """Read documents and bases; raises AgentError."""
        if "lm" not in allowed.learners:
            raise AgentError('documents are answered for where the policy says so: learners = ["lm"]')
        table, state = documents.read(path), folder.load()
        return cls(path, "", allowed, folder, table, state, bases=tuple(map(BaseFolder.open, bases)))

    @property
    def kept_as(self) -> dict[str, str | None]:
        return {"target": None, "modality": "text"}

    def _learners(self) -> tuple[AgentLearner, ...]:
        return ("lm",)

    def registration(self) -> Registration:
        """What is registered: how many documents there are, and how many blocks they make for each base."""
        return Registration(
            rows=self.table.rows,
            columns=(RegisteredColumn(name=documents.TEXT, kind="text"),),
            commitment=commitment(leaves_of(self.table.cells(), bytes.fromhex(self.state.secret))),
            learners=self._learners(),
            texts=RegisteredTexts(bases=tuple(base.registered(self._texts) for base in self.bases)),
        )

    @property
    def _texts(self) -> tuple[str, ...]:
        return tuple(map(str, self.table.texts[documents.TEXT]))

    def train(self, question: AdapterQuestion) -> bytes:
        """The bytes of the adapter; raises NotAllowed. What it counts is written down before."""
        policy.check_adapter(self.policy, self.state, question)
        if (kept := self.folder.kept(question.digest)) is not None:
            return kept
        base = next((each for each in self.bases if each.digest == question.base), None)
        if base is None:
            raise NotAllowed(f"this agent has no base {question.base[:12]}")
        answer = packed_adapter(self._head(question), adapters.trained(question, base, self._texts), question)
        self.folder.keep(question.digest, answer)
        counted = self.state.jobs | {question.game: self.state.jobs.get(question.game, 0) + 1}
        self.state = self.state.model_copy(update={"jobs": counted})
        self.folder.save(self.state)
        return answer

    def answer(self, question: AgentQuestion, models: bytes) -> bytes:  # noqa: ARG002 - as of a table
        raise NotAllowed(f"{question.learner} needs a table, and this agent keeps documents")

    def bear_out(self, question: OpeningQuestion, models: bytes) -> bytes:  # noqa: ARG002 - as of a table
        raise NotAllowed(f"{question.about.learner} needs a table, and this agent keeps documents")
