"""What HTTP sees of prices for uses of a dataset beyond its value: decimal strings in one currency."""

from typing import Annotated, Any, Self

from pydantic import Field

from app.datasets.tables import Dataset
from app.http.schemas import Answer, Body, example
from app.payouts import money
from contract.orders.asking import Asking

ASKING_EXAMPLE: dict[str, Any] = {"currency": "EUR", "model": "40.00", "data": None, "data_share": None}
_Price = Annotated[str | None, Field(max_length=40)]


class AskingBody(Body):
    """What is asked for uses beyond the value, for each version of the data. What is null is not asked for."""

    model_config = example(**ASKING_EXAMPLE)

    currency: Annotated[str, Field(min_length=3, max_length=3, description="ISO 4217.")] = "EUR"
    model: Annotated[
        _Price, Field(description="The least a job that delivers its model must pay for this dataset.")
    ] = None
    data: Annotated[
        _Price, Field(description="What the rows cost the buyer of a settled job, beside what it paid the job.")
    ] = None
    data_share: Annotated[
        float | None,
        Field(gt=0, le=1, description="The rows come with a job that paid at least this part of what it divided."),
    ] = None

    def asking(self) -> Asking:
        """Raises InvalidInput for an amount that is no money."""
        amounts = {
            name: None if text is None else money.parse(text, self.currency, name=f"asking.{name}")
            for name, text in (("model", self.model), ("data", self.data))
        }
        return Asking(currency=self.currency, data_share=self.data_share, **amounts)


class AskingAnswer(Answer):
    """What is asked for uses beyond the value, in decimals of ``currency``."""

    model_config = example(**ASKING_EXAMPLE)

    currency: str
    model: str | None
    data: str | None
    data_share: float | None

    @classmethod
    def of(cls, dataset: Dataset) -> Self | None:
        """None where nothing is asked."""
        asked = dataset.prices
        if asked is None:
            return None
        model, data = (
            None if minor is None else money.plain(minor, asked.currency) for minor in (asked.model, asked.data)
        )
        return cls(currency=asked.currency, model=model, data=data, data_share=asked.data_share)
