"""What an order's files come to, through the real sandbox: asked once, kept by the question, and sized for a quote."""

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.checkpoints.tables import Checkpoint
from app.datasets.tables import Dataset, DatasetFormat, Modality
from app.errors import InvalidInput
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations.orders.fitted_files import Fitter, OrderFiles, unfit_for_items, unfit_for_texts
from app.valuations.schemas import Model
from app.valuations.tables import Fitting
from contract.architectures.model_folder import ModelFacts
from contract.learning.learners import Architecture
from contract.orders.fit import Offer
from contract.orders.game import FrozenModelRows, TableEncoding, TokenBlocks
from tests.frozen_models import pictures, sentences

FACTS = ModelFacts(
    family="it", sizes={"positions": 48, "size": 32}, width=16, parameters=1000, multiplications=50.0, vocabulary=256
)


@pytest.fixture
def blobs() -> BlobStore:
    return BlobStore.from_url("memory://")


@pytest.fixture
def fitter(session: Session, blobs: BlobStore) -> Fitter:
    return Fitter(session, blobs, Settings())


def dataset(blobs: BlobStore, content: bytes, form: DatasetFormat, target: str | None = "label") -> Dataset:
    return Dataset(id=uuid.uuid4(), digest=blobs.put_bytes(content).digest, format=form, target=target)


def ordered(test: Dataset, datasets: Sequence[Dataset], **changes: Any) -> OrderFiles:
    rest: dict[str, Any] = {"target": None, "image_size": None, "copies": "separate", "by_name": False}
    return OrderFiles(
        test=test,
        datasets=datasets,
        offers=[Offer(name=each.id.hex, shown="it", datasets=(each.id.hex,)) for each in datasets],
        uploaded={each.id: datetime(2026, 1, 1, tzinfo=UTC) for each in datasets},
        **rest | changes,
    )


def table(seed: int, count: int, label: str = "label") -> bytes:
    rng = np.random.default_rng(seed)
    lines = [f"{rng.normal():.6f},{rng.normal():.6f},{'xy'[i % 2]}" for i in range(count)]
    return "\n".join([f"u,v,{label}", *lines]).encode()


def kept(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(Fitting)) or 0


def corpus(*texts: str, topics: Sequence[str] = ()) -> bytes:
    rows = [{"text": text} | ({"topic": topics[at]} if topics else {}) for at, text in enumerate(texts)]
    return "\n".join(json.dumps(row) for row in rows).encode()


def test_tables_come_to_an_encoding_a_shape_and_a_size(fitter: Fitter, blobs: BlobStore) -> None:
    test, *datasets = (dataset(blobs, table(seed, 10 + seed), DatasetFormat.CSV) for seed in range(3))
    fitted = fitter.tables(ordered(test, datasets))
    assert isinstance(fitted.encoding, TableEncoding)
    assert fitted.encoding.classes == ("x", "y")
    assert (fitted.shape, fitted.classes) == ((2,), 2)
    assert (fitted.size.rows, fitted.size.width, fitted.size.test_rows) == (11 + 12, 2, 10)
    assert fitted.test_file.digest == test.digest


def test_the_same_question_is_answered_without_the_files_and_another_one_is_not(
    fitter: Fitter, blobs: BlobStore, session: Session
) -> None:
    test, *datasets = (dataset(blobs, table(seed, 10), DatasetFormat.CSV) for seed in range(3))
    first = fitter.tables(ordered(test, datasets))
    assert kept(session) == 1
    for each in (test, *datasets):
        assert each.digest is not None
        blobs.delete(each.digest)
    assert fitter.tables(ordered(test, datasets)).answer == first.answer
    with pytest.raises(Exception, match="blob"):
        fitter.tables(ordered(test, datasets, copies="first"))
    assert kept(session) == 1, "what was not answered is not kept"


def test_classes_are_in_the_order_of_content_unless_a_checkpoint_has_them_by_name(
    fitter: Fitter, blobs: BlobStore
) -> None:
    content = table(0, 11).replace(b",x", b",zebra")  # six rows of class zebra, five of y
    test, *datasets = (dataset(blobs, content, DatasetFormat.CSV) for _ in range(3))
    labels = {flag: fitter.tables(ordered(test, datasets, by_name=flag)).answer.labels for flag in (True, False)}
    assert labels == {True: ("y", "zebra"), False: ("zebra", "y")}


def test_a_target_that_the_order_names_is_looked_for_in_every_file(fitter: Fitter, blobs: BlobStore) -> None:
    test, *datasets = (dataset(blobs, table(seed, 10, "kind"), DatasetFormat.CSV, "u") for seed in range(3))
    assert fitter.tables(ordered(test, datasets, target="kind")).answer.labels == ("x", "y")


def test_corpora_are_sized_by_what_a_training_reads_and_not_by_how_many_blocks_there_are(
    fitter: Fitter, blobs: BlobStore
) -> None:
    base = Checkpoint(architecture=Architecture.LM, facts=FACTS.plain())
    model = Model(name="lm", hyper={"context": 16, "steps": 3, "batch": 2})
    content = corpus("two and two is four", "the tide is out", topics=["sums", "sea"])
    test = dataset(blobs, content, DatasetFormat.JSONL, "topic")
    datasets = [dataset(blobs, corpus(f"a text about {each}" * 5), DatasetFormat.JSONL) for each in ("sea", "sums")]
    fitted = fitter.texts(ordered(test, datasets), model, base)
    assert fitted.encoding == TokenBlocks(context=16, vocabulary=256, domain_column="topic", domains=("sea", "sums"))
    assert (fitted.shape, fitted.classes) == ((17,), 256)
    assert fitted.size.training == 1000.0 * 3 * 2 * 16
    assert fitted.size.scoring == 1000.0 * 16 * fitted.size.test_rows


def test_a_context_that_is_no_multiple_of_eight_and_too_many_domains_are_refused(
    fitter: Fitter, blobs: BlobStore
) -> None:
    few = FACTS.model_copy(update={"vocabulary": 1})
    test = dataset(blobs, corpus("two and", "the tide", topics=["sums", "sea"]), DatasetFormat.JSONL, "topic")
    files = ordered(test, [dataset(blobs, corpus("a text"), DatasetFormat.JSONL)])
    base = Checkpoint(architecture=Architecture.LM, facts=few.plain())
    with pytest.raises(InvalidInput, match="context must be a multiple of 8 tokens; got 12"):
        fitter.texts(files, Model(name="lm", hyper={"context": 12}), base)
    with pytest.raises(InvalidInput, match="2 domains, more than there are tokens"):
        fitter.texts(files, Model(name="lm", hyper={"context": 8}), base)


@pytest.mark.parametrize(("learner", "kind"), [("logistic", "features"), ("lora", "inputs")])
def test_a_frozen_model_makes_features_of_rows_once_or_is_trained_with_adapters(
    fitter: Fitter, blobs: BlobStore, learner: str, kind: str
) -> None:
    test, *datasets = (dataset(blobs, sentences(seed, 12), DatasetFormat.JSONL) for seed in range(3))
    base = Checkpoint(architecture=Architecture.ENCODER, hyper={"context": 24}, facts=FACTS.plain())
    fitted = fitter.items(ordered(test, datasets), Model(name=learner), base)
    assert isinstance(fitted.encoding, FrozenModelRows)
    assert (fitted.encoding.kind, fitted.encoding.of, fitted.encoding.context) == (kind, "text", 24)
    assert (fitted.shape, fitted.classes) == ((16,), 2)
    work = 50.0 * 24
    if kind == "features":
        assert (fitted.size.preparing, fitted.size.training) == (work * 36, 0.0)
    else:
        assert (fitted.size.preparing, fitted.size.scoring) == (0.0, work * 12)
        assert fitted.size.training == work * 60 * 16, "steps times rows of a minibatch"


def test_a_text_is_shown_up_to_what_its_encoder_takes_and_an_image_as_large_as_its_backbone_says(
    fitter: Fitter, blobs: BlobStore
) -> None:
    texts = [dataset(blobs, sentences(seed, 8), DatasetFormat.JSONL) for seed in range(3)]
    encoder = Checkpoint(architecture=Architecture.ENCODER, hyper={}, facts=FACTS.plain())
    shown = fitter.items(ordered(texts[0], texts[1:]), Model(), encoder).encoding
    assert isinstance(shown, FrozenModelRows)
    assert (shown.context, shown.size) == (48, None)
    images = [dataset(blobs, pictures(seed, 6), DatasetFormat.ZIP) for seed in range(3)]
    backbone = Checkpoint(architecture=Architecture.BACKBONE, hyper={"size": 64}, facts=FACTS.plain())
    fitted = fitter.items(ordered(images[0], images[1:]), Model(), backbone)
    assert isinstance(fitted.encoding, FrozenModelRows)
    assert (fitted.encoding.context, fitted.encoding.size) == (None, 64)
    assert fitted.size.preparing == 50.0 * 4 * 18, "twice the side takes four times the work"


@pytest.mark.parametrize(
    ("target", "modality", "architecture", "words"),
    [
        (None, Modality.TEXT, Architecture.ENCODER, "has no target"),
        ("label", Modality.TEXT, Architecture.BACKBONE, "holds text data, and the backbone takes images"),
        ("label", Modality.IMAGE, Architecture.ENCODER, "holds image data, and the encoder takes texts"),
        ("label", None, Architecture.BACKBONE, "holds no data"),
        ("label", Modality.TEXT, Architecture.ENCODER, None),
        ("label", Modality.TABULAR, Architecture.ENCODER, None),
        ("label", Modality.IMAGE, Architecture.BACKBONE, None),
    ],
)
def test_a_frozen_model_is_shown_what_it_takes(
    target: str | None, modality: Modality | None, architecture: Architecture, words: str | None
) -> None:
    why = unfit_for_items(Dataset(target=target, modality=modality), architecture)
    assert why is None if words is None else words in (why or "")


def test_a_language_model_reads_documents_or_a_column_of_texts() -> None:
    documents = Dataset(modality=Modality.TEXT, columns=None)
    texts = Dataset(modality=Modality.TABULAR, columns=[{"name": "text", "type": "text"}])
    numbers = Dataset(modality=Modality.TABULAR, columns=[{"name": "text", "type": "number"}])
    others = Dataset(modality=Modality.TABULAR, columns=[{"name": "body", "type": "text"}])
    assert [unfit_for_texts(each) is None for each in (documents, texts, numbers, others)] == [True, True, False, False]
    assert "has no column `text` of texts" in (unfit_for_texts(others) or "")
