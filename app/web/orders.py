"""From a form to an order, and what the form offers: for the page on which a buyer posts a job. Never commits."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, ValidationError
from sqlalchemy.orm import Session

from app.checkpoints import service as checkpoints
from app.checkpoints.tables import Checkpoint
from app.datasets import service as datasets
from app.datasets.offering import catalog
from app.datasets.repository import Search
from app.datasets.tables import Dataset, DatasetKind, DatasetStatus
from app.errors import FieldError, InvalidInput, NotFound
from app.http.ids import parse_id, public_id
from app.http.pages import PageRequest
from app.http.validation import broken_rules
from app.identity import Caller
from app.valuations.schemas import NewValuation
from app.web.forms import PageForm, Texts, lines, number, pairs, renamings, whole
from contract.errors import InvalidProblem
from contract.learning.learners import LEARNERS
from contract.metrics import METRICS, options
from contract.metrics.accuracy import Accuracy
from contract.orders.estimators import BUDGET, ESTIMATORS, RULES
from contract.orders.grants import Grant
from contract.orders.policies import DEFAULT_POLICY, DEVICES, PLAYERS
from contract.orders.spec import FIDELITIES, MODES
from contract.results.row_values import ROWS_NONE, ROWS_VALUES

# fields of an order that the form calls the same
_SAME = (
    "test_dataset", "pool", "currency", "players", "metric", "target_is", "share_ci", "ruled_by", "max_retrains",
    "max_evaluations", "max_seconds", "seed", "mode", "purpose", "territory", "fidelity", "estimator", "device", "base",
    "test_group",
)  # fmt: skip


class OrderForm(PageForm):
    """An order as its page sends it; what is blank is the order's own default."""

    datasets: Texts = Field(default_factory=list)
    datasets_text: str = ""
    test_dataset: str = ""
    test_group: str = ""
    segments: str = ""
    test_first: str = ""
    lot_percent: str = ""
    lot_alone: str = ""
    players: str = ""
    purpose: str = ""
    territory: str = ""
    pool: str = ""
    currency: str = ""
    policy: str = ""
    copies: str = ""
    minimum_payout: str = ""
    performance_target: str = ""
    dispute_days: str = ""
    open_rows: str = ""
    pay_without_gain: str = ""
    pay_unaudited: str = ""
    revalue: str = ""
    deliver_model: str = ""
    deliver_data: str = ""
    rows: str = ""
    attributions: str = ""
    model: str = ""
    hyper: str = ""
    base: str = ""
    metric: str = ""
    metric_options: str = ""
    target_is: str = ""
    share_ci: str = ""
    ruled_by: str = ""
    max_retrains: str = ""
    max_evaluations: str = ""
    max_seconds: str = ""
    seed: str = ""
    mode: str = ""
    method: str = ""
    fidelity: str = ""
    estimator: str = ""
    device: str = ""
    label: str = ""
    label_map: str = ""
    use: str = ""
    leave_out: str = ""
    rename: str = ""
    fills: str = ""
    missing_labels: str = ""
    drop_unfit: str = ""
    drop_refused: str = ""

    def named_datasets(self) -> list[str]:
        """The dataset ids, ticked or written, each once and in order."""
        written = re.split(r"[\s,]+", self.datasets_text)
        return list(dict.fromkeys(text for text in [*self.datasets, *written] if text))


@dataclass(frozen=True)
class Offers:
    """Datasets with their providers: those that a form has ticked, then the newest of the catalogue. ``others`` are ids
    that the form names and that are not published; ``more``: the catalogue has older ones."""

    listed: list[tuple[Dataset, str]]
    others: list[str]
    more: bool


@dataclass(frozen=True)
class Choices:
    """What the form offers: the buyer's own test sets and checkpoints, and the files that may be valued.

    ``offers`` are datasets with their providers: those that the form has ticked, then the newest of the catalogue.
    ``others`` are ids that the form names and that are not among them.
    """

    test_sets: list[Dataset]
    checkpoints: list[Checkpoint]
    offers: list[tuple[Dataset, str]]
    others: list[str]
    more: bool

    @property
    def targets(self) -> list[str]:
        """The columns that the offers predict, each once."""
        return sorted({dataset.target for dataset, _ in self.offers if dataset.target})


# what the form offers, whatever is in the vocabulary
VOCABULARY = {
    "players": PLAYERS,
    "learners": LEARNERS,
    "metrics": METRICS,
    "modes": MODES,
    "fidelities": FIDELITIES,
    "estimators": ESTIMATORS,
    "rules": RULES,
    "devices": DEVICES,
}


def choices(session: Session, caller: Caller, page: PageRequest, form: OrderForm) -> Choices:
    """The newest of each; what the form has ticked is among them as long as it is published."""
    newest = PageRequest(200, None, page.secret)
    test_sets, _ = datasets.list_own(session, caller, DatasetKind.TEST, DatasetStatus.READY, newest)
    own, _ = checkpoints.list_own(session, caller, newest)
    offered = offers(session, page, form)
    usable = [checkpoint for checkpoint in own if checkpoint.erased_at is None]
    return Choices(test_sets, usable, offered.listed, offered.others, offered.more)


def offers(session: Session, page: PageRequest, form: OrderForm) -> Offers:
    """What the form has ticked, as long as it is published, and the newest of the catalogue."""
    newest, more = catalog.search(session, Search(), PageRequest(100, None, page.secret))
    known = {public_id("ds", dataset.id) for dataset, _ in newest}
    ticked, others = [], []
    for dataset_id in form.named_datasets():
        if dataset_id in known:
            continue
        try:
            ticked.append(catalog.get(session, parse_id("ds", dataset_id)))
        except (ValueError, NotFound):
            others.append(dataset_id)
    return Offers([*ticked, *newest], others, more is not None)


def form_of(order: NewValuation, labels: Mapping[str, str]) -> OrderForm:
    """The form that would order an earlier job again."""
    payout, model = order.payout, order.model
    window = payout.dispute_window_seconds
    plain = order.model_dump(mode="json", include=set(_SAME))
    values = plain | {
        "copies": payout.copies.value,
        "policy": payout.policy.value,
        "minimum_payout": payout.minimum_payout,
        "revalue": "yes" if payout.revalue_without_harm else None,
        "deliver_model": "yes" if Grant.MODEL in order.delivered else None,
        "deliver_data": "yes" if Grant.DATA in order.delivered else None,
        "rows": "yes" if order.rows == ROWS_VALUES else None,
        "attributions": "yes" if order.attributions else None,
        "dispute_days": window / 86_400 if window else None,
        "open_rows": payout.open_rows or None,
        "pay_without_gain": "yes" if payout.pay_without_gain else None,
        "pay_unaudited": "yes" if payout.pay_unaudited else None,
        "performance_target": payout.performance_target,
        "model": public_id("ck", order.checkpoint) if order.checkpoint else model.name if model else None,
        "hyper": " ".join(f"{name}={_written(value)}" for name, value in model.hyper.items()) if model else None,
        "metric_options": json.dumps(order.metric_options.plain()) if order.metric_options else None,
        "method": order.unlearning.method,
        "label": labels.get("order"),
        "label_map": _renamed(order.label_map),
        "rename": _renamed(order.features.rename),
        "use": "\n".join(order.features.use or ()),
        "leave_out": "\n".join(order.features.leave_out),
        "fills": order.features.fills,
        "missing_labels": order.missing_labels,
        "drop_unfit": "yes" if order.drop_unfit else None,
        "segments": order.segments.column if order.segments else None,
        "test_first": "yes" if order.test_first else None,
        "lot_percent": 100 * order.test_lot.part if order.test_lot else None,
        "lot_alone": "yes" if order.test_lot and not order.test_lot.beside else None,
        "drop_refused": "yes" if order.drop_refused else None,
    }
    texts: dict[str, Any] = {name: _written(value) for name, value in values.items() if value is not None}
    return OrderForm(datasets=[public_id("ds", dataset_id) for dataset_id in order.datasets], **texts)


def _renamed(pairs_of_names: Mapping[str, str]) -> str:
    return "\n".join(f"{old} = {new}" for old, new in pairs_of_names.items())


def _written(value: object) -> str:
    """A number or text as a person writes it: 8.0 is 8."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def order_of(form: OrderForm) -> NewValuation:
    """The order that the form describes; raises InvalidInput naming what is wrong."""
    model = form.model or "logistic"
    fields: dict[str, Any] = {
        "datasets": form.named_datasets(),
        "test_dataset": form.test_dataset,
        "test_group": form.test_group,
        "pool": form.pool,
        "currency": (form.currency or "EUR").upper(),
        "base": form.base,
        "metric": form.metric or "accuracy",
        "metric_options": metric_options(form),
        "target_is": form.target_is,
        "players": form.players or "provider",
        "share_ci": number("share_ci", form.share_ci),
        "ruled_by": form.ruled_by or BUDGET,
        "max_retrains": whole("max_retrains", form.max_retrains),
        "max_evaluations": whole("max_evaluations", form.max_evaluations),
        "max_seconds": number("max_seconds", form.max_seconds),
        "seed": whole("seed", form.seed),
        "mode": form.mode or "full",
        "purpose": form.purpose,
        "territory": form.territory.upper(),
        "unlearning": {"method": form.method or None},
        "fidelity": form.fidelity or "auto",
        "estimator": form.estimator or "auto",
        "device": form.device or "cpu",
        "deliver": [*(["model"] if form.deliver_model else []), *(["data"] if form.deliver_data else [])],
        "rows": ROWS_VALUES if form.rows == "yes" else ROWS_NONE,
        "attributions": form.attributions == "yes",
        "payout": _payout(form),
        "metadata": {"order": form.label} if form.label else None,
        "label_map": renamings("label_map", form.label_map),
        "features": {
            "use": lines(form.use) or None,
            "leave_out": lines(form.leave_out),
            "rename": renamings("rename", form.rename),
            "fills": form.fills or "players",
        },
        "missing_labels": form.missing_labels,
        "drop_unfit": form.drop_unfit == "yes",
        "segments": {"column": form.segments} if form.segments else None,
        "test_first": form.test_first == "yes",
        "test_lot": _lot(form),
        "drop_refused": form.drop_refused == "yes",
    }
    own = {"checkpoint": model} if model.startswith("ck_") else {"model": {"name": model, "hyper": pairs(form.hyper)}}
    fields |= own
    try:
        return NewValuation.model_validate({name: value for name, value in fields.items() if value not in (None, "")})
    except ValidationError as error:
        raise _refused(error) from None


def metric_options(form: OrderForm) -> dict[str, Any] | None:
    """What the metric is told, written as on the command line or as JSON; raises InvalidInput for what is neither."""
    if not (written := form.metric_options.strip()):
        return None
    try:
        return options.read(f"{form.metric or Accuracy.name}:{written}")[1].plain()
    except InvalidProblem as wrong:
        raise InvalidInput(str(wrong), errors=[FieldError("/metric_options", str(wrong), "metric")]) from None


def _lot(form: OrderForm) -> dict[str, Any] | None:
    percent = number("lot_percent", form.lot_percent)
    return None if not percent else {"part": percent / 100, "beside": form.lot_alone != "yes"}


def _payout(form: OrderForm) -> dict[str, Any]:
    days = number("dispute_days", form.dispute_days)
    payout = {
        "policy": form.policy or DEFAULT_POLICY.value,
        "copies": form.copies or "separate",
        "minimum_payout": form.minimum_payout or None,
        "performance_target": number("performance_target", form.performance_target),
        # an empty field is the operator's window
        "dispute_window_seconds": None if days is None else round(days * 86_400),
        "open_rows": whole("open_rows", form.open_rows),
        "pay_without_gain": form.pay_without_gain == "yes",
        "pay_unaudited": form.pay_unaudited == "yes",
        "revalue_without_harm": form.revalue == "yes",
    }
    return {name: value for name, value in payout.items() if value is not None}


def _refused(error: ValidationError) -> InvalidInput:
    """The order's broken rules, each named as the form calls its field."""
    faults = [FieldError(rule.pointer, rule.sentence, rule.kind) for rule in broken_rules(error.errors())]
    named = "; ".join(f"{fault.pointer.strip('/').replace('_', ' ') or 'order'}: {fault.detail}" for fault in faults)
    return InvalidInput(f"the order cannot be posted yet: {named}", errors=faults)
