"""The frozen game: all that can change a worth, and its digest, the key under which worths are stored and reused.

Two jobs have the same game when nothing that can change a worth differs: the players' encoded rows (in any order, from
any file format), the test set, the encoding, the base, the checkpoint, learner, unlearning options, metric, mode, seed
and kind of device. Names, ids, money and precision are no part of it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from contract.document import Document, digest_of
from contract.learning.learners import predicted
from contract.metrics import Predicts, metric_of
from contract.tasks import Reads, TargetScale

# raised whenever the engine changes what a worth is; stored worths of older rules are then not reused
ENGINE_RULES = 7

HyperValue = int | float | str


class LearnerChoice(Document):
    """A learner's name and the hyper-parameters that it is told."""

    name: str
    hyper: dict[str, HyperValue]


class TableEncoding(Document):
    """How the columns of a table, or the images of an archive, become numbers: ``app.datasets.rows.encoding`` reads and
    writes ``columns``, which this package does not look into."""

    kind: Literal["table"] = "table"
    columns: dict[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.columns["classes"])

    @property
    def reads(self) -> Reads:
        """Images of an archive count as a table's rows with a shape."""
        return Reads.TABLE


class TokenBlocks(Document):
    """Corpora cut into blocks of ``context`` tokens; ``domains`` are the values of the test set's ``domain_column``."""

    kind: Literal["blocks"] = "blocks"
    context: int
    vocabulary: int
    domain_column: str | None
    domains: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """None: tokens are predicted."""
        return ()

    @property
    def reads(self) -> Reads:
        return Reads.TOKENS


class FrozenModelRows(Document):
    """Texts or images (``of``) as a frozen model is shown them: ``features`` that it makes of them once, or ``inputs``,
    where adapters are trained inside it. ``context`` tokens of a text, ``size`` the side of an image's square. Where
    the target is a number it has a ``target_scale``, centre and spread, and no classes."""

    kind: Literal["features", "inputs"]
    of: Literal["text", "image"]
    target: str
    classes: tuple[str, ...]
    context: int | None = None
    size: int | None = None
    # labels that are others by another spelling, as the order says
    label_map: dict[str, str] | None = None
    target_scale: tuple[float, float] | None = None

    @property
    def reads(self) -> Reads:
        return Reads(self.of)

    @property
    def scale(self) -> TargetScale | None:
        return None if self.target_scale is None else TargetScale(*self.target_scale)

    @property
    def outputs(self) -> int:
        """How many outputs a model of these rows has."""
        return len(self.classes) if self.target_scale is None else 1


Encoding = Annotated[TableEncoding | TokenBlocks | FrozenModelRows, Field(discriminator="kind")]


class FrozenGame(Document):
    """The game. ``players`` and ``test`` are content digests, players in canonical (sorted) order.

    ``shard_rows``: the players' rows are cut into shards of about so many, which play; 0: the players do.
    ``unlearning`` are options of the methods. ``groups``: the digest of which test rows were drawn together; they are
    divided together where a part of the test set measures nothing. ``segments``: the digest of which rows of a player
    are valued apart (None: none are); then these play. ``statistics``: the blob of those stored with the checkpoint,
    where there are some. ``composed``: the method that makes everybody's model of the players' own, where some are
    trained beside data that stays with its owner; then worths are that method's alone.
    """

    rules: int = ENGINE_RULES
    players: tuple[str, ...]
    test: str
    encoding: Encoding
    learner: LearnerChoice
    checkpoint: str | None
    base: str | None = None
    metric: str
    mode: str
    unlearning: dict[str, HyperValue]
    seed: int
    device: str
    class_weights: str = "uniform"
    shard_rows: int = 0
    groups: str | None = None
    segments: str | None = None
    statistics: str | None = None
    composed: str | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if list(self.players) != sorted(self.players):
            raise ValueError("the players of a game are in the order of their digests")
        return self

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Self:
        """The game as ``plain`` wrote it. A table's encoding is stored as it is, without a kind."""
        encoding = plain["encoding"]
        wrapped = encoding if "kind" in encoding else {"kind": "table", "columns": encoding}
        return cls.model_validate({**plain, "encoding": wrapped})

    def plain(self) -> dict[str, Any]:
        """The game as plain JSON: the document that its digest is of.

        Members that were added later are named only where they are chosen, so that games without them keep their
        digests, and their worths.
        """
        whole = self.model_dump(mode="json")
        if isinstance(self.encoding, TableEncoding):
            whole["encoding"] = whole["encoding"]["columns"]
        else:
            whole["encoding"] = {
                name: value for name, value in whole["encoding"].items() if value is not None or name == "domain_column"
            }
        if self.base is None:
            del whole["base"]
        if self.class_weights == "uniform":
            del whole["class_weights"]
        if not self.shard_rows:
            del whole["shard_rows"]
        for name in ("groups", "segments", "statistics", "composed"):
            if whole[name] is None:
                del whole[name]
        return whole

    @property
    def digest(self) -> str:
        return digest_of(self.plain())

    @property
    def predicts(self) -> Predicts:
        """What models predict: what the learner can, and the metric scores."""
        return predicted(self.learner.name, self.metric)

    @property
    def measured_by(self) -> str:
        """The metric as the engine is told it: classes that its options name, by number. Raises InvalidProblem."""
        return metric_of(self.metric).resolved(self.classes).text

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels' names; none of numbers, and none of a language model, which predicts tokens."""
        return self.encoding.classes

    @property
    def reads(self) -> Reads:
        """What the rows are to the model."""
        return self.encoding.reads
