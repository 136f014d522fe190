"""The order of a top-up: what an earlier job was ordered, with larger budgets or more precision. Pure.

A top-up goes on where that job ended: it is the same game, whose worths are stored, so its values are those of one job
with the larger budget. It costs the device time of what is computed besides, and divides no pool of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator

from app.http.schemas import Body, example
from app.valuations.job_schemas import ComputeQuote
from app.valuations.orders.refusals import refused
from app.valuations.schemas import NewValuation, Number
from contract.names import OneOf
from contract.orders.estimators import ENUMERATE_UP_TO, PRECISION, RULES

BUDGETS = ("max_retrains", "max_evaluations", "max_seconds")


class TopUp(Body):
    """What a finished job is to have more of; what is left out stays as ordered. Budgets are of both jobs together."""

    model_config = example(max_retrains=120)

    max_retrains: int | None = Field(
        default=None, ge=1, le=10_000_000, description="Those of the earlier job included."
    )
    max_evaluations: int | None = Field(default=None, ge=2, le=10_000_000)
    max_seconds: Number | None = Field(default=None, gt=0, description="Device seconds, the earlier included.")
    share_ci: Number | None = Field(default=None, gt=0, le=100)
    ruled_by: Annotated[str, OneOf("ruled_by", tuple(RULES))] | None = None

    @model_validator(mode="after")
    def _more(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"say what there is to be more of: {', '.join(type(self).model_fields)}")
        return self


class TopUpQuote(ComputeQuote):
    """What a top-up would compute besides, and what that costs. Nothing is stored."""

    model_config = example(
        evaluations={"unlearn": 0, "repair": 0, "retrain": 60}, device_seconds=8.1, compute="0.27", currency="EUR",
        balance="12000.00", sufficient=True, notes=["60 retrainings, about 8 device seconds, 0.27 EUR"],
    )  # fmt: skip

    evaluations: dict[str, int] = Field(description="The most worths that are computed besides, by fidelity.")


@dataclass(frozen=True)
class Continued:
    """The order of a top-up, and which of its members are others than the earlier job's."""

    order: NewValuation
    changed: tuple[str, ...]


def continued(earlier: NewValuation, top_up: TopUp) -> Continued:
    """The earlier order with what is asked; where precision is to rule, its limit of retrainings falls. Raises
    InvalidInput where a budget is not larger."""
    changes = top_up.model_dump(exclude_none=True)
    for name in BUDGETS:
        before = getattr(earlier, name)
        if name in changes and before is not None and changes[name] <= before:
            words = f"{name} was {before:g} and would be {changes[name]:g}; give more, or leave it out"
            raise refused(f"/{name}", words)
    free = {"max_retrains": None} if top_up.ruled_by == PRECISION else {}
    order = earlier.model_copy(update={**free, **changes, "deadline": None})
    order = NewValuation.stored(order.model_dump(mode="json"))
    return Continued(order, tuple(sorted(changes)))


def besides(most: Mapping[str, int], known: Mapping[str, int], players: int) -> dict[str, int]:
    """How many worths a top-up computes at most, by fidelity. Above 12 players a larger budget draws other coalitions
    for cheap worths, so that those known already save nothing."""
    drawn_anew = players > ENUMERATE_UP_TO
    return {
        kind: count if drawn_anew and kind != "retrain" else max(0, count - known.get(kind, 0))
        for kind, count in most.items()
    }
