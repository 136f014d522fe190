"""Maps of a job that has ended: who did what for which class, whose rows are elsewhere, where the money and data went.

Answers in, what a template shows out. Each map is a table or list of words and numbers; colours only repeat them.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from markupsafe import Markup
from sqlalchemy.orm import Session

from app.datasets.service import withdrawn_among
from app.disclosure.bands import Band
from app.drawings.flows import FlowPart, flow
from app.drawings.planes import Plane, Point, Series
from app.errors import Conflict, TooManyRequests
from app.identity import Caller
from app.settings import Settings
from app.valuations import by_class, service
from app.valuations.orders.disclosures import OverlapTold, overlaps_told
from app.valuations.results import wording
from app.valuations.results.class_schemas import ByClassAnswer, ClassCell
from app.valuations.results.delivery_schemas import JobDeliveryAnswer
from app.valuations.results.evidence import SizeMean
from app.valuations.results.payout_schemas import Payouts
from app.valuations.results.schemas import Values
from app.valuations.tables import Valuation
from app.web import localisation
from app.web.localisation import gettext as _

Delivered = JobDeliveryAnswer | None
_STEPS = (0.02, 0.1, 0.25)


def view(
    session: Session, caller: Caller, valuation: Valuation, values: Values, paid: Payouts, release: Delivered
) -> dict[str, Any]:
    """What the page of a job shows of all maps but that of classes."""
    names = wording.names(values.players)
    datasets = {dataset for player in values.players for dataset in player.datasets}
    source, sizes = service.means_by_size(session, caller, valuation.id)
    return {
        "overlap": overlap(values, overlaps_told(valuation.job_inputs.notes)),
        "flow": money_flow(paid, [names[player.position] for player in values.players]),
        "origins": origins(values, withdrawn_among(session, datasets), release),
        "sizes": sizes,
        "sizes_source": source,
        "learning": learning(sizes) if values.metric == values.ordered_metric else None,
    }


def classes_view(
    session: Session, settings: Settings, caller: Caller, valuation_id: uuid.UUID, ask: bool
) -> dict[str, Any]:
    """Contributions by class: what is known, and, where they are asked for, what a worker computes or why it cannot."""
    shown: dict[str, Any] = {"by_class": None, "classes_pending": False, "classes_refused": ""}
    try:
        if ask:
            contributions = by_class.ask(session, settings, caller, valuation_id)
            return shown | {"by_class": contributions, "classes_pending": contributions is None}
        return shown | {"by_class": by_class.known(session, caller, valuation_id)}
    except (Conflict, TooManyRequests) as refused:
        return shown | {"classes_refused": refused.detail}


@dataclass(frozen=True)
class HeatCell:
    """A cell: its number, its interval where it was told, its shade -3 to 3, and whether it is sure."""

    value: float
    interval: tuple[float, float] | None
    shade: int
    sure: bool


@dataclass(frozen=True)
class HeatRow:
    """A player and its cells."""

    name: str
    cells: list[HeatCell]


def heat(answer: ByClassAnswer, worth: Mapping[int, float]) -> list[HeatRow]:
    """Players by class, in the order of their values ``worth`` by seat."""
    players = sorted(answer.players, key=lambda player: -worth.get(player.seat, 0.0))
    return [HeatRow(" and ".join(player.providers), [_cell(cell) for cell in player.cells]) for player in players]


def _cell(cell: ClassCell) -> HeatCell:
    depth = sum(abs(cell.value) >= step for step in _STEPS)
    interval = None if cell.low is None or cell.high is None else (cell.low, cell.high)
    return HeatCell(cell.value, interval, depth if cell.value > 0 else -depth, cell.sure)


@dataclass(frozen=True)
class OverlapRow:
    """What was told of a provider's rows, and with whom it is one player as a near copy."""

    name: str
    in_test: Band
    in_others: Band
    together: list[str]


def overlap(values: Values, overlaps: Sequence[OverlapTold]) -> list[OverlapRow]:
    """Of each provider of whom something was told; the others are in no band above none."""
    seated: dict[int, list[str]] = {}
    for player in values.players:
        if player.seat is not None:
            seated.setdefault(player.seat, []).append(player.provider)
    bands = {each.payee: each for each in overlaps}
    rows = []
    for player in values.players:
        name, seat = player.provider, player.seat
        together = [each for each in seated.get(-1 if seat is None else seat, []) if each != name]
        known = bands.get(name, OverlapTold(name, Band.NONE, Band.NONE))
        if together or name in bands:
            rows.append(OverlapRow(name, known.in_test, known.in_others, together))
    return rows


def money_flow(payouts: Payouts, names: Sequence[str]) -> Markup:
    """The pool, and what each payee, the market and the buyer have of it; ``names`` are the payees' as shown."""
    parts = [_part(name, line.amount, payouts.currency) for name, line in zip(names, payouts.payouts, strict=True)]
    others = (
        (_("Fee of the market"), payouts.fee, "b"),
        (_("Metered computing"), payouts.compute, "b"),
        (_("Back to the buyer"), payouts.refunded, "c"),
    )
    parts += [_part(name, amount, payouts.currency, kind) for name, amount, kind in others]
    return flow(localisation.currency(payouts.pool, payouts.currency), parts, str(_("{} smaller amounts")))


def _part(name: str, amount: str, currency: str, kind: str = "a") -> FlowPart:
    shown = localisation.currency(amount, currency)
    return FlowPart(name, float(Decimal(amount)), f"{name}: {shown}", shown, kind)


def learning(sizes: Sequence[SizeMean]) -> Markup | None:
    """The mean test score by how many players' data models were trained on; None below three sizes."""
    if len(sizes) < 3:
        return None
    points = [
        Point(
            each.size,
            each.mean,
            _(
                "{a} players: {b} on average over {c} models, {d} to {e}",
                a=each.size,
                b=localisation.number(each.mean, 4),
                c=each.models,
                d=localisation.number(each.low, 4),
                e=localisation.number(each.high, 4),
            ),
            (each.low, each.high),
        )
        for each in sizes
    ]
    return Plane(_("players"), _("test score"), [Series("", points)]).draw()


@dataclass(frozen=True)
class Origin:
    """A dataset of a job: its provider, and when it was withdrawn, if it was."""

    dataset: uuid.UUID
    provider: str
    withdrawn: bool
    forgotten: str | None
    """What came of it for the delivered model, where that had seen it."""


def origins(values: Values, withdrawn: frozenset[uuid.UUID], delivery: Delivered) -> list[Origin]:
    """From which datasets the job's models came, those that are withdrawn first."""
    model = None if delivery is None else delivery.model
    forgotten = {} if model is None else {each.dataset_id: each.outcome for each in model.forgotten}
    found = [
        Origin(dataset, player.provider, dataset in withdrawn or dataset in forgotten, forgotten.get(dataset))
        for player in values.players
        for dataset in player.datasets
    ]
    return sorted(found, key=lambda origin: not origin.withdrawn)
