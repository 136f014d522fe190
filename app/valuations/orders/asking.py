"""What providers ask for uses beyond the value, against what an order takes: prices, sentences for the buyer. Pure."""

from collections.abc import Sequence

from app.datasets.licences import Licence
from app.datasets.tables import Dataset
from app.payouts import money
from app.valuations.schemas import NewValuation
from contract.orders.asking import RowsOffer
from contract.orders.grants import Grant

_MOST_NAMED = 20


def least_of(dataset: Dataset, delivered: Sequence[Grant]) -> int:
    """The least that a job which delivers this must pay for a dataset, in minor units; 0 is no least."""
    asked, reserve = dataset.prices, dataset.reserve_minor
    return reserve or 0 if asked is None else asked.least(reserve, model=Grant.MODEL in delivered)


def currency_fault(dataset: Dataset, order: NewValuation) -> str | None:
    """Why an order in another currency cannot name a dataset; the rest of a sentence that begins with it."""
    if dataset.reserve_currency not in (None, order.currency):
        return f"has a reserve price in {dataset.reserve_currency}; post the job in it, or leave it out"
    asked = dataset.prices
    if asked is None or asked.model is None or Grant.MODEL not in order.delivered or asked.currency == order.currency:
        return None
    return f"has a price for the model in {asked.currency}; post the job in it, or leave the dataset or the model out"


def rows_offers(datasets: Sequence[Dataset]) -> tuple[RowsOffer, ...]:
    """What is asked for the rows of these datasets, where their licence grants them and anything is asked."""
    offers = []
    for dataset in datasets:
        asked = dataset.prices
        if asked is None or (asked.data is None and asked.data_share is None):
            continue
        if Grant.DATA in Licence.from_json(dataset.licence or {"spdx": ""}).grants:
            offers.append(
                RowsOffer(dataset=dataset.id.hex, currency=asked.currency, price=asked.data, share=asked.data_share)
            )
    return tuple(offers)


def price_notes(order: NewValuation, payees: Sequence[tuple[str, Sequence[RowsOffer]]]) -> list[str]:
    """What rows cost beside the pool, in sentences for a buyer who orders them."""
    if Grant.DATA not in order.delivered:
        return []
    notes = [f"{shown}: {sentence(offer)}." for shown, offers in payees for offer in offers]
    more = len(notes) - _MOST_NAMED
    return [*notes[:_MOST_NAMED], *([f"{more} further datasets ask a price for their rows."] if more > 0 else [])]


def sentence(offer: RowsOffer) -> str:
    """What an offer asks, as the rest of a sentence."""
    part = None if offer.share is None else f"{100 * offer.share:.4g} % of what the job divides"
    if offer.price is None:
        return f"the rows of ds_{offer.dataset} come with a job that pays it at least {part}, and not otherwise"
    cost = f"the rows of ds_{offer.dataset} cost {money.format_money(offer.price, offer.currency)} beside the pool"
    return f"{cost}, bought after settlement" + (f", unless the job pays it at least {part}" if part else "")
