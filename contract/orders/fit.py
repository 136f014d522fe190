"""The question that an order asks about its files, and the answer that the sandbox gives: it holds no row.

The answer rests on nothing but the question, so it is kept by the question's digest.
"""

from typing import Any

from pydantic import Field

from contract.document import Document
from contract.orders.job import LabelMix
from contract.orders.lot import LotDraw, LotFitted
from contract.rows.features import ALL_FEATURES, FeatureChoice
from contract.rows.files import InputFile
from contract.rows.findings import FileFinding
from contract.rows.reading import MissingLabels, TargetIs
from contract.rows.segments import Segment


class Offer(Document):
    """One who may be paid: its name in the job, what people call it, and its datasets (ids in hex)."""

    name: str
    shown: str
    datasets: tuple[str, ...]


class FitQuestion(Document):
    """``kind`` says how files are read: table, blocks, text, image, or corpora (documents that are only looked at).
    ``files`` and ``uploaded`` are by dataset (hex). ``by_name``: classes and columns stay in the order of their names,
    which the weights of a checkpoint are in. ``own``: all files are the asker's own, so refusals are told in full, and
    rows are not compared. ``target_is``: what a table's target is predicted as; None: as classes, which the order did
    not say. ``draws``: hex bytes by which is drawn how many rows beside the test set's a payee needs; empty: any.
    ``segments``: the column whose values are valued apart ("": none is), each of ``least_segment`` rows or more; how
    many more is drawn for each payee by ``segment_draws`` (hex bytes; empty: none more).
    ``lot``: test rows that are drawn from the payees'. ``encoding``: a table's, of the model that the order starts
    from, by which rows are read; None: one is found for these files. ``base``: the packed folder of the model that
    blocks are for."""

    kind: str
    test: InputFile
    files: dict[str, InputFile]
    members: tuple[Offer, ...]
    copies: str
    uploaded: dict[str, str]
    limits: dict[str, int]
    image_size: int | None = None
    context: int | None = None
    by_name: bool = False
    features: FeatureChoice = ALL_FEATURES
    label_map: dict[str, str] = Field(default_factory=dict)
    missing_labels: MissingLabels = "leave_out"
    drop_unfit: bool = False
    own: bool = False
    target_is: TargetIs | None = None
    draws: str = ""
    segments: str = ""
    least_segment: int = 1
    segment_draws: str = ""
    lot: LotDraw | None = None
    encoding: dict[str, Any] | None = None
    base: str | None = None


class FitRequest(Document):
    """The question with where each blob lies for the sandbox: ``paths`` by digest, and the tokenizer's, if any."""

    question: FitQuestion
    name: str
    paths: dict[str, str]
    tokenizer: str | None


class GroupsFitted(Document):
    """The test rows that were drawn together: how many groups, the digest of which rows they are, and the number of
    each row's group, packed as ``InputFile.groups``."""

    count: int
    digest: str
    packed: str


class RowsFitted(Document):
    """How many rows, the digest of their content, and their groups (None: each row is by itself)."""

    rows: int
    digest: str
    groups: GroupsFitted | None = None


class PlayerFitted(Document):
    """A player of the game: the files to read, each with the rows to leave out, and what results."""

    name: str
    files: tuple[InputFile, ...]
    digest: str
    rows: int


class PayeeFitted(Document):
    """One who is paid: all of its rows, its player of the game (None: nothing of it is used) and its part of that.

    ``in_test`` and ``in_others`` count its rows that are equal to one of the test set's or of another payee's, ``raw``
    names its rows as they were read; ``repeats`` counts those that were left out because they repeat others of its own.
    Nobody outside the service is told a count. ``segments`` are the numbers of its segments, used or not.
    """

    digest: str
    rows: int
    seat: int | None
    part: tuple[int, int]
    in_test: int
    in_others: int
    raw: str
    segments: tuple[int, ...] = ()
    repeats: int = 0


class UnfitDataset(Document):
    """A dataset (its id in hex) that could not be read with the others and was left out, and why, for the buyer."""

    dataset: str
    detail: str


class FilesRead(Document):
    """What files come to without players: classes (or none), a table's encoding and shape, what is said of them, and
    which were left out, as the question allows."""

    labels: tuple[str, ...]
    encoding: dict[str, Any] | None
    shape: tuple[int, ...] | None
    findings: tuple[FileFinding, ...]
    unfit: tuple[UnfitDataset, ...]
    scale: tuple[float, float] | None = None


class RefusalReason(Document):
    """One broken rule: where, why, and its kind, as errors name them."""

    pointer: str
    detail: str
    type: str


class DatasetRefusal(Document):
    """Why a job's files do not fit together: the dataset (its id in hex) that does not, and what is said of it."""

    dataset: str
    detail: str
    faults: tuple[RefusalReason, ...] = ()


class FitAnswer(Document):
    """What a job's files come to. ``labels`` are the classes' names, or a language model's domains; ``encoding`` and
    ``shape`` are a table's; ``scale`` is centre and spread of a number that a frozen model's rows tell. ``order`` are
    the payees in the order of their players, ``raw_test`` names the test set's
    rows as they were read; ``findings`` is what is said of the files. ``unfit`` are datasets that were left out, as the
    question allows; ``members`` are then those who have others. ``segments`` are the job's by number, ``segmented`` the
    digest of which rows of the players are of which. ``test`` is with the rows of ``lot``, or they alone."""

    labels: tuple[str, ...]
    encoding: dict[str, Any] | None
    shape: tuple[int, ...] | None
    test: RowsFitted
    seats: tuple[PlayerFitted, ...]
    members: tuple[PayeeFitted, ...]
    order: tuple[int, ...]
    raw_test: str
    mix: LabelMix
    findings: tuple[FileFinding, ...] = ()
    unfit: tuple[UnfitDataset, ...] = ()
    segments: tuple[Segment, ...] = ()
    segmented: str | None = None
    lot: LotFitted | None = None
    scale: tuple[float, float] | None = None


class FitReply(Document):
    """What the sandbox says: an answer, or which dataset does not fit."""

    answer: FitAnswer | None = None
    refused: DatasetRefusal | None = None
