"""What a provider asks for uses of a dataset beyond its value: a least price for the model, a price for the rows. Pure.

Beside them stands the reserve price, the least that a job pays for the value. A job within the licence and these prices
begins without asking anybody, unless the licence demands approval of each.
"""

from pydantic import Field

from contract.document import Document


class Asking(Document):
    """Prices in minor units of ``currency``. ``model``: the least that a job which delivers its model must pay for the
    dataset. ``data``: what its rows cost beside the pool, for each version. ``data_share``: from which part of what a
    job divides on (0 to 1) the rows come with the job. None: not asked for."""

    currency: str
    model: int | None = Field(default=None, ge=0)
    data: int | None = Field(default=None, gt=0)
    data_share: float | None = Field(default=None, gt=0, le=1)

    def least(self, reserve: int | None, *, model: bool) -> int:
        """The least that a job must pay for the dataset, where it delivers the ``model`` or not."""
        return max(reserve or 0, self.model or 0) if model else reserve or 0


class RowsOffer(Document):
    """On what terms a job's buyer may have the rows of one dataset (its id in hex), as agreed at posting: for a
    ``price`` in minor units, from a ``share`` of what is divided on, or either."""

    dataset: str
    currency: str
    price: int | None = None
    share: float | None = None

    def included(self, paid_share: float | None) -> bool:
        """Whether the rows come with a job that paid this part of what it divided."""
        return self.share is not None and (paid_share or 0.0) >= self.share
