"""The files of an order, fitted together: the question to the sandbox, and its answer, which is kept for a while.

Every file is read once, in the sandbox (``fit_task``). Files that do not fit together are refused, and the encoded rows
are the same to the byte as those that a worker computes on. The answer depends on nothing but the question, so it is
kept by the question's digest and used again by every process: for instance when an order is posted after its quote.
"""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app.checkpoints.tables import Checkpoint
from app.datasets.readers.documents import TEXT_COLUMN
from app.datasets.rows.items import IMAGE, TEXT
from app.datasets.table_limits import limits_of
from app.datasets.tables import Dataset, Modality
from app.http.turns.waiting import Deferred
from app.sandbox import process
from app.settings import Settings
from app.storage import scratch
from app.storage.blobs import BlobStore
from app.valuations.orders import fit_cache
from app.valuations.orders.quotes import JobSize
from app.valuations.orders.refusals import refused
from app.valuations.orders.unfit import DatasetRefused
from app.valuations.schemas import Model
from app.webhooks import service as webhooks
from app.webhooks.events import EventType
from contract.agents import AGENT_FORMAT
from contract.document import digest_of
from contract.learning.learners import ARCHITECTURES, Architecture
from contract.orders.fit import FitAnswer, FitQuestion, FitReply, FitRequest, Offer
from contract.orders.game import Encoding, FrozenModelRows, TableEncoding, TokenBlocks
from contract.orders.lot import LotDraw
from contract.rows.features import ALL_FEATURES, FeatureChoice
from contract.rows.files import InputFile, Reading
from contract.rows.reading import MissingLabels, TargetIs

FIT = process.declare("app.valuations.orders.fit_task:answer")
# raised whenever ``fit_task`` gives another answer to the same question; answers kept before are then not used
_RULES = 11


@dataclass(frozen=True)
class OrderFiles:
    """What an answer depends on, but for the model below: who offers which data, since when, the rule for copies, and
    whether a checkpoint's weights fix the order of classes and columns (``by_name``), what the target is predicted as
    (``FitQuestion``), by which column of the test set its rows are grouped ("": by none), and test rows by lot;
    ``segments`` and ``encoding`` as there."""

    test: Dataset
    datasets: Sequence[Dataset]
    target: str | None
    image_size: int | None
    offers: Sequence[Offer]
    copies: str
    uploaded: Mapping[uuid.UUID, datetime]
    by_name: bool
    features: FeatureChoice = ALL_FEATURES
    label_map: Mapping[str, str] = field(default_factory=dict)
    missing_labels: MissingLabels = "leave_out"
    drop_unfit: bool = False
    target_is: TargetIs | None = None
    group: str = ""
    draws: str = ""
    segments: str = ""
    least_segment: int = 1
    segment_draws: str = ""
    lot: LotDraw | None = None
    encoding: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Fitted:
    """The files as the game reads them: its encoding, the shape of a row, how many classes (or tokens), the test set's
    file, the size of the job, and the sandbox's answer."""

    encoding: Encoding
    shape: tuple[int, ...]
    classes: int
    test_file: InputFile
    size: JobSize
    answer: FitAnswer


@dataclass(frozen=True)
class Fitter:
    """Has the sandbox fit an order's files together, or takes the answer that is kept of the same question.

    With ``defer`` it raises Deferred in place of asking the sandbox: whoever waits for it holds no connection then.
    """

    session: Session
    blobs: BlobStore
    settings: Settings
    defer: bool = False

    def tables(self, files: OrderFiles) -> Fitted:
        """Files with columns, or images: one encoding for all, fixed by the test set. Raises InvalidData."""
        test_file = _grouped(_table_file(files.test, files.target), files)
        named = {dataset.id: _table_file(dataset, files.target) for dataset in files.datasets}
        answer = self._ask(files, "table", test_file, named, image_size=files.image_size)
        if answer.shape is None or answer.encoding is None:
            raise AssertionError("a table was fitted without an encoding")
        encoding = TableEncoding(columns=answer.encoding)
        classes = 1 if files.target_is == "number" else len(answer.labels)
        size = JobSize(_offered(answer), math.prod(answer.shape), classes, answer.test.rows, shape=tuple(answer.shape))
        size = replace(size, test_groups=_groups_of(answer))
        return Fitted(encoding, answer.shape, classes, _with_groups(test_file, answer), size, answer)

    def texts(self, files: OrderFiles, model: Model, base: Checkpoint) -> Fitted:
        """Corpora as blocks for a language model on ``base``; the test set's target, if any, names its domains."""
        context, facts = _context(model), base.model_facts
        test_file = _grouped(_text_file(files.test, files.test.target), files)
        named = {dataset.id: _text_file(dataset, None) for dataset in files.datasets}
        answer = self._ask(files, "blocks", test_file, named, base.tokenizer_digest, context=context, base=base.digest)
        if len(answer.labels) > facts.vocabulary:
            raise refused(
                "/test_dataset",
                f"the test set has {len(answer.labels)} domains, more than there are tokens; merge some",
            )
        encoding = TokenBlocks(
            context=context,
            vocabulary=facts.vocabulary,
            domain_column=files.test.target,
            domains=answer.labels,
        )
        tokens, rows = _hyper(model, "steps") * _hyper(model, "batch") * context, answer.test.rows
        size = JobSize(
            rows=_offered(answer),
            width=context + 1,
            classes=facts.vocabulary,
            test_rows=rows,
            training=float(facts.parameters) * tokens,
            scoring=float(facts.parameters) * context * rows,
            test_groups=_groups_of(answer),
        )
        return Fitted(encoding, (context + 1,), facts.vocabulary, _with_groups(test_file, answer), size, answer)

    def items(self, files: OrderFiles, model: Model, base: Checkpoint) -> Fitted:
        """Texts or images for the frozen model ``base``, which makes features of them for a head, or is itself trained
        with adapters (lora): here they are only distinguished. Raises InvalidData."""
        facts, text = base.model_facts, base.architecture is Architecture.ENCODER
        test_file = _grouped(_table_file(files.test, files.target), files)
        named = {dataset.id: _table_file(dataset, files.target) for dataset in files.datasets}
        answer = self._ask(files, TEXT if text else IMAGE, test_file, named)
        inside = ARCHITECTURES[model.name].needs_base
        context = int(base.hyper.get("context", min(128, facts.positions))) if text else None
        side = None if text else int(base.hyper.get("size", facts.side))
        encoding = FrozenModelRows(
            kind="inputs" if inside else "features",
            of="text" if text else "image",
            target=test_file.target,
            classes=answer.labels,
            context=context,
            size=side,
            label_map=dict(files.label_map) or None,
            target_scale=answer.scale,
        )
        work = facts.multiplications * (context if context is not None else ((side or 1) / facts.side) ** 2)
        rows, classes = answer.test.rows, encoding.outputs
        size = JobSize(_offered(answer), facts.width, classes, rows, test_groups=_groups_of(answer))
        if inside:
            steps = _hyper(model, "steps") * _hyper(model, "batch")
            size = replace(size, training=work * steps, scoring=work * rows)
        else:
            size = replace(size, preparing=work * (rows + sum(payee.rows for payee in answer.members)))
        return Fitted(encoding, (facts.width,), classes, _with_groups(test_file, answer), size, answer)

    def _ask(
        self,
        files: OrderFiles,
        kind: str,
        test: InputFile,
        named: Mapping[uuid.UUID, InputFile],
        tokenizer: str | None = None,
        *,
        image_size: int | None = None,
        context: int | None = None,
        base: str | None = None,
    ) -> FitAnswer:
        """The sandbox's answer: the one that is kept, or a new one, which is kept with the caller's transaction."""
        question = FitQuestion(
            kind=kind,
            test=test,
            files={key.hex: file for key, file in named.items()},
            members=tuple(files.offers),
            copies=files.copies,
            uploaded={key.hex: moment.isoformat() for key, moment in files.uploaded.items()},
            limits=asdict(limits_of(self.settings)),
            image_size=image_size,
            context=context,
            by_name=files.by_name,
            features=files.features,
            label_map=dict(files.label_map),
            missing_labels=files.missing_labels,
            drop_unfit=files.drop_unfit,
            target_is=files.target_is,
            draws=files.draws,
            segments=files.segments,
            least_segment=files.least_segment,
            segment_draws=files.segment_draws,
            lot=files.lot,
            encoding=None if files.encoding is None else dict(files.encoding),
            base=base if any(file.format == AGENT_FORMAT for file in named.values()) else None,
        )
        digest = digest_of({"rules": _RULES, "tokenizer": tokenizer, **question.plain()})
        kept = fit_cache.kept(self.session, digest)
        if kept is not None:
            return kept
        if self.defer:
            owners = {dataset.id.hex: dataset.provider_id for dataset in files.datasets}
            raise Deferred(partial(self._reply, question, tokenizer), partial(_keep, digest, owners))
        reply = self._reply(question, tokenizer)
        if (refusal := _keep(digest, {}, self.session, reply)) is not None or reply.answer is None:
            raise refusal or AssertionError("the sandbox gave neither an answer nor a refusal")
        return reply.answer

    def _reply(self, question: FitQuestion, tokenizer: str | None) -> FitReply:
        """Ask the sandbox; touches no database."""
        with scratch.file() as free:
            digests = {file.digest for file in (question.test, *question.files.values())}
            paths = {digest: str(free.with_name(digest)) for digest in digests}
            for blob, path in paths.items():
                self.blobs.download(blob, Path(path))
            if tokenizer is not None:
                self.blobs.download(tokenizer, free)
            place = None if tokenizer is None else str(free)
            request = FitRequest(question=question, name="the job's files", paths=paths, tokenizer=place)
            return FitReply.read(
                process.shared().ask(
                    {"task": FIT, **request.plain()},
                    files=[Path(each) for each in (*paths.values(), *([] if place is None else [place]))],
                    memory_bytes=self.settings.fit_memory_bytes,
                    seconds=self.settings.parse_seconds,
                )
            )


def _keep(digest: str, owners: Mapping[str, uuid.UUID], session: Session, reply: FitReply) -> DatasetRefused | None:
    """Keep the answer, and tell the providers (``owners`` by dataset) of the datasets that do not fit; returns the
    refusal, where there is one."""
    refused = [] if reply.refused is None else [reply.refused.dataset]
    unfit = [*refused, *(each.dataset for each in (reply.answer.unfit if reply.answer else ()))]
    for dataset in unfit:
        if dataset in owners:
            event = {"id": uuid.UUID(dataset)}
            webhooks.emit(session, owners[dataset], EventType.DATASET_UNREADABLE_FOR_ORDER, event)
    if reply.refused is not None:
        return DatasetRefused(reply.refused)
    if reply.answer is not None:
        fit_cache.keep(session, digest, reply.answer)
    return None


def unfit_for_items(dataset: Dataset, architecture: Architecture) -> str | None:
    """Why a frozen model cannot be shown a dataset; the rest of a sentence that begins with its name."""
    if dataset.target is None:
        return "has no target, and a head predicts one; name datasets with labels"
    if (architecture is Architecture.BACKBONE) != (dataset.modality is Modality.IMAGE):
        what = "images" if architecture is Architecture.BACKBONE else "texts"
        kind = dataset.modality.value if dataset.modality is not None else "no"
        return f"holds {kind} data, and the {architecture.value} takes {what}; name others, or another base"
    return None


def unfit_for_texts(dataset: Dataset) -> str | None:
    """Why a language model cannot read a dataset; the rest of a sentence that begins with its name."""
    texts = any(column.name == TEXT_COLUMN and column.type == "text" for column in dataset.file_columns)
    if dataset.modality is not Modality.TEXT and not texts:
        return f"has no column `{TEXT_COLUMN}` of texts, which lm reads; name corpora, or another model"
    return None


def _offered(answer: FitAnswer) -> int:
    """Rows of all payees together, used or not: what a job takes is told beforehand, and must not tell of copies."""
    return sum(payee.rows for payee in answer.members)


def _groups_of(answer: FitAnswer) -> int | None:
    """How many groups of test rows there are."""
    return None if answer.test.groups is None else answer.test.groups.count


def _grouped(test: InputFile, files: OrderFiles) -> InputFile:
    """The test set's file, with the column by which its rows are grouped."""
    return test.model_copy(update={"group": files.group}) if files.group else test


def _with_groups(test: InputFile, answer: FitAnswer) -> InputFile:
    """The test set's file, with the group of each of its rows as the sandbox read them."""
    groups = answer.test.groups
    return test if groups is None else test.model_copy(update={"groups": groups.packed})


def _table_file(dataset: Dataset, target: str | None) -> InputFile:
    """The dataset's bytes; a target that the order names is looked for by that name in every file."""
    column = target or dataset.target
    if dataset.digest is None or dataset.format is None or column is None:
        raise AssertionError(f"dataset {dataset.id} has no content or no target, and was not refused")
    return _file(dataset, dataset.digest, dataset.format.value, column)


def _text_file(dataset: Dataset, domain: str | None) -> InputFile:
    if dataset.digest is None or dataset.format is None:
        raise AssertionError(f"dataset {dataset.id} has no content, and was not refused")
    return _file(dataset, dataset.digest, dataset.format.value, domain or "")


def _file(dataset: Dataset, digest: str, format: str, target: str) -> InputFile:  # noqa: A002  the API's own word
    reading = Reading.read(dataset.reading or {})
    return InputFile(name=f"dataset ds_{dataset.id.hex}", digest=digest, format=format, target=target, reading=reading)


def _context(model: Model) -> int:
    context = int(_hyper(model, "context"))
    if context % 8:
        raise refused("/model/hyper/context", f"lm: context must be a multiple of 8 tokens; got {context}")
    return context


def _hyper(model: Model, name: str) -> float:
    """A hyper-parameter of the order's model, or its default."""
    return ARCHITECTURES[model.name].checked(model.hyper)[name]
