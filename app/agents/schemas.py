"""What HTTP sees of questions to agents."""

import base64
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from app.agents.tables import AskedQuestion, QuestionStatus
from app.http.ids import AgentQuestionId, DatasetId
from app.http.schemas import Answer, Body, example

_ID = "aq_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"
_DATASET = "ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"
_QUESTION: dict[str, Any] = {
    "protocol": 1,
    "dataset": "019ab5f0c1d27e3f8a4b5c6d7e8f9a0b",
    "registration": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "commitment": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "rows": 412,
    "game": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    "buyer": "acc_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b",
    "purpose": "research",
    "learner": "ridge",
    "asks": "moments",
    "encoding": {
        "columns": [{"name": "age", "kind": "number", "center": 41.5, "spread": 12.0, "categories": []}],
        "target": "stay",
        "classes": [],
        "label_map": {},
        "scale": [4.2, 2.5],
    },
    "stack": 0,
    "models": "",
}


class WaitingQuestion(Answer):
    """A question that waits: what is asked, and the float64 numbers that come with it, in base64."""

    model_config = example(id=_ID, dataset_id=_DATASET, question=_QUESTION, models="")

    id: AgentQuestionId
    dataset_id: DatasetId
    question: dict[str, Any]
    models: str

    @classmethod
    def of(cls, row: AskedQuestion) -> "WaitingQuestion":
        models = base64.b64encode(row.models).decode()
        return cls(id=row.id, dataset_id=row.dataset_id, question=row.question, models=models)


class WaitingQuestions(Answer):
    """The questions that wait, oldest first; none where none came in the time that was waited."""

    model_config = example(questions=[{"id": _ID, "dataset_id": _DATASET, "question": _QUESTION, "models": ""}])

    questions: list[WaitingQuestion]


class RefusalBody(Body):
    """Why an agent does not answer; the buyer is told it."""

    model_config = example(reason="the owner's policy allows 20 jobs, and this is the next one")

    reason: Annotated[str, Field(min_length=1, max_length=500)]


class QuestionAnswer(Answer):
    """Where a question stands."""

    model_config = example(id=_ID, dataset_id=_DATASET, status="answered", answered_at="2026-11-23T12:00:00Z")

    id: AgentQuestionId
    dataset_id: DatasetId
    status: QuestionStatus
    answered_at: datetime | None
