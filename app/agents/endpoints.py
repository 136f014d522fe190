"""What providers' agents call, over connections that they open: questions that wait (long poll), answers, refusals."""

import asyncio
import time
from typing import Annotated

from fastapi import Query, Request
from starlette.concurrency import run_in_threadpool

from app.accounts.callers import ProviderCaller
from app.agents import schemas, service
from app.errors import Conflict, InvalidData, NotFound, PayloadTooLarge
from app.http.deps import BlobsDep, SessionDep, without_connection
from app.http.ids import AgentQuestionId, DatasetId
from app.http.problems import responses
from app.http.routes import api_router
from app.http.uploads import received

router = api_router("/v1/agents", "agents")

_LONGEST_WAIT = 30.0
_LOOK_SECONDS = 0.05
_BYTES = {"type": "string", "contentMediaType": "application/octet-stream"}
_CONTENT = {
    "requestBody": {
        "required": True,
        "description": "A line of JSON (what is answered), then float64 numbers, little-endian.",
        "content": {"application/octet-stream": {"schema": _BYTES, "example": '{"commitment":"..."}\\n...'}},
    }
}


@router.get("/questions", responses=responses(NotFound, Conflict))
async def list_agent_questions(
    caller: ProviderCaller,
    request: Request,
    session: SessionDep,
    dataset: Annotated[list[DatasetId], Query(min_length=1, max_length=50, description="Whose agent this is.")],
    protocol: Annotated[int, Query(ge=0, le=10_000, description="What the agent speaks.", examples=[1])],
    wait: Annotated[float, Query(ge=0, le=_LONGEST_WAIT, description="Seconds to wait for a question.")] = 0.0,
) -> schemas.WaitingQuestions:
    """What is asked of one's datasets that stay with their owner; the answer is held until there is something.

    The agent opens the connection, as every client does: nothing has to reach it from outside.
    """
    await run_in_threadpool(service.check_agent, session, caller, dataset, protocol)
    ends = time.monotonic() + wait
    while True:
        rows = await run_in_threadpool(service.waiting, session, caller, dataset)
        if rows or time.monotonic() >= ends:
            return schemas.WaitingQuestions(questions=[schemas.WaitingQuestion.of(row) for row in rows])
        async with without_connection(request, session):
            await asyncio.sleep(_LOOK_SECONDS)
        if await request.is_disconnected():
            return schemas.WaitingQuestions(questions=[])


@router.put(
    "/questions/{question_id}/content",
    openapi_extra=_CONTENT,
    responses=responses(NotFound, Conflict, PayloadTooLarge, InvalidData),
)
async def put_agent_answer(
    question_id: AgentQuestionId, caller: ProviderCaller, request: Request, session: SessionDep, blobs: BlobsDep
) -> schemas.QuestionAnswer:
    """Answer a question: sums over the rows, never a row. The same answer may be sent again; another is refused."""
    question = await run_in_threadpool(service.expected, session, caller, question_id)
    async with without_connection(request, session), received(request, question.answer_bytes) as upload:
        content = await run_in_threadpool(upload.path.read_bytes)
    row = await run_in_threadpool(service.keep_answer, session, blobs, caller, question_id, content)
    return schemas.QuestionAnswer.model_validate(row)


@router.put("/questions/{question_id}/refusal", responses=responses(NotFound, Conflict))
def refuse_agent_question(
    question_id: AgentQuestionId, body: schemas.RefusalBody, caller: ProviderCaller, session: SessionDep
) -> schemas.QuestionAnswer:
    """Do not answer a question: the job that asks ends without a result, and nobody is charged for it."""
    return schemas.QuestionAnswer.model_validate(service.keep_refusal(session, caller, question_id, body.reason))
