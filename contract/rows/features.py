"""Which columns an order uses, under which names strangers' files have them, and what fills their missing cells."""

from typing import Annotated, Literal

from pydantic import Field

from contract.document import Document

Fills = Literal["players", "test"]
_Name = Annotated[str, Field(min_length=1, max_length=1000)]


class FeatureChoice(Document):
    """``use``: only these columns of the test set (None: all); ``leave_out``: not these; ``rename``: a column that a
    provider's file calls by the first name is the test set's column of the second; ``fills``: missing cells become the
    median or the most frequent text of all players' rows, or of the test set's alone (data at home needs that)."""

    use: Annotated[tuple[_Name, ...], Field(min_length=1, max_length=100_000)] | None = None
    leave_out: Annotated[tuple[_Name, ...], Field(max_length=100_000)] = ()
    rename: Annotated[dict[_Name, _Name], Field(max_length=100_000)] = Field(default_factory=dict)
    fills: Fills = "players"


ALL_FEATURES = FeatureChoice()


def without_group(choice: FeatureChoice, group: str) -> FeatureChoice:
    """The choice without the column by which test rows are grouped (""; there is none): what a group is called is
    nothing to learn from."""
    if not group or group in choice.leave_out:
        return choice
    return choice.model_copy(update={"leave_out": (*choice.leave_out, group)})
