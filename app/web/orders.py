"""From a form to an order, and what the form offers: for the page on which a buyer posts a job. Never commits."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from app.checkpoints import service as checkpoints
from app.checkpoints.tables import Checkpoint
from app.datasets import catalog
from app.datasets import service as datasets
from app.datasets.repository import Search
from app.datasets.tables import Dataset, DatasetKind, DatasetStatus
from app.errors import FieldError, InvalidInput, NotFound
from app.http.ids import parse_id, public_id
from app.http.pages import PageRequest
from app.identity import Caller
from app.valuations.schemas import NewValuation
from app.web.forms import Form
from contract.policies import DEFAULT_POLICY

# fields of an order that the form calls the same
_SAME = (
    "test_dataset", "pool", "currency", "players", "metric", "share_ci", "max_retrains", "max_evaluations",
    "max_seconds", "seed", "mode", "purpose", "territory", "fidelity", "estimator", "device", "base",
)  # fmt: skip


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


def choices(session: Session, caller: Caller, page: PageRequest, form: Form) -> Choices:
    """The newest of each; what the form has ticked is among them as long as it is published."""
    newest = PageRequest(200, None, page.secret)
    found, _ = datasets.list_own(session, caller, DatasetKind.TEST, DatasetStatus.READY, newest)
    own, _ = checkpoints.list_own(session, caller, newest)
    offers, more = catalog.search(session, Search(), PageRequest(100, None, page.secret))
    known = {public_id("ds", dataset.id) for dataset, _ in offers}
    ticked, others = [], []
    for each in named_datasets(form):
        if each in known:
            continue
        try:
            ticked.append(catalog.get(session, parse_id("ds", each)))
        except (ValueError, NotFound):
            others.append(each)
    trained = [each for each in own if each.erased_at is None]
    return Choices(found, trained, [*ticked, *offers], others, more is not None)


def form_of(spec: Mapping[str, Any], labels: Mapping[str, str]) -> Form:
    """The form that would order an earlier job again."""
    payout, model = spec["payout"], spec["model"]
    told = {name: spec.get(name) for name in _SAME} | {
        "copies": payout["copies"],
        "policy": payout["policy"],
        "minimum_payout": payout["minimum_payout"],
        "revalue": "yes" if payout["revalue_without_harm"] else None,
        "dispute_days": payout["dispute_window_seconds"] / 86_400 or None,
        # orders from before these could be chosen did not choose them
        "pay_without_gain": "yes" if payout.get("pay_without_gain") else None,
        "pay_unaudited": "yes" if payout.get("pay_unaudited") else None,
        "performance_target": payout["performance_target"],
        "model": spec.get("checkpoint") or (model["name"] if model else None),
        "hyper": " ".join(f"{name}={_written(value)}" for name, value in model["hyper"].items()) if model else None,
        "method": spec["unlearning"]["method"],
        "label": labels.get("order"),
    }
    fields = {name: [_written(value)] for name, value in told.items() if value is not None}
    return Form(fields | {"datasets": list(spec["datasets"])})


def _written(value: object) -> str:
    """A number or text as a person writes it: 8.0 is 8."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def named_datasets(form: Form) -> list[str]:
    """The dataset ids of the form, ticked or written, each once and in order."""
    written = re.split(r"[\s,]+", form.text("datasets_text"))
    return list(dict.fromkeys(each for each in [*form.all("datasets"), *written] if each))


def order_of(form: Form) -> NewValuation:
    """The order that the form describes; raises InvalidInput naming what is wrong."""
    chosen = form.text("model") or "logistic"
    days = form.number("dispute_days")
    payout = {
        "policy": form.text("policy") or DEFAULT_POLICY.value,
        "copies": form.text("copies") or "separate",
        "minimum_payout": form.text("minimum_payout") or None,
        "performance_target": form.number("performance_target"),
        # an empty field is the operator's window
        "dispute_window_seconds": None if days is None else round(days * 86_400),
        "pay_without_gain": form.text("pay_without_gain") == "yes",
        "pay_unaudited": form.text("pay_unaudited") == "yes",
        "revalue_without_harm": form.text("revalue") == "yes",
    }
    fields: dict[str, Any] = {
        "datasets": named_datasets(form),
        "test_dataset": form.text("test_dataset"),
        "pool": form.text("pool"),
        "currency": (form.text("currency") or "EUR").upper(),
        "base": form.text("base"),
        "metric": form.text("metric") or "accuracy",
        "players": form.text("players") or "provider",
        "share_ci": form.number("share_ci"),
        "max_retrains": form.whole("max_retrains"),
        "max_evaluations": form.whole("max_evaluations"),
        "max_seconds": form.number("max_seconds"),
        "seed": form.whole("seed"),
        "mode": form.text("mode") or "full",
        "purpose": form.text("purpose"),
        "territory": form.text("territory").upper(),
        "unlearning": {"method": form.text("method") or None},
        "fidelity": form.text("fidelity") or "auto",
        "estimator": form.text("estimator") or "auto",
        "device": form.text("device") or "cpu",
        "payout": {name: value for name, value in payout.items() if value is not None},
    }
    if chosen.startswith("ck_"):
        fields["checkpoint"] = chosen
    else:
        fields["model"] = {"name": chosen, "hyper": form.pairs("hyper")}
    if label := form.text("label"):
        fields["metadata"] = {"order": label}
    given = {name: value for name, value in fields.items() if value not in (None, "")}
    try:
        return NewValuation.model_validate(given)
    except ValidationError as error:
        faults = [
            FieldError("/" + "/".join(map(str, each["loc"])), each["msg"].removeprefix("Value error, "), each["type"])
            for each in error.errors()
        ]
        told = "; ".join(f"{fault.pointer.strip('/').replace('_', ' ') or 'order'}: {fault.detail}" for fault in faults)
        raise InvalidInput(f"the order cannot be posted yet: {told}", errors=faults) from None
