"""What asking for attributions refuses before anything is stored, and what is told as a table."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from app.errors import Conflict, InvalidInput
from app.valuations import attributions
from app.valuations.results.attribution_schemas import (
    AttributedAnswerView,
    AttributedProvider,
    AttributionAnswer,
    NewAttribution,
)

BODY = NewAttribution.model_validate({"answers": [{"prompt": " count: ", "answer": "two "}]})


def test_other_models_have_no_answers_and_say_so_before_anything_is_stored(market: Any) -> None:
    job, texts = market.post(share_ci=50.0), attributions.AnswersRead()
    asked = (market.blobs, market.settings, market.buyer, job)
    with market.factory() as session:
        with pytest.raises(Conflict, match="learner logistic"):
            attributions.read(session, *asked, BODY, texts)
        small = market.settings.model_copy(update={"attributed_characters": 5})
        with pytest.raises(InvalidInput, match="12 characters, more than the 5"):
            attributions.read(session, market.blobs, small, market.buyer, job, BODY, texts)
    assert market.scalar("SELECT count(*) FROM attributions") == 0


def test_white_space_counts_and_a_table_runs_no_formula() -> None:
    assert (BODY.answers[0].prompt, BODY.answers[0].answer) == (" count: ", "two ")
    told = AttributedAnswerView(tokens=4, gain=0.25, values=[0.25], shares=[1.0])
    named = AttributedProvider(position=0, provider="=1+1", part=1.0)
    answer = AttributionAnswer(
        id=uuid.uuid4(), valuation_id=uuid.uuid4(), created_at=datetime.now(UTC), status="done",
        providers=[named], answers=[told], together=told,
    )  # fmt: skip
    assert attributions.to_csv(answer).splitlines()[1] == "1,4,0.25,0,'=1+1,0.25,1.0"
