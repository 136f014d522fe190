"""What a metric can be told besides its name, and how both are written as one text.

The text is what orders, games and results hold: ``accuracy``; ``f1:{"of_class":"yes"}``. People may write the options
as on the command line, too: ``recall_at_precision:precision=0.9,of_class=yes``. Classes are named as files name them;
the engine, which knows classes by number, is given the same options with numbers in their place (``resolved``).
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, ValidationError, field_validator

from contract.document import Document, canonical_json
from contract.errors import InvalidProblem
from contract.names import unknown

_MOST_COST = 1e9
# what ``ResolvedOptions`` has besides: the same classes by number
NUMBERED = frozenset({"class_number", "matrix"})


class MetricOptions(Document):
    """The options of metrics; each metric says which it takes, and which it needs."""

    precision: float | None = Field(
        default=None, gt=0.0, lt=1.0, description="Of `recall_at_precision`: the precision that is to be held."
    )
    of_class: str | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="Of `f1` and `recall_at_precision`: the class that counts; null: all, averaged alike.",
    )
    costs: dict[str, dict[str, float]] | None = Field(
        default=None,
        description="Of `expected_cost`: for each class what each other answer to it costs, 0 or more: "
        '`{"ill": {"well": 10}, "well": {"ill": 1}}`. The right answer costs nothing.',
    )

    @field_validator("costs")
    @classmethod
    def _costs(cls, costs: dict[str, dict[str, float]] | None) -> dict[str, dict[str, float]] | None:
        for truth, answers in (costs or {}).items():
            for answer, cost in answers.items():
                if not (math.isfinite(cost) and 0.0 <= cost <= _MOST_COST):
                    raise ValueError(f"answering {answer!r} to {truth!r} costs {cost}; a cost is 0 to {_MOST_COST:g}")
                if truth == answer and cost:
                    raise ValueError(f"the right answer {truth!r} is to cost {cost}; it costs nothing: leave it out")
        return costs

    def plain(self) -> dict[str, Any]:
        """What is told, by name; what is not told is left out."""
        return self.model_dump(mode="json", exclude_none=True)


class ResolvedOptions(MetricOptions):
    """The same with classes by number, as the engine knows them."""

    class_number: int | None = Field(default=None, ge=0)
    matrix: tuple[tuple[float, ...], ...] | None = None

    def resolved(self, classes: Sequence[str]) -> "ResolvedOptions":
        """With a number for each class that is named; raises InvalidProblem naming a class that there is not, or a cost
        that is missing."""
        number = None if self.of_class is None else _place(self.of_class, classes)
        matrix = None if self.costs is None else _matrix(self.costs, classes)
        return self.model_copy(update={"class_number": number, "matrix": matrix})


def named_class(options: ResolvedOptions) -> int | None:
    """The number of the class that counts; None where all do. A name without a number is an error of the caller."""
    if options.of_class is not None and options.class_number is None:
        raise ValueError(
            f"class {options.of_class!r} has no number yet: resolve the metric with the classes of the game"
        )
    return options.class_number


def written(name: str, options: MetricOptions) -> str:
    """A metric's name and options as one text."""
    plain = options.plain()
    return f"{name}:{canonical_json(plain).decode()}" if plain else name


def read(text: str) -> tuple[str, ResolvedOptions]:
    """The name and the options of a text; raises InvalidProblem for what is none."""
    name, colon, rest = text.partition(":")
    if not colon:
        return name, ResolvedOptions()
    try:
        plain = json.loads(rest) if rest.lstrip().startswith("{") else _pairs(rest)
    except json.JSONDecodeError as cause:
        raise InvalidProblem(f"the options of metric {name} are no JSON ({cause})") from None
    return name, checked(name, plain)


def checked(name: str, plain: Mapping[str, Any]) -> ResolvedOptions:
    """Options from plain data; raises InvalidProblem naming the one that is wrong."""
    try:
        return ResolvedOptions.model_validate({**plain})
    except ValidationError as cause:
        first = cause.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "options"
        raise InvalidProblem(f"metric {name}, option {where}: {first['msg'].removeprefix('Value error, ')}") from None


def _pairs(text: str) -> dict[str, str]:
    pairs = {}
    for part in text.split(","):
        option, equals, value = part.partition("=")
        if not equals:
            raise InvalidProblem(f"{part!r} is no option of a metric; write option=value, options with commas between")
        pairs[option.strip()] = value.strip()
    return pairs


def _place(name: str, classes: Sequence[str]) -> int:
    if name not in classes:
        raise InvalidProblem(unknown("class", name, classes))
    return classes.index(name)


def _matrix(costs: Mapping[str, Mapping[str, float]], classes: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """The costs by number, [truth][answer]; raises InvalidProblem where one is missing or names no class."""
    for truth, answers in costs.items():
        for name in (truth, *answers):
            _place(name, classes)
    missing = [
        f"{answer!r} to {truth!r}"
        for truth in classes
        for answer in classes
        if truth != answer and answer not in costs.get(truth, {})
    ]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InvalidProblem(f"costs lacks what it costs to answer {', '.join(missing[:3])}{more}; name every pair")
    return tuple(tuple(float(costs.get(truth, {}).get(answer, 0.0)) for answer in classes) for truth in classes)
