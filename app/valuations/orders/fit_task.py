"""Fits a job's files together: one encoding, copies among rows as they were read, the players, the mix of labels. Pure.

The sandbox runs it for an order (``app.sandbox.process``). The question and the answer are plain JSON, and the answer
holds no row.
"""

import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from app.datasets.rows.encoding import EncodedRows
from app.datasets.rows.groups import groups_digest
from app.datasets.rows.raw_rows import join_raw
from app.datasets.rows.registered import read_registration, registered_blocks
from app.errors import InvalidData
from app.valuations.orders.job_files import JobRows, read_files
from app.valuations.orders.test_commitment import label_mix
from app.valuations.orders.unfit import DatasetRefused, DatasetUnfit, without_unfit
from app.valuations.players.away import away_player, order_players
from app.valuations.players.files import drop_mask, join_rows, pack_groups, used_rows
from app.valuations.players.grouping import Grouping, Payee, group
from app.valuations.players.overlap import Overlap, overlaps
from contract.agents import AGENT_FORMAT
from contract.orders.fit import (
    FitAnswer,
    FitQuestion,
    FitReply,
    FitRequest,
    GroupsFitted,
    Offer,
    PayeeFitted,
    PlayerFitted,
    RowsFitted,
)
from contract.orders.lot import LotFitted


def answer(plain: dict[str, Any]) -> dict[str, Any]:
    """Read a job's files and group who offers them into players, all as plain JSON (``FitRequest``, ``FitReply``).

    Raises InvalidData where the test set cannot be read; which dataset does not fit is an answer, too.
    """
    request = FitRequest.read({name: value for name, value in plain.items() if name != "task"})
    try:
        return FitReply(answer=fit(request)).plain()
    except DatasetRefused as error:
        return FitReply(refused=error.document).plain()


def fit(request: FitRequest) -> FitAnswer:
    """The same as typed documents; raises DatasetRefused where one of the datasets does not fit."""
    fitted, unfit = without_unfit(request, _fit)
    return fitted.model_copy(update={"unfit": unfit})


def _fit(request: FitRequest) -> FitAnswer:
    question = request.question
    rows = read_files(request)
    away = {offer.name: _away(offer, request) for offer in question.members if _stays(offer, question)}
    here = [offer for offer in question.members if offer.name not in away]
    payees = [_payee(offer, question, rows) for offer in here]
    uploaded = {uuid.UUID(key): datetime.fromisoformat(moment) for key, moment in question.uploaded.items()}
    grouping = Grouping((), (), ())
    if payees:
        grouping = group(payees, question.copies, rows.raw_test, uploaded, question.draws, question.lot)
    lot, test = _lot(payees, grouping, question, rows.test)
    whole = [join_raw(payee.raw) for payee in payees]
    shared = overlaps(whole, rows.raw_test)
    members = {
        payee.name: _fitted(payee, at, grouping, overlap, raw.digest)
        for at, (payee, overlap, raw) in enumerate(zip(payees, shared, whole, strict=True))
    }
    ordered = order_players(grouping.players, question.members, members, away)
    # blocks of text are labelled by domains, which are no classes
    classes = rows.labels if question.kind != "blocks" else ()
    held = [encoded for payee in payees for encoded in payee.encoded]
    return FitAnswer(
        labels=rows.labels,
        encoding=rows.encoding,
        shape=rows.shape,
        test=RowsFitted(rows=len(test.y), digest=test.digest, groups=_groups(test)),
        seats=ordered.players,
        members=ordered.members,
        order=ordered.order,
        raw_test=rows.raw_test.digest,
        # how labels are mixed that stay with their owners, nobody knows
        mix=label_mix(classes, test, held, 0 if away else len(payees)),
        findings=tuple(rows.findings),
        segments=rows.segments,
        segmented=grouping.segments,
        lot=lot,
        scale=rows.scale,
    )


def _lot(
    payees: list[Payee], grouping: Grouping, question: FitQuestion, test: EncodedRows
) -> tuple[LotFitted | None, EncodedRows]:
    """The test rows that were drawn by lot, and all rows that measure: those, and the order's own where they do."""
    if grouping.lot is None or question.lot is None:
        return None, test
    files, parts = [], [test] if question.lot.beside else []
    for payee, masks in zip(payees, grouping.lot.test, strict=True):
        for file, rows, mask in zip(payee.files, payee.encoded, masks, strict=True):
            if mask.any():
                files.append(file.model_copy(update={"drop": drop_mask(mask)}))
                parts.append(used_rows(rows, files[-1].drop))
    count = sum(int(mask.sum()) for masks in grouping.lot.test for mask in masks)
    own = np.full(len(test.y), question.lot.beside)
    lot = LotFitted(files=tuple(files), rows=count, expected=grouping.lot.expected, drop=drop_mask(own))
    return lot, join_rows(parts)


def _stays(offer: Offer, question: FitQuestion) -> bool:
    """Whether an offer's data stays with its owner; an order was refused that mixes both in one offer."""
    return any(question.files[dataset].format == AGENT_FORMAT for dataset in offer.datasets)


def _away(offer: Offer, request: FitRequest) -> PlayerFitted:
    """The player of an offer whose one dataset stays with its owner."""
    (dataset,) = offer.datasets
    question = request.question
    file = question.files[dataset]
    registration = read_registration(Path(request.paths[file.digest]).read_bytes(), file.name)
    if question.base is None:
        return away_player(offer, file, registration.rows)
    try:
        blocks = registered_blocks(registration, file.name, question.base, question.context or 0)
    except InvalidData as error:
        raise DatasetUnfit(dataset, error) from None
    return away_player(offer, file, blocks)


def _groups(test: EncodedRows) -> GroupsFitted | None:
    """The test rows that were drawn together, in the file's order."""
    if test.groups is None:
        return None
    count, digest = int(test.groups.max()) + 1, groups_digest(test, test.groups)
    return GroupsFitted(count=count, digest=digest, packed=pack_groups(test.groups))


def _payee(offer: Offer, question: FitQuestion, rows: JobRows) -> Payee:
    return Payee(
        name=offer.name,
        shown=offer.shown,
        datasets=tuple(uuid.UUID(dataset) for dataset in offer.datasets),
        files=tuple(question.files[dataset] for dataset in offer.datasets),
        encoded=tuple(rows.rows[dataset] for dataset in offer.datasets),
        raw=tuple(rows.raw[dataset] for dataset in offer.datasets),
    )


def _fitted(payee: Payee, at: int, grouping: Grouping, shared: Overlap, raw: str) -> PayeeFitted:
    return PayeeFitted(
        digest=payee.digest,
        rows=payee.count,
        seat=grouping.player_of[at],
        part=grouping.parts[at].as_integer_ratio(),
        in_test=shared.in_test,
        in_others=shared.in_others,
        raw=raw,
        segments=tuple(sorted({number for rows in payee.encoded for number in _numbers(rows)})),
        repeats=grouping.repeats[at] if grouping.repeats else 0,
    )


def _numbers(rows: EncodedRows) -> list[int]:
    return [] if rows.groups is None else np.unique(rows.groups).tolist()
