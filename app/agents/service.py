"""The rules of questions to agents: who is given which, what counts as an answer. Never commits; computes nothing.

A question is answered once. An answer is kept only where it can be one: of this question, this commitment, this
protocol, with numbers that sums over so many rows can be (``contract.agents.unpacked``), or an adapter of the shapes
that are asked for (``contract.agent_adapters``).
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app.agents import repository
from app.agents.tables import AskedQuestion, QuestionStatus
from app.datasets import service as datasets
from app.datasets.tables import DatasetFormat
from app.errors import Conflict, FieldError, InvalidData, InvalidInput, NotFound
from app.http.ids import public_id
from app.identity import Caller
from app.storage.blobs import BlobStore
from contract.agent_adapters import AdapterQuestion, unpacked_adapter
from contract.agents import PROTOCOL, AnswerRefused, Registration, registration_of, unpacked
from contract.openings import AskedQuestion as Question
from contract.openings import OpeningQuestion, opened, read_question

MOST_AT_ONCE = 16


def check_agent(session: Session, caller: Caller, dataset_ids: Sequence[uuid.UUID], protocol: int) -> None:
    """Note that an agent is there; raises NotFound for datasets that are not the caller's, Conflict for others than an
    agent's, InvalidInput for an agent of another protocol."""
    if protocol != PROTOCOL:
        detail = (
            f"this agent speaks protocol {protocol}, and the service {PROTOCOL}; install the release of Cherish that "
            "the service runs"
        )
        raise InvalidInput(detail, errors=[FieldError("/protocol", detail, "protocol")])
    for dataset_id in dataset_ids:
        dataset = datasets.content(session, caller, dataset_id)
        if dataset.format is not DatasetFormat.AGENT:
            raise Conflict(f"dataset {public_id('ds', dataset_id)} was uploaded; it has no agent")
    repository.saw(session, dataset_ids, protocol)


def waiting(session: Session, caller: Caller, dataset_ids: Sequence[uuid.UUID]) -> Sequence[AskedQuestion]:
    """The questions that wait, oldest first."""
    return repository.waiting(session, caller.account_id, dataset_ids, MOST_AT_ONCE)


def expected(session: Session, caller: Caller, question_id: uuid.UUID) -> Question:
    """The question that an answer is about to be sent to; raises NotFound for somebody else's."""
    return read_question(_own(session, caller, question_id).question)


def keep_answer(
    session: Session, blobs: BlobStore, caller: Caller, question_id: uuid.UUID, content: bytes
) -> AskedQuestion:
    """Keep an answer. The same one may be sent again; raises Conflict for another one, InvalidData for none."""
    row = _own(session, caller, question_id)
    if row.status is QuestionStatus.ANSWERED and row.answer == content:
        return row
    if row.status is not QuestionStatus.WAITING:
        raise Conflict(f"question {public_id('aq', row.id)} is {row.status.value} already, and is answered once")
    question = read_question(row.question)
    registration = registered(session, blobs, caller, row.dataset_id, question)
    try:
        if isinstance(question, OpeningQuestion):
            opened(question, content)
        elif isinstance(question, AdapterQuestion):
            unpacked_adapter(question, content)
        else:
            unpacked(question, content, registration.noise)
    except AnswerRefused as refusal:
        raise InvalidData(f"question {public_id('aq', row.id)}: {refusal}; nothing was kept") from None
    row.status, row.answer, row.answered_at = QuestionStatus.ANSWERED, content, datetime.now(UTC)
    session.flush()
    return row


def registered(
    session: Session, blobs: BlobStore, caller: Caller, dataset_id: uuid.UUID, question: Question
) -> Registration:
    """What the dataset says of itself in the version that is asked about; raises Conflict once it is withdrawn."""
    datasets.content(session, caller, dataset_id)
    return registration_of(blobs.get(question.registration))


def keep_refusal(session: Session, caller: Caller, question_id: uuid.UUID, reason: str) -> AskedQuestion:
    """The agent does not answer, and says why: the job that asks ends, and nobody is paid."""
    row = _own(session, caller, question_id)
    if row.status is QuestionStatus.ANSWERED:
        raise Conflict(f"question {public_id('aq', row.id)} is answered already")
    row.status, row.refusal, row.answered_at = QuestionStatus.REFUSED, reason, datetime.now(UTC)
    session.flush()
    return row


def _own(session: Session, caller: Caller, question_id: uuid.UUID) -> AskedQuestion:
    row = repository.own(session, caller.account_id, question_id)
    if row is None:
        name = public_id("aq", question_id)
        raise NotFound(f"no question {name} to an agent of yours; what nobody asks for any more is erased")
    return row
