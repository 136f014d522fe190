"""Which providers answers of a delivered language model leaned on: what is asked of a worker, and what it finds.

An answer is asked as tokens: whoever stores the question has read the buyer's text. What is found is told in steps
(``VALUE_STEP``), since a likelihood under one provider's own model tells of its rows; shares follow from the values as
they are told, and tell no more. Values of an answer sum to its gain, and equal players have equal ones.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from contract.document import Document
from contract.results.shares import shares_of

VALUE_STEP = 0.01  # nats a token
_DIGITS = 2
Floats = NDArray[np.float64]


class TokenisedAnswer(Document):
    """A prompt and its answer as token numbers; the answer's begin after ``before`` of them."""

    tokens: tuple[int, ...]
    before: int = Field(ge=0)

    @property
    def said(self) -> int:
        """How many tokens count: the answer's, but a first one that nothing precedes."""
        return len(self.tokens) - max(self.before, 1)


class AskedAnswers(Document):
    """The answers of one request."""

    answers: tuple[TokenisedAnswer, ...]


class AloneModel(Document):
    """The stored model of one of the game's players alone: its blob, and how many rows (blocks) it was trained on."""

    player: int
    digest: str
    rows: int


class AttributedAnswer(Document):
    """One answer: tokens that count, what the players' data adds to one of them (in nats), each player's part of that,
    and its share."""

    tokens: int
    gain: float
    values: tuple[float, ...]
    shares: tuple[float, ...]

    @classmethod
    def told(cls, tokens: int, values: Floats) -> "AttributedAnswer":
        """An answer of these exact values [n], as it is told."""
        steps = np.round(values / VALUE_STEP)
        rounded = [round(float(step) * VALUE_STEP, _DIGITS) + 0.0 for step in steps]
        shares = shares_of(np.array(rounded)).round(4)
        return cls(
            tokens=tokens,
            gain=round(float(steps.sum()) * VALUE_STEP, _DIGITS) + 0.0,
            values=tuple(rounded),
            shares=tuple(shares.tolist()),
        )


class Attribution(Document):
    """What a worker found: the game's players whose models there are, each answer, and all of them together, each of
    their tokens counting alike. Values and shares are in the order of ``players``."""

    players: tuple[int, ...]
    answers: tuple[AttributedAnswer, ...]
    together: AttributedAnswer

    @classmethod
    def of(cls, players: Sequence[int], tokens: Sequence[int], values: Floats) -> "Attribution":
        """What is told of answers of so many tokens, of exact values [answers, players]."""
        weights = np.array(tokens, dtype=np.float64)
        return cls(
            players=tuple(players),
            answers=tuple(AttributedAnswer.told(count, own) for count, own in zip(tokens, values, strict=True)),
            together=AttributedAnswer.told(int(weights.sum()), weights @ values / weights.sum()),
        )
