"""An order's test rows by lot: whether it may have some, what draws them, and what both sides are told. Pure.

The lot follows from who asks and from the datasets' contents by a key of the deployment's. An order that names another
test set, seed or rule for copies has the same lot, so nobody draws again until it suits.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace

from app.datasets.tables import Dataset
from app.disclosure.bands import Bands
from app.valuations.orders.disclosures import content_of
from app.valuations.orders.model_choice import Chosen
from app.valuations.orders.quotes import JobSize
from app.valuations.orders.refusals import refused
from app.valuations.schemas import NewValuation
from contract.learning.learners import Architecture
from contract.orders.fit import FitAnswer
from contract.orders.lot import LEAST_PAYEES, LotDraw, LotSeal, sealed
from contract.rows.files import InputFile


def check(order: NewValuation, chosen: Chosen, payees: int, *, away: bool) -> None:
    """Raise InvalidInput where an order for test rows by lot cannot have them."""
    if order.test_lot is None:
        return
    faults = (
        (payees < LEAST_PAYEES, f"it takes {LEAST_PAYEES} players or more, and this order has {payees}"),
        (away, "rows that stay with their owner cannot be drawn"),
        (order.mode == "partial" or chosen.trained, "the model that is named has been trained on these rows already"),
        (chosen.reads is Architecture.LM, "blocks of texts for a language model are not drawn"),
        (order.segments is not None, "it would take rows from segments, whose least count is of all rows"),
        (order.test_group is not None, "providers' rows have no groups as test_group counts them"),
    )
    for wrong, why in faults:
        if wrong:
            raise refused("/test_lot", f"test rows by lot: {why}; leave test_lot out")


def draw_of(order: NewValuation, bands: Bands, asker_id: uuid.UUID, datasets: Sequence[Dataset]) -> LotDraw | None:
    """What draws the test rows of an order; None where it asks for none."""
    if order.test_lot is None:
        return None
    seed = bands.drawn(("lot", asker_id.hex, *sorted(content_of(dataset) for dataset in datasets))).hex()
    return LotDraw(part=order.test_lot.part, beside=order.test_lot.beside, seed=seed)


def seal_of(draw: LotDraw | None, answer: FitAnswer) -> LotSeal | None:
    """What is committed to of the rows that were drawn."""
    return None if draw is None or answer.lot is None else sealed(draw, answer.lot.rows)


def own_test(test: InputFile, answer: FitAnswer) -> InputFile:
    """The order's own test set, without its rows where those by lot measure alone."""
    return test if answer.lot is None else test.model_copy(update={"drop": answer.lot.drop})


def with_lot(size: JobSize, answer: FitAnswer) -> JobSize:
    """The size of a job as far as a quote may tell it: with as many test rows by lot as if no row were a copy."""
    if answer.lot is None:
        return size
    return replace(size, test_rows=answer.test.rows - answer.lot.rows + answer.lot.expected)
