"""Admission: everything that is checked before a job exists or money is held. A bad order leaves nothing behind.

It reads every file of the job once, fixes the one encoding that all of them share, puts the players in canonical order
(by the digest of their rows, then by name) and so fixes the game and its digest.
"""

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pyarrow as pa
from sqlalchemy.orm import Session

from app.accounts.roles import Caller
from app.checkpoints import repository as checkpoints
from app.checkpoints.hyper import faults
from app.checkpoints.tables import Architecture, Checkpoint
from app.checkpoints.weights import BASE, check_fit
from app.datasets.encoding import Encoding, encode, fit_encoding
from app.datasets.licences import Licence
from app.datasets.service import limits_of
from app.datasets.tables import Dataset, DatasetKind, DatasetStatus, Modality
from app.errors import FieldError, InvalidInput
from app.payouts import money
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations import repository
from app.valuations.games import digest_of, frozen_game
from app.valuations.inputs import InputFile, load_table
from app.valuations.quotes import Size
from app.valuations.schemas import Model, NewValuation
from app.valuations.seating import Member, Seat, seat
from app.valuations.terms import payout_terms


@dataclass(frozen=True)
class AdmittedPlayer:
    """Whoever is paid, before the job exists. ``name`` is unique in the job and never changes; ``shown`` is for people.

    ``seat`` is its player of the game (None: nothing of it is used), of whose amount it gets ``part``.
    """

    name: str
    shown: str
    provider_id: uuid.UUID
    datasets: tuple[uuid.UUID, ...]
    digest: str
    rows: int
    reserve: int  # the least this player takes, in minor units; 0 is no reserve
    seat: int | None
    part: Fraction


@dataclass(frozen=True)
class Admitted:
    """An order that may become a job: the game, its seats in canonical order, who is paid, the money in minor units."""

    frozen: dict[str, Any]
    game_digest: str
    seats: tuple[Seat, ...]
    players: tuple[AdmittedPlayer, ...]
    test: InputFile
    test_dataset: uuid.UUID
    checkpoint: str | None
    pool_minor: int
    size: Size
    contents: dict[uuid.UUID, str]  # each dataset's digest
    notes: tuple[str, ...] = ()
    trained: bool = False  # the checkpoint holds the model trained on everybody, not the base model alone


def admit(
    session: Session,
    blobs: BlobStore,
    settings: Settings,
    caller: Caller,
    order: NewValuation,
    licence_problems: list[FieldError] | None = None,
) -> Admitted:
    """Check an order whole; raises InvalidInput (or InvalidData) naming the field, the rule and the mend.

    With ``licence_problems`` (a quote) licences that forbid the job are added there and do not refuse it.
    """
    pool_minor = _pool(order)
    _check_terms(order, settings)
    _check_deadline(order)
    model, checkpoint = _model(session, caller, order)
    found = _datasets(session, order, licence_problems)
    test = _test_dataset(session, caller, order)
    target = _file(test, order.target).target
    groups = _groups(order, found)
    if len(groups) == 1 and order.mode == "full":
        raise _refused(
            "/datasets",
            "a full valuation divides a pool among players, and this job has one; "
            "name another provider's dataset, set players to dataset, or set mode to partial",
        )
    limits = limits_of(settings)
    test_file = _file(test, order.target)
    test_table = load_table(blobs, test_file, target, limits)
    tables = {each.id: load_table(blobs, _file(each, order.target), target, limits) for each in found}
    encoding = fit_encoding(test_table, [tables[each.id] for each in found], target)
    _check_shape(encoding, model)
    if checkpoint is not None and checkpoint.tensors is not None:
        shape, classes = encoding.shape, len(encoding.classes)
        check_fit(checkpoint.tensors, checkpoint.architecture, checkpoint.hyper, shape, classes)
    weights = checkpoint.digest if checkpoint is not None else None
    names = repository.account_names(session, {each.provider_id for each in found})
    members = [_member(order, group, tables, encoding, names) for group in groups]
    test_rows = encode(test_table, encoding)
    seating = seat(members, order.payout.copies, test_rows, repository.upload_moments(session, found))
    if len(seating.seats) < 2 and len(groups) > 1 and order.mode == "full":
        raise _refused(
            "/payout/copies",
            f"under copies={order.payout.copies} these datasets are one player, with nobody to share with; "
            "name other data, or set copies to separate",
        )
    frozen = frozen_game(
        players=[each.digest for each in seating.seats],
        test=test_rows.digest,
        encoding=encoding.to_json(),
        learner={"name": model.name, "hyper": dict(model.hyper)},
        checkpoint=weights,
        metric=order.metric,
        mode=order.mode,
        unlearning=dict(order.unlearning.options),
        seed=order.seed,
        device=order.device,
    )
    players = tuple(
        AdmittedPlayer(
            name=member.name,
            shown=member.shown,
            provider_id=member.provider_id,
            datasets=member.datasets,
            digest=member.digest,
            rows=member.count,
            reserve=member.reserve,
            seat=seating.seat_of[index],
            part=seating.parts[index],
        )
        for index, member in sorted(
            enumerate(members), key=lambda each: (seating.order_of(each[0]), each[1].digest, each[1].name)
        )
    )
    size = Size(
        sum(each.rows for each in seating.seats), math.prod(encoding.shape), len(encoding.classes), test_table.num_rows
    )
    contents = {each.id: each.digest for each in found if each.digest is not None}
    money_and_more = (pool_minor, size, contents, seating.notes)
    trained = checkpoint is not None and any(not name.startswith(BASE) for name in checkpoint.tensors or ())
    named = (frozen, digest_of(frozen), seating.seats, players, test_file, test.id, weights)
    return Admitted(*named, *money_and_more, trained)


def _pool(order: NewValuation) -> int:
    try:
        return money.parse(order.pool, order.currency, name="pool")
    except InvalidInput as error:
        field = "/currency" if order.currency not in money.EXPONENTS else "/pool"
        raise _refused(field, error.detail) from None


def _check_terms(order: NewValuation, settings: Settings) -> None:
    try:
        payout_terms(order.payout, order.currency, settings.platform_fee_basis_points)
    except InvalidInput as error:
        raise _refused("/payout", error.detail) from None


def _check_deadline(order: NewValuation) -> None:
    if order.deadline is not None and order.deadline <= datetime.now(UTC):
        raise _refused("/deadline", f"deadline {order.deadline.isoformat()} has passed; give a later one, or none")


def _model(session: Session, caller: Caller, order: NewValuation) -> tuple[Model, Checkpoint | None]:
    if order.checkpoint is None:
        model = order.model or Model()
        if wrong := faults(Architecture(model.name), model.hyper):
            told = [FieldError(f"/model/hyper/{name}", fault, "hyper_parameter") for name, fault in wrong.items()]
            raise InvalidInput(told[0].detail, errors=told)
        return model, None
    checkpoint: Checkpoint | None = repository.own_checkpoint(session, caller.account_id, order.checkpoint)
    if checkpoint is None:
        raise _refused(
            "/checkpoint", f"no checkpoint ck_{order.checkpoint.hex} of yours; list them with GET /v1/checkpoints"
        )
    if checkpoints.is_unlearning(session, checkpoint.id):
        raise _refused(
            "/checkpoint",
            f"checkpoint ck_{checkpoint.id.hex} is being made to forget a dataset that was withdrawn; post the job "
            f"when GET /v1/checkpoints/ck_{checkpoint.id.hex}/unlearnings says that it is done",
        )
    return Model.model_validate({"name": checkpoint.architecture.value, "hyper": checkpoint.hyper}), checkpoint


def _datasets(session: Session, order: NewValuation, licence_problems: list[FieldError] | None) -> list[Dataset]:
    """The datasets in the order's order; all that is wrong with them is told at once."""
    rows = repository.datasets_by_id(session, order.datasets)
    faults: list[FieldError] = []
    for index, dataset_id in enumerate(order.datasets):
        dataset = rows.get(dataset_id)
        fault = _fault(order, dataset, dataset_id)
        if fault is not None:
            faults.append(FieldError(f"/datasets/{index}", fault, "dataset"))
        elif dataset is not None and (problem := _licence_problem(order, dataset)) is not None:
            told = FieldError(f"/datasets/{index}", problem, "licence")
            (faults if licence_problems is None else licence_problems).append(told)
    if faults:
        raise InvalidInput(faults[0].detail, errors=faults)
    return [rows[each] for each in order.datasets]


def _fault(order: NewValuation, dataset: Dataset | None, dataset_id: uuid.UUID) -> str | None:
    name = f"dataset ds_{dataset_id.hex}"
    if dataset is not None and dataset.status is DatasetStatus.WITHDRAWN:
        return f"{name} was withdrawn by its provider and no new job may use it; leave it out"
    if dataset is not None and dataset.kind is not DatasetKind.TRAIN:
        return f"{name} is a test set and cannot be valued; give it as test_dataset"
    # what is not published is nobody's business: a stranger cannot tell it from what does not exist
    if dataset is None or dataset.status is not DatasetStatus.PUBLISHED or dataset.licence is None:
        return f"{name} does not exist or is not published; name published datasets"
    if (unfit := _unfit(dataset)) is not None:
        return f"{name} {unfit}"
    if dataset.reserve_currency not in (None, order.currency):
        return f"{name} has a reserve price in {dataset.reserve_currency}; post the job in it, or leave it out"
    return None


def _licence_problem(order: NewValuation, dataset: Dataset) -> str | None:
    """Why the licence forbids this job, if it does."""
    licence = Licence.from_json(dataset.licence or {})
    problems = licence.problems(purpose=order.purpose, territory=order.territory, at=datetime.now(UTC))
    return f"dataset ds_{dataset.id.hex} {problems[0]}" if problems else None


def _unfit(dataset: Dataset) -> str | None:
    """Why no learner can read a dataset; the rest of a sentence that begins with it."""
    if dataset.target is None or dataset.modality is Modality.TEXT:
        return "holds documents, which the models of this job do not read; name datasets with columns or images"
    return None


def _test_dataset(session: Session, caller: Caller, order: NewValuation) -> Dataset:
    dataset = repository.datasets_by_id(session, [order.test_dataset]).get(order.test_dataset)
    name = f"dataset ds_{order.test_dataset.hex}"
    if dataset is None or dataset.provider_id != caller.account_id or dataset.status is DatasetStatus.DRAFT:
        raise _refused("/test_dataset", f"{name} is not a test set of yours with content; upload one of kind test")
    if dataset.kind is not DatasetKind.TEST:
        raise _refused("/test_dataset", f"{name} is of kind {dataset.kind.value}; upload the test set with kind test")
    if dataset.status is DatasetStatus.WITHDRAWN:
        raise _refused("/test_dataset", f"{name} was withdrawn; upload another test set")
    if (unfit := _unfit(dataset)) is not None:
        raise _refused("/test_dataset", f"{name} {unfit}")
    return dataset


def _file(dataset: Dataset, target: str | None) -> InputFile:
    """The dataset's bytes; a target that the order names is looked for by that name in every file."""
    wanted = target or dataset.target
    if dataset.digest is None or dataset.format is None or wanted is None:
        raise AssertionError(f"dataset {dataset.id} has no content or no target, and was not refused")
    return InputFile(f"dataset ds_{dataset.id.hex}", dataset.digest, dataset.format.value, wanted)


def _groups(order: NewValuation, found: Sequence[Dataset]) -> list[list[Dataset]]:
    """The datasets of each player."""
    groups: dict[uuid.UUID, list[Dataset]] = {}
    for dataset in found:
        groups.setdefault(dataset.provider_id if order.players == "provider" else dataset.id, []).append(dataset)
    return list(groups.values())


def _member(
    order: NewValuation,
    group: Sequence[Dataset],
    tables: dict[uuid.UUID, pa.Table],
    encoding: Encoding,
    names: dict[uuid.UUID, str],
) -> Member:
    provider = group[0].provider_id
    by_provider = order.players == "provider"
    return Member(
        name=f"acc_{provider.hex}" if by_provider else f"ds_{group[0].id.hex}",
        shown=names[provider] if by_provider else f"{names[provider]}: {group[0].name}",
        provider_id=provider,
        datasets=tuple(each.id for each in group),
        files=tuple(_file(each, order.target) for each in group),
        encoded=tuple(encode(tables[each.id], encoding) for each in group),
        reserve=sum(each.reserve_minor or 0 for each in group),
    )


def _check_shape(encoding: Encoding, model: Model) -> None:
    images = len(encoding.shape) > 1
    if images and model.name != "cnn":
        raise _refused(
            "/model/name", f"these datasets hold images, and {model.name} takes columns; set the model to cnn"
        )
    if not images and model.name == "cnn":
        raise _refused("/model/name", "cnn takes images (NPZ, X of shape [n, height, width]); choose logistic or mlp")


def _refused(pointer: str, detail: str) -> InvalidInput:
    return InvalidInput(detail, errors=[FieldError(pointer, detail)])
