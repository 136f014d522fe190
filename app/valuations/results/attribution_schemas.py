"""What HTTP sees of attributions: answers of a delivered language model, and which providers they leaned on."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from app.http.ids import AttributionId, ValuationId
from app.http.schemas import Answer, Body, example
from app.valuations.example_ids import VALUATION

_MOST = 1_000_000
Text = Annotated[str, Field(max_length=_MOST)]


class SpokenAnswer(Body):
    """An answer of a delivered model, and what it answered. White space counts."""

    model_config = ConfigDict(
        **(Body.model_config | example(prompt="Tell me of the sea: ", answer="it rose and fell."))
        | {"str_strip_whitespace": False}
    )

    prompt: Text = Field(default="", description="What came before it; may be empty.")
    answer: Text = Field(min_length=1)


class NewAttribution(Body):
    """Answers of a delivered model, each by itself."""

    model_config = example(answers=[{"prompt": "Tell me of the sea: ", "answer": "it rose and fell."}])

    answers: list[SpokenAnswer] = Field(min_length=1, max_length=10_000)


_PROVIDERS: list[dict[str, Any]] = [
    {"position": 0, "provider": "Austen", "part": 1.0},
    {"position": 1, "provider": "Milton", "part": 1.0},
]
_ANSWER: dict[str, Any] = {"tokens": 12, "gain": 0.5, "values": [0.4, 0.1], "shares": [0.8, 0.2]}


class AttributedProvider(Answer):
    """A payee whose data answers are attributed to; ``part`` is what it has of a player that is several payees'."""

    model_config = example(**_PROVIDERS[0])

    position: int
    provider: str
    part: float


class AttributedAnswerView(Answer):
    """What the providers' data adds to an answer, in nats a token, and each provider's part of it and share."""

    model_config = example(**_ANSWER)

    tokens: int = Field(description="Of the answer that count: a first one that nothing precedes does not.")
    gain: float = Field(description="By how much the data makes a token likelier than the base model does; their sum.")
    values: list[float] = Field(description="In the order of `providers`, in hundredths before a part is taken.")
    shares: list[float] = Field(description="Of what is above zero, in the same order.")


class AttributionAnswer(Answer):
    """Which providers answers leaned on: `queued`, `done`, or `refused` with the reason."""

    model_config = example(
        id="att_019ab5f0c1d27e3f8a4b5c6d7e8f9a0a", valuation_id=VALUATION, created_at="2026-11-23T13:00:00Z",
        status="done", reason=None, providers=_PROVIDERS, answers=[_ANSWER], together=_ANSWER,
    )  # fmt: skip

    id: AttributionId
    valuation_id: ValuationId
    created_at: datetime
    status: Literal["queued", "done", "refused"]
    reason: str | None = None
    providers: list[AttributedProvider] = Field(
        default_factory=list, description="Those whose data the model is trained on, and has not forgotten."
    )
    answers: list[AttributedAnswerView] = Field(default_factory=list)
    together: AttributedAnswerView | None = Field(default=None, description="All answers, each token counting alike.")
