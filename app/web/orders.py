"""From a form to an order, and what the form offers: for the page on which a buyer posts a job. Never commits."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from app.accounts.roles import Caller
from app.datasets import catalog
from app.datasets import service as datasets
from app.datasets.repository import Search
from app.datasets.tables import Dataset, DatasetKind, DatasetStatus
from app.errors import FieldError, InvalidInput
from app.http.pages import PageRequest
from app.valuations.schemas import NewValuation
from app.web.forms import Form


@dataclass(frozen=True)
class Choices:
    """What the form offers: the buyer's own test sets, and the files that may be valued."""

    test_sets: list[Dataset]
    offers: list[tuple[Dataset, str]]
    more: bool


def choices(session: Session, caller: Caller, page: PageRequest) -> Choices:
    """The newest of the caller's test sets with content, and the newest of the catalogue with their providers."""
    newest = PageRequest(200, None, page.secret)
    found, _ = datasets.list_own(session, caller, DatasetKind.TEST, DatasetStatus.READY, newest)
    offers, more = catalog.search(session, Search(), PageRequest(100, None, page.secret))
    return Choices(found, offers, more is not None)


def named_datasets(form: Form) -> list[str]:
    """The dataset ids of the form, ticked or written, each once and in order."""
    written = re.split(r"[\s,]+", form.text("datasets_text"))
    return list(dict.fromkeys(each for each in [*form.all("datasets"), *written] if each))


def order_of(form: Form) -> NewValuation:
    """The order that the form describes; raises InvalidInput naming what is wrong."""
    model: dict[str, Any] = {"name": form.text("model") or "logistic"}
    fields: dict[str, Any] = {
        "datasets": named_datasets(form),
        "test_dataset": form.text("test_dataset"),
        "pool": form.text("pool"),
        "currency": (form.text("currency") or "EUR").upper(),
        "model": model,
        "base": form.text("base"),
        "metric": form.text("metric") or "accuracy",
        "players": form.text("players") or "provider",
        "share_ci": form.number("share_ci"),
        "max_retrains": form.whole("max_retrains"),
        "seed": form.whole("seed"),
        "payout": {"policy": form.text("policy") or "proportional"},
    }
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
