"""What a provider's agent and the service say to each other: a registration, questions, answers. None holds a row.

An agent registers a table by its columns, its number of rows and a commitment to them (``row_commitment``). A question
asks for sums over those rows, encoded as the job's other files are; its digest names everything that the answer depends
on, so an answer to another question, of other rows or under another protocol is refused, by either side. On the wire an
answer is a line of JSON and the numbers of its arrays, float64 little-endian, in the order that the question says.
Questions about networks are described in ``contract.agent_networks``.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, model_serializer, model_validator

from contract.agent_networks import (
    MOST_NUMBERS,
    AskedNetwork,
    gradients_fault,
    labels_fault,
    second_moments_fault,
    tangents_fault,
)
from contract.agent_texts import RegisteredTexts
from contract.document import Document, canonical_json, digest_of

# raised when a question or an answer of before can no longer be understood; an agent of another number is refused
PROTOCOL = 1
# the format of a dataset whose bytes are a registration
AGENT_FORMAT = "agent"
# encoded columns that an agent's statistics may have: 8 (d + 1)^2 bytes, under ten megabytes
MOST_WIDTH = 1000
# of any encoded number (``contract.rows.columns``)
_LARGEST = 10.0
_SLACK = 1e-6

Array = NDArray[np.float64]
ColumnName = Annotated[str, Field(min_length=1, max_length=1000)]
HexDigest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Ask = Literal["moments", "objective", "curvature", "gradients", "tangents"]
# of tables, and (``lm``, ``contract.agent_adapters``) of documents
AgentLearner = Literal["ridge", "logistic", "mlp", "lm"]
# what each learner needs of a table; nothing else is answered for it
ASKS: dict[AgentLearner, tuple[Ask, ...]] = {
    "ridge": ("moments",),
    "logistic": ("moments", "objective", "curvature"),
    "mlp": ("gradients", "tangents"),
    "lm": (),
}


class AnswerRefused(ValueError):
    """An answer, or a registration, breaks a rule; the text names the rule."""


class RegisteredColumn(Document):
    """A column of the table: numbers, or texts; ``gaps``: some of its cells are missing."""

    name: ColumnName
    kind: Literal["number", "text"]
    gaps: bool = False

    @model_serializer(mode="wrap")
    def _said(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what is new and not said: a registration of before stays what it was."""
        return {name: value for name, value in write(self).items() if name != "gaps" or value}


class NoiseTerms(Document):
    """Gaussian noise on every answer: each job is (epsilon, delta) differentially private in one row's exchange, rows
    being shortened to a norm of at most ``clip`` beforehand."""

    epsilon: Annotated[float, Field(gt=0, le=1e6)]
    delta: Annotated[float, Field(gt=0, lt=0.5)]
    clip: Annotated[float, Field(gt=0, le=1e6)]


class Registration(Document):
    """A table, or documents (``texts``), that stay with their owner; documents have a column ``text`` and no target.
    ``labels`` counts rows by label, where the owner tells them (empty: only
    numbers can be predicted); a count of None is not told. ``commitment`` is the Merkle root over salted rows."""

    protocol: Literal[1] = 1
    rows: Annotated[int, Field(ge=1, le=10**12)]
    columns: Annotated[tuple[RegisteredColumn, ...], Field(min_length=1, max_length=10_000)]
    target: Annotated[str, Field(max_length=1000)] = ""
    labels: Annotated[dict[Annotated[str, Field(max_length=1000)], int | None], Field(max_length=1000)] = Field(
        default_factory=dict
    )
    commitment: HexDigest
    learners: Annotated[tuple[AgentLearner, ...], Field(min_length=1)]
    noise: NoiseTerms | None = None
    # rows that the owner lets be opened for each job, so that sums can be borne out
    open_rows: Annotated[int, Field(ge=0)] = 0
    texts: RegisteredTexts | None = None

    def plain(self) -> dict[str, Any]:
        """Without what is new and not said: a registration of before stays what it was."""
        later = {"open_rows": self.open_rows, "texts": self.texts}
        return self.model_dump(mode="json", exclude={name for name, said in later.items() if not said})

    @model_validator(mode="after")
    def _whole(self) -> "Registration":
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise ValueError("two columns have one name; rename one")
        if (self.texts is not None) != (self.learners == ("lm",)):
            raise ValueError("documents are registered for lm alone, with the bases that it stands on")
        if self.texts is not None:
            self._check_documents(names)
        elif self.target not in names:
            raise ValueError(f"the target {self.target!r} is none of the columns; name one of them")
        elif len(names) < 2:
            raise ValueError("a table has a column beside its target")
        counted = [count for count in self.labels.values() if count is not None]
        if any(count < 0 for count in counted) or sum(counted) > self.rows:
            raise ValueError("counts of labels are not negative, and together no more than the rows")
        if self.noise is not None and self.open_rows:
            raise ValueError("rows do not bear out sums with noise; leave open_rows out")
        if self.noise is not None and (others := [each for each in self.learners if each != "ridge"]):
            raise ValueError(f"noise is added to ridge's statistics only; leave {others[0]} out of the learners")
        return self

    def _check_documents(self, names: list[str]) -> None:
        """Raises ValueError where documents are said to be more than texts."""
        if names != ["text"] or self.target or self.labels:
            raise ValueError("documents have the column text, and no target")
        if self.noise is not None or self.open_rows:
            raise ValueError("an adapter has no noise, and no opened rows bear it out; leave both out")

    def kind_of(self, name: str) -> str | None:
        """number or text; None where there is no such column."""
        return next((column.kind for column in self.columns if column.name == name), None)


class AskedColumn(Document):
    """A column as the job encodes it: a number is (value - center) / spread, a text one of ``categories`` or, after
    them, none of them. With a ``fill`` missing cells become it, and one more column, last, marks them."""

    name: ColumnName
    kind: Literal["number", "text"]
    center: float = 0.0
    spread: Annotated[float, Field(gt=0)] = 1.0
    categories: tuple[str, ...] = ()
    fill: float | str | None = None

    @model_validator(mode="after")
    def _filled_by_its_kind(self) -> "AskedColumn":
        if self.fill is not None and isinstance(self.fill, str) != (self.kind == "text"):
            raise ValueError(f"missing cells of {self.kind}s are filled by one of them, and not by {self.fill!r}")
        return self

    @model_serializer(mode="wrap")
    def _said(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what is new and not said: the question's digest is what it was."""
        return {name: value for name, value in write(self).items() if name != "fill" or value is not None}

    @property
    def values(self) -> int:
        """Encoded columns of its values."""
        return len(self.categories) + 1 if self.kind == "text" else 1

    @property
    def width(self) -> int:
        return self.values + (self.fill is not None)


class AskedEncoding(Document):
    """How rows become numbers: columns by their name in the owner's file, in this order. A target has ``classes`` (the
    owner's labels that are others by another spelling are in ``label_map``), or a ``scale`` (center, spread)."""

    columns: Annotated[tuple[AskedColumn, ...], Field(min_length=1)]
    target: ColumnName
    classes: tuple[str, ...] = ()
    label_map: dict[str, str] = Field(default_factory=dict)
    scale: tuple[float, float] | None = None

    @property
    def width(self) -> int:
        """d: numbers of one encoded row."""
        return sum(column.width for column in self.columns)

    @property
    def outputs(self) -> int:
        return 1 if self.scale is not None else len(self.classes)


class AgentQuestion(Document):
    """One question about one dataset. ``game`` names the job's game: all questions of a job have one. ``stack`` counts
    the models of an objective; ``models`` is the SHA-256 of the numbers that come with the question, or empty.

    ``moments``: sums of x x^T [d + 1, d + 1] and x t^T [d + 1, C] over rows x with a one last, t the number by its
    scale or the label's unit vector. ``objective``: sums [stack] of cross-entropies at models [stack, C, d + 1], and
    their gradients. ``curvature``: as moments, rows weighted by the mean curvature at one model [C, d + 1] and t their
    working responses. ``gradients``: of the summed loss at networks [stack, P], in their shape. ``tangents``: moments
    of tangent features at one network [1, P], brought to ``network.sketch`` numbers, a one last, and the sum of the
    squares of t.
    """

    protocol: int = PROTOCOL
    dataset: str
    registration: HexDigest
    commitment: HexDigest
    rows: int
    game: HexDigest
    buyer: str
    purpose: str | None
    learner: AgentLearner
    asks: Ask
    encoding: AskedEncoding
    stack: Annotated[int, Field(ge=0, le=64)] = 0
    models: str = ""
    network: AskedNetwork | None = None

    @model_validator(mode="after")
    def _of_a_network(self) -> "AgentQuestion":
        if (self.network is not None) != (self.learner == "mlp"):
            raise ValueError("questions for mlp say which network, and no others do")
        if self.asks == "gradients" and self.stack * self._parameters > MOST_NUMBERS:
            raise ValueError(f"an answer of gradients has at most {MOST_NUMBERS} numbers; ask for fewer models")
        return self

    def plain(self) -> dict[str, Any]:
        """Without what came later and is not said: agents of before understand it, and its digest is the same."""
        return {name: value for name, value in super().plain().items() if name != "network" or value is not None}

    @property
    def digest(self) -> str:
        return digest_of(self.plain())

    def of(self, asks: Ask, models: bytes, stack: int = 0, sketch: int = 0) -> "AgentQuestion":
        """The same question asking for something else, of these models."""
        named = hashlib.sha256(models).hexdigest() if models else ""
        network = None if self.network is None else self.network.model_copy(update={"sketch": sketch})
        return self.model_copy(update={"asks": asks, "models": named, "stack": stack, "network": network})

    @property
    def models_shape(self) -> tuple[int, ...]:
        """Of the models that come with the question."""
        if self.network is not None:
            return (self.stack if self.asks == "gradients" else 1, self._parameters)
        each = (self.encoding.outputs, self.encoding.width + 1)
        return {"moments": (0, *each), "objective": (self.stack, *each), "curvature": (1, *each)}[self.asks]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The arrays of the answer, in their order on the wire."""
        size, outputs = self.encoding.width + 1, self.encoding.outputs
        if self.asks == "gradients":
            return {"gradients": (self.stack, self._parameters)}
        if self.network is not None:
            size = self.network.sketch + 1
            return {"A": (size, size), "b": (size, outputs), "squares": (1,)}
        if self.asks == "objective":
            return {"values": (self.stack,), "gradients": (self.stack, outputs, size)}
        return {"A": (size, size), "b": (size, outputs)}

    @property
    def term_width(self) -> int:
        """Numbers of the weights by which a row's term is made of it, when rows are opened: one for each number of an
        encoded row and its one, of a row's tangent features, or of a network."""
        if self.asks == "gradients":
            return self._parameters
        return self.encoding.width + 1 if self.network is None else self.network.sketch + 1

    @property
    def _parameters(self) -> int:
        """P: numbers of one network."""
        return 0 if self.network is None else self.network.width(self.encoding.width, self.encoding.outputs)

    @property
    def answer_bytes(self) -> int:
        """The most that an answer takes on the wire."""
        return 8 * sum(math.prod(shape) for shape in self.shapes.values()) + 4096


class AnswerHead(Document):
    """What an answer says of itself, before its numbers."""

    protocol: int = PROTOCOL
    question: HexDigest
    commitment: HexDigest
    rows: int
    noise: NoiseTerms | None = None


def registration_of(content: bytes) -> Registration:
    """The registration that these bytes are; raises AnswerRefused."""
    try:
        return Registration.read(json.loads(content))
    except (ValueError, ValidationError, RecursionError) as error:
        said = "; ".join(each["msg"] for each in error.errors()[:3]) if isinstance(error, ValidationError) else error
        raise AnswerRefused(f"these bytes are no registration of an agent of protocol {PROTOCOL}: {said}") from None


def models_of(question: AgentQuestion, content: bytes) -> Array:
    """The models that came with a question; raises AnswerRefused where they are not what it says."""
    shape = question.models_shape
    if not shape[0] and not content and not question.models:
        return np.zeros(shape)
    if hashlib.sha256(content).hexdigest() != question.models or len(content) != 8 * math.prod(shape):
        raise AnswerRefused("the models of the question are not those that it names")
    models = np.frombuffer(content, dtype="<f8").reshape(shape).astype(np.float64)
    if not np.isfinite(models).all():
        raise AnswerRefused("the models of the question hold NaN or infinity")
    return models


def packed(head: AnswerHead, arrays: Mapping[str, Array], question: AgentQuestion) -> bytes:
    """An answer as it goes over the wire."""
    parts = [np.ascontiguousarray(arrays[name], dtype="<f8").tobytes() for name in question.shapes]
    return b"".join([canonical_json(head.plain()), b"\n", *parts])


class Answered(Protocol):
    """A question of any kind, as far as an answer's head names it."""

    @property
    def protocol(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def commitment(self) -> str: ...
    @property
    def rows(self) -> int: ...


def answer_body(question: Answered, content: bytes, noise: NoiseTerms | None, counted: str) -> tuple[bytes, bytes]:
    """The line's end after an answer's head (empty: there is none) and what follows it; raises AnswerRefused where the
    head is none, or names another question. ``counted`` is what the question's rows are called."""
    head_bytes, mark, body = content.partition(b"\n")
    try:
        head = AnswerHead.read(json.loads(head_bytes))
    except (ValueError, RecursionError):
        raise AnswerRefused("the answer does not begin with what it answers") from None
    for what, said, expected in (
        ("protocol", head.protocol, question.protocol),
        ("question", head.question, question.digest),
        ("commitment", head.commitment, question.commitment),
        (counted, head.rows, question.rows),
        ("noise", head.noise, noise),
    ):
        if said != expected:
            raise AnswerRefused(f"the answer is of another {what} ({said}) than was asked for ({expected})")
    return mark, body


def unpacked(question: AgentQuestion, content: bytes, noise: NoiseTerms | None) -> dict[str, Array]:
    """The arrays of an answer to this question about a dataset with these terms of noise; raises AnswerRefused where
    it answers another one, or cannot be sums over encoded rows."""
    mark, body = answer_body(question, content, noise, "number of rows")
    sizes = {name: math.prod(shape) for name, shape in question.shapes.items()}
    if not mark or len(body) != 8 * sum(sizes.values()):
        raise AnswerRefused(
            f"the answer holds {len(body)} bytes of numbers, and {8 * sum(sizes.values())} are asked for"
        )
    numbers = np.frombuffer(body, dtype="<f8").astype(np.float64)
    if not np.isfinite(numbers).all():
        raise AnswerRefused("the answer holds NaN or infinity")
    arrays, at = {}, 0
    for name, shape in question.shapes.items():
        arrays[name] = numbers[at : at + sizes[name]].reshape(shape)
        at += sizes[name]
    fault = _fault(question, arrays, noise)
    if fault is not None:
        raise AnswerRefused(f"no rows have these sums: {fault}")
    return arrays


def _fault(question: AgentQuestion, arrays: Mapping[str, Array], noise: NoiseTerms | None) -> str | None:
    """Why these cannot be the arrays that were asked for; None where they can."""
    encoding = question.encoding
    if question.asks == "objective":
        return _objective_fault(arrays)
    if question.asks == "gradients" and question.network is not None:
        bias = question.network.last_bias(encoding.width, encoding.outputs)
        return gradients_fault(arrays["gradients"][:, bias], question.rows, bool(encoding.classes))
    if question.asks == "tangents":
        return tangents_fault(arrays, question.rows, bool(encoding.classes))
    return _moments_fault(question, arrays, noise)


def _objective_fault(arrays: Mapping[str, Array]) -> str | None:
    return "a cross-entropy is below zero" if (arrays["values"] < 0).any() else None


def _moments_fault(question: AgentQuestion, arrays: Mapping[str, Array], noise: NoiseTerms | None) -> str | None:
    """Why arrays cannot be moments of so many encoded rows: what bounds a liar, and a fault of an agent's."""
    A, b, rows = arrays["A"], arrays["b"], float(question.rows)
    if (fault := second_moments_fault(A)) is not None:
        return fault
    if noise is not None:
        return None  # the bounds below hold for sums without noise
    diagonal = np.diagonal(A)
    # a weight by curvature is at most one, for any model
    if diagonal.max() > rows * _LARGEST**2 * (1 + _SLACK) or diagonal[-1] > rows * (1 + _SLACK):
        return "A is larger than sums over so many encoded rows"
    if question.asks == "curvature":
        return None
    if diagonal[-1] != rows:
        return "the sum of ones is not the number of rows"
    return labels_fault(b, diagonal, rows) if question.encoding.classes else None
