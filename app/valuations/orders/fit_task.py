"""Fits a job's files together: one encoding, copies among rows as they were read, the players, the mix of labels. Pure.

The sandbox runs it for an order (``app.sandbox.process``). The question and the answer are plain JSON, and the answer
holds no row.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.datasets.rows.encoding import EncodedRows
from app.datasets.rows.groups import groups_digest
from app.datasets.rows.raw_rows import join_raw
from app.valuations.orders.job_files import DatasetRefused, JobRows, read_files, without_unfit
from app.valuations.orders.test_commitment import label_mix
from app.valuations.players.files import pack_groups
from app.valuations.players.grouping import Grouping, Payee, group
from app.valuations.players.overlap import Overlap, overlaps
from contract.fit import FitAnswer, FitQuestion, FitReply, FitRequest, GroupsFitted, Offer, PayeeFitted, RowsFitted


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
    payees = [_payee(offer, question, rows) for offer in question.members]
    uploaded = {uuid.UUID(key): datetime.fromisoformat(moment) for key, moment in question.uploaded.items()}
    grouping = group(payees, question.copies, rows.raw_test, uploaded, question.draws)
    whole = [join_raw(payee.raw) for payee in payees]
    shared = overlaps(whole, rows.raw_test)
    # blocks of text are labelled by domains, which are no classes
    classes = rows.labels if question.kind != "blocks" else ()
    held = [encoded for payee in payees for encoded in payee.encoded]
    return FitAnswer(
        labels=rows.labels,
        encoding=rows.encoding,
        shape=rows.shape,
        test=RowsFitted(rows=len(rows.test.y), digest=rows.test.digest, groups=_groups(rows.test)),
        seats=grouping.players,
        members=tuple(
            _fitted(payee, at, grouping, overlap, raw.digest)
            for at, (payee, overlap, raw) in enumerate(zip(payees, shared, whole, strict=True))
        ),
        order=tuple(_order(payees, grouping)),
        raw_test=rows.raw_test.digest,
        mix=label_mix(classes, rows.test, held, len(payees)),
        findings=tuple(rows.findings),
    )


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
    )


def _order(payees: Sequence[Payee], grouping: Grouping) -> list[int]:
    """The payees in the order of their players."""
    return sorted(range(len(payees)), key=lambda at: (grouping.order_of(at), payees[at].digest, payees[at].name))
