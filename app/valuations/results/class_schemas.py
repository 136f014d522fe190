"""What HTTP sees of a job by class of its test set. Shapes only."""

from typing import Any, Literal

from pydantic import Field

from app.http.ids import ValuationId
from app.http.schemas import Answer, example
from app.valuations.example_ids import VALUATION


class ByClassPending(Answer):
    """A worker is at the contributions by class; ask again."""

    model_config = example(valuation_id=VALUATION, status="computing")

    valuation_id: ValuationId
    status: Literal["computing"] = "computing"


_CLASS: dict[str, Any] = {"name": "ill", "rows": 120, "nobody": 0.0, "everybody": 0.83}
_BY_CLASS: dict[str, Any] = {
    "seat": 0,
    "providers": ["Provider A"],
    "cells": [{"value": 0.21, "low": 0.14, "high": 0.28, "sure": True}],
}


class ClassAnswer(Answer):
    """A class of the test set: its test rows, and the part of them that nobody's and everybody's model answer right."""

    model_config = example(**_CLASS)

    name: str
    rows: int
    nobody: float
    everybody: float


class ClassCell(Answer):
    """What a player did for a class, in its recall, to hundredths, with its 95 % interval; ``sure``: apart from 0.

    The interval holds what other test rows and, where not all combinations are known, estimating would change; null in
    answers from before it was told.
    """

    model_config = example(value=0.21, low=0.14, high=0.28, sure=True)

    value: float
    sure: bool
    low: float | None = None
    high: float | None = None


class PlayerByClass(Answer):
    """A player of the game (``seat``), who it is, and what it did for each class, in their order."""

    model_config = example(**_BY_CLASS)

    seat: int
    providers: list[str]
    cells: list[ClassCell]


class ByClassAnswer(Answer):
    """What each player did for each class of the test set: Shapley values of the class's recall.

    Contributions to a class add up to its recall with everybody less that with nobody. Models are those of ``source``,
    not corrected by training anew; ``exact``: all combinations are known, else the values are estimated from those that
    are.
    """

    model_config = example(valuation_id=VALUATION, source="retrain", exact=True, classes=[_CLASS], players=[_BY_CLASS],
                           untold=["rare"])  # fmt: skip

    valuation_id: ValuationId
    source: str
    exact: bool
    classes: list[ClassAnswer]
    players: list[PlayerByClass]
    untold: list[str] = Field(description="Classes with too few test rows to be told, or beyond the most that are.")


class MyClass(Answer):
    """Whether one's rows helped the models with a class, harmed them, or neither for certain."""

    model_config = example(name="ill", effect="helped")

    name: str
    effect: Literal["helped", "harmed", "unsure"]


class MyByClass(Answer):
    """One's own rows in a job by class, of the classes that one has rows of."""

    model_config = example(valuation_id=VALUATION, classes=[{"name": "ill", "effect": "helped"}])

    valuation_id: ValuationId
    classes: list[MyClass]
