"""The order behind an exploration: every dataset a player, unlearned worths alone, nothing checked and nobody paid.

A search is answered with datasets that an order could name; what was found and left out is counted in a note.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from app.datasets.licences import Licence
from app.datasets.offering import catalog
from app.datasets.repository import Search
from app.datasets.tables import Dataset
from app.errors import Conflict, InvalidInput
from app.http.ids import public_id
from app.http.pages import PageRequest
from app.identity import Caller
from app.payouts import money
from app.settings import Settings
from app.valuations import repository, service
from app.valuations.explorations import differences
from app.valuations.explorations.schemas import CatalogSearch, NewExploration
from app.valuations.orders.refusals import refused
from app.valuations.schemas import NewValuation
from app.valuations.states import ValuationStatus
from app.valuations.tables import Valuation
from contract.orders.grants import Approval

# of what a search finds, so many are looked at
_LOOKED_AT = 500


@dataclass(frozen=True)
class Exploration:
    """What is explored: the order behind it, the datasets that are explored beside a job (``added``), notes, and the
    job whose difference alone is asked for (``against``)."""

    order: NewValuation
    added: frozenset[uuid.UUID]
    notes: tuple[str, ...] = ()
    against: Valuation | None = None

    @property
    def besides(self) -> str:
        """What is asked that the order does not say: the same order's ranking is another question."""
        return "" if self.against is None else f"difference from game {self.against.game_id.hex}"


def exploration_of(session: Session, settings: Settings, caller: Caller, request: NewExploration) -> Exploration:
    """The order that an exploration stands for; raises InvalidInput, NotFound, Conflict."""
    if request.budget is not None:
        # before anything is charged
        money.parse(request.budget, request.currency, name="budget")
    earlier = None if request.beside is None else _job(session, caller, request.beside)
    own = earlier.order.datasets if earlier is not None else []
    about = _about(request) if earlier is None else _of_job(earlier.order)
    chosen: list[uuid.UUID] = list(request.datasets)
    notes: tuple[str, ...] = ()
    if request.search is not None:
        asked_on = request.test_dataset if earlier is None else earlier.order.test_dataset
        test = None if asked_on is None else repository.datasets_by_id(session, {asked_on}).get(asked_on)
        # of a stranger's nothing may be read off what is found
        test = test if test is not None and test.provider_id == caller.account_id else None
        chosen, notes = _searched(session, settings, caller, request, request.search, test, own)
    newer = {} if earlier is None else _newer(session, earlier)
    _check_new(chosen, own, newer)
    against = earlier if request.difference else None
    if against is not None:
        left_out = {each.hex for each in own} - set(against.job_inputs.contents)
        differences.check_job(session, against, chosen, newer, left_out)
    notes += tuple(newer.values())
    names = list(dict.fromkeys([*own, *chosen]))
    if len(names) > settings.explored_datasets:
        raise refused(
            "/datasets", f"{len(names)} datasets are more than one exploration's {settings.explored_datasets}"
        )
    order = {
        **about,
        "datasets": names,
        "players": "dataset",
        "pool": "1",
        "fidelity": "unlearn",
        "max_retrains": 0,
        "checked_part": 0.0,
        "drop_unfit": request.search is not None,
        "device": request.device,
        "purpose": request.purpose,
        "territory": request.territory,
        "metadata": request.metadata,
        **({} if against is None else differences.of_job(against.order)),
    }
    try:
        built = NewValuation.model_validate(order)
    except ValueError as error:
        raise InvalidInput(f"this exploration is no order that could be posted: {error}") from None
    return Exploration(built, frozenset(chosen) if own else frozenset(), notes, against)


def _about(order: NewExploration) -> dict[str, Any]:
    """What is measured, on what, as the exploration itself says."""
    named = (
        "test_dataset", "target", "target_is", "model", "base", "image_size", "features", "label_map",
        "missing_labels", "metric", "currency", "seed",
    )  # fmt: skip
    return {name: getattr(order, name) for name in named if name in order.model_fields_set or name == "currency"}


def _of_job(order: NewValuation) -> dict[str, Any]:
    """The same, as a job was ordered."""
    named = (
        "test_dataset", "target", "target_is", "model", "checkpoint", "base", "image_size", "features", "label_map",
        "missing_labels", "metric", "currency", "seed", "class_weights",
    )  # fmt: skip
    return {name: getattr(order, name) for name in named}


def _job(session: Session, caller: Caller, valuation_id: uuid.UUID) -> Valuation:
    valuation = service.get(session, caller, valuation_id)
    if valuation.status is not ValuationStatus.SUCCEEDED:
        raise Conflict(
            f"valuation {public_id('val', valuation_id)} is {valuation.status.value}; explore beside a job that has "
            "succeeded"
        )
    if valuation.order.mode != "full":
        raise Conflict(f"valuation {public_id('val', valuation_id)} is of partial mode, which cannot be added to")
    return valuation


def _newer(session: Session, job: Valuation) -> dict[uuid.UUID, str]:
    """The datasets of a job that have another content now than it valued, each with a note that says so."""
    rows = repository.datasets_by_id(session, set(job.order.datasets))
    valued = job.job_inputs.contents
    return {
        dataset_id: f"{public_id('ds', dataset_id)} has another version than that job valued; it is explored as it is "
        "now."
        for dataset_id, dataset in rows.items()
        if dataset.digest is not None and valued.get(dataset_id.hex, dataset.digest) != dataset.digest
    }


def _check_new(chosen: Sequence[uuid.UUID], own: Sequence[uuid.UUID], newer: Mapping[uuid.UUID, str]) -> None:
    for index, dataset_id in enumerate(chosen):
        if dataset_id in own and dataset_id not in newer:
            raise refused(
                f"/datasets/{index}",
                f"{public_id('ds', dataset_id)} is of that job already, in the version that is there now; leave it out",
            )


def _searched(
    session: Session,
    settings: Settings,
    caller: Caller,
    order: NewExploration,
    search: CatalogSearch,
    test: Dataset | None,
    own: list[uuid.UUID],
) -> tuple[list[uuid.UUID], tuple[str, ...]]:
    """The newest datasets that a search finds and an order could name, and a note of what was left out."""
    words = {"words": search.q, **search.model_dump(exclude={"q", "most"})}
    page = PageRequest(_LOOKED_AT, None, settings.signing_secret.get_secret_value().encode())
    matches = [dataset for dataset, _ in catalog.search(session, Search(**words), page)[0]]
    left: dict[str, int] = {}
    chosen: list[uuid.UUID] = []
    for dataset in matches:
        if dataset.id in own or dataset.provider_id == caller.account_id:
            continue
        if (why := _unusable(settings, order, dataset, test)) is not None:
            left[why] = left.get(why, 0) + 1
        elif len(chosen) < search.most:
            chosen.append(dataset.id)
    if not chosen:
        raise refused("/search", f"no dataset that an order could name was found{_because(left)}; look for others")
    more = sum(left.values())
    note = f"Of {len(matches)} datasets that were found {len(chosen)} are explored"
    return chosen, (f"{note}{_because(left)}.",) if more or len(matches) > len(chosen) else ()


def _because(left: Mapping[str, int]) -> str:
    if not left:
        return ""
    return " (" + ", ".join(f"{count} {why}" for why, count in sorted(left.items())) + ")"


def _unusable(settings: Settings, order: NewExploration, dataset: Dataset, test: Dataset | None) -> str | None:
    """Why an order could not name a dataset, as the catalogue shows it; None where it could."""
    licence = Licence.from_json(dataset.licence or {})
    if licence.problems(purpose=order.purpose, territory=order.territory, at=datetime.now(UTC)):
        return "are not licensed for this"
    if licence.approval is Approval.BY_REQUEST:
        return "wait for their provider's consent to each job"
    if dataset.reserve_currency not in (None, order.currency):
        return "ask for another currency"
    if (dataset.rows or 0) < settings.least_rows_valued:
        return "have too few rows"
    if test is not None and (dataset.target != test.target or dataset.modality not in (None, test.modality)):
        return "predict something else than the test set"
    return None
