"""How a provider's agent shows that sums it sent are those of the rows it is committed to, by opening a few rows.

Once sums are in, the service draws random weights and asks for the totals of the rows' weighted terms: one number for
each row, whose sum the sent sums determine, because every sum is linear in the rows' terms (Freivalds' check of 1979: a
false matrix is right in a random direction by chance zero). The agent commits to all rows' terms by a tree of sums over
the rows in the commitment's order. Then the service draws rows: by marks, each of which meets a row with the chance of
its part of all terms' size, and by place, each row alike. An opened row comes with its salt and two paths; its
terms are computed again. Sums that no rows have need false terms, and whoever draws meets them.

Terms are whole numbers of ``UNIT``, so that sums over the tree are exact.
"""

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from contract.agent_adapters import AdapterQuestion
from contract.agents import PROTOCOL, AgentQuestion, AnswerRefused, Array, HexDigest, Registration
from contract.document import Document, canonical_json, digest_of
from contract.merkle import root_by
from contract.proof.row_commitment import Cell
from contract.proof.sum_tree import Amount, SumNode, proven_by

UNIT = 2.0**-30
MARK_BITS = 53
# rows that one order may have opened of each dataset
MOST_OPENED = 64
# of a term, and of a sum by the size of its terms: what rounding explains on another machine
ROUNDING = 1e-9
_DIGITS = 10**60
_PATH = 64

Whole = Annotated[int, Field(ge=0, lt=_DIGITS)]


class OpeningQuestion(Document):
    """A question about the rows behind an answer (``answer``: its SHA-256) to the question ``about``. The weights of
    rows' terms follow from ``seed``. Without ``root`` totals are asked for; with it (the root that the agent sent),
    rows: those that ``marks`` (of ``MARK_BITS`` bits) meet, then those at ``places``. With ``toward`` terms are
    those of b, or of gradients, along it alone. ``again``: asked once more, as its owner disputes what was found."""

    protocol: int = PROTOCOL
    about: AgentQuestion
    answer: HexDigest
    seed: HexDigest
    toward: tuple[float, ...] = ()
    root: str = ""
    marks: Annotated[tuple[int, ...], Field(max_length=MOST_OPENED)] = ()
    places: Annotated[tuple[int, ...], Field(max_length=MOST_OPENED)] = ()
    again: bool = False

    def plain(self) -> dict[str, Any]:
        """Without what is new and not said: its digest is what it was."""
        return {name: value for name, value in super().plain().items() if name != "again" or value}

    @property
    def dataset(self) -> str:
        return self.about.dataset

    @property
    def registration(self) -> str:
        return self.about.registration

    @property
    def digest(self) -> str:
        return digest_of(self.plain())

    @property
    def opens(self) -> int:
        """How many rows it asks for."""
        return len(self.marks) + len(self.places)

    @property
    def answer_bytes(self) -> int:
        """The most that an answer takes on the wire: a row's cells, and two paths."""
        return 4096 + self.opens * (1_000_000 + 512 * _PATH)


class TotalsAnswer(Document):
    """The root of the tree over all rows' terms, and what they add and take away, in ``UNIT``."""

    question: HexDigest
    root: HexDigest
    plus: Whole
    minus: Whole


class PathNode(Document):
    """A node beside a way to the root of the tree of terms."""

    hash: HexDigest
    plus: Whole
    minus: Whole

    @property
    def node(self) -> SumNode:
        return SumNode(self.hash, Amount(self.plus, self.minus))


class OpenedRow(Document):
    """A row: its place in the commitment's order, its salt, itself as ``row_commitment.row_bytes`` spells it, its path
    there; its terms and their path."""

    place: Annotated[int, Field(ge=0)]
    salt: HexDigest
    row: Annotated[str, Field(max_length=1_000_000)]
    path: Annotated[tuple[HexDigest, ...], Field(max_length=_PATH)]
    plus: Whole
    minus: Whole
    terms_path: Annotated[tuple[PathNode, ...], Field(max_length=_PATH)]

    @property
    def amount(self) -> Amount:
        return Amount(self.plus, self.minus)


class DrawnRows(Document):
    """The rows that were asked for, in the order of marks, then places."""

    question: HexDigest
    rows: tuple[OpenedRow, ...]


class Mismatch(Exception):
    """What was opened does not bear out what was sent; the text says what differs."""


AskedQuestion = AgentQuestion | OpeningQuestion | AdapterQuestion


def read_question(plain: Mapping[str, Any]) -> AskedQuestion:
    """A question of any kind; raises ValueError (pydantic's)."""
    if "about" in plain:
        return OpeningQuestion.read(plain)
    return AdapterQuestion.read(plain) if "base" in plain else AgentQuestion.read(plain)


def opened(question: OpeningQuestion, content: bytes) -> TotalsAnswer | DrawnRows:
    """The answer that these bytes are; raises AnswerRefused where they are none to this question."""
    kind: type[TotalsAnswer] | type[DrawnRows] = DrawnRows if question.root else TotalsAnswer
    try:
        answer = kind.read(json.loads(content))
    except (ValueError, ValidationError, RecursionError):
        raise AnswerRefused("the answer is none to a question about opened rows") from None
    if answer.question != question.digest:
        raise AnswerRefused("the answer is of another question than was asked")
    if isinstance(answer, DrawnRows) and len(answer.rows) != question.opens:
        raise AnswerRefused(f"the answer opens {len(answer.rows)} rows, and {question.opens} are asked for")
    return answer


def answer_bytes(answer: TotalsAnswer | DrawnRows) -> bytes:
    """An answer as it goes over the wire."""
    return canonical_json(answer.plain())


def whole(terms: Array) -> list[Amount]:
    """Rows' terms float64[n] as amounts."""
    numbers = [round(term / UNIT) for term in terms.tolist()]
    return [Amount(max(number, 0), max(-number, 0)) for number in numbers]


def position_of(mark: int, size: int) -> int:
    """Where a mark falls in terms of this size altogether."""
    return mark * size >> MARK_BITS


class OpeningDraw:
    """Numbers that follow from a seed, for nobody to choose (SHAKE-256)."""

    def __init__(self, seed: str) -> None:
        self._seed = bytes.fromhex(seed)

    def _words(self, name: str, count: int) -> NDArray[np.uint64]:
        content = hashlib.shake_256(self._seed + name.encode()).digest(8 * count)
        return np.frombuffer(content, dtype="<u8")

    def weights(self, name: str, count: int) -> Array:
        """float64[count] between a half and one, of either sign: none is so small that a lie hides in it."""
        words = self._words(name, count)
        sign = np.where(words & np.uint64(1), 1.0, -1.0)
        return np.asarray(sign * (0.5 + (words >> np.uint64(11)).astype(np.float64) * 2.0**-54))

    def below(self, name: str, bound: int, count: int) -> tuple[int, ...]:
        """Whole numbers [count] from zero up to ``bound`` (under 2^53)."""
        return tuple(int(word) % bound for word in self._words(name, count).tolist())


def check_total(claimed: Amount, determined: float, rows: int) -> None:
    """Raises Mismatch where terms do not add up to what the sent sums determine."""
    total = claimed.net * UNIT
    allowed = 2 * rows * UNIT + ROUNDING * (1.0 + claimed.size * UNIT)
    if not abs(total - determined) <= allowed:
        raise Mismatch(f"the rows' terms add up to {total:.9g}, and the sums that were sent to {determined:.9g}")


def check_places(question: OpeningQuestion, totals: TotalsAnswer, answer: DrawnRows) -> None:
    """Raises Mismatch where a row is another than was drawn, is not committed to, or its terms are not in the tree."""
    count = question.about.rows
    root = SumNode(totals.root, Amount(totals.plus, totals.minus))
    marks: Sequence[int | None] = [*question.marks, *(None for _ in question.places)]
    places: Sequence[int | None] = [*(None for _ in question.marks), *question.places]
    for row, mark, place in zip(answer.rows, marks, places, strict=True):
        leaf = bytes.fromhex(row.salt) + row.row.encode()
        if root_by(leaf, row.place, count, row.path) != question.about.commitment:
            raise Mismatch(f"the row at place {row.place} is not among the rows that were committed to")
        proven = proven_by(row.amount, row.place, count, [node.node for node in row.terms_path])
        if proven is None or proven.root != root:
            raise Mismatch(f"the terms of the row at place {row.place} are not among those that were added up")
        if place is not None and row.place != place:
            raise Mismatch(f"the row at place {row.place} was opened in the place of {place}")
        if mark is not None:
            position = position_of(mark, root.amount.size)
            if not proven.before <= position < proven.before + row.amount.size:
                raise Mismatch(f"the row at place {row.place} is not the one that the mark meets")


def check_terms(answer: DrawnRows, computed: Array) -> None:
    """Raises Mismatch where a row's terms are not those float64[opened] that were computed from it."""
    for row, term in zip(answer.rows, computed.tolist(), strict=True):
        if not abs(row.amount.net * UNIT - term) <= 2 * UNIT + ROUNDING * (1.0 + abs(term)) or min(row.amount):
            raise Mismatch(
                f"the row at place {row.place} adds {term:.9g} to the sums, and "
                f"{row.amount.net * UNIT:.9g} was added up for it"
            )


def columns_of(
    registration: Registration, rows: Sequence[OpenedRow]
) -> tuple[dict[str, Array], dict[str, tuple[str | None, ...]]]:
    """The columns of opened rows: numbers float64[n] (NaN where missing) and texts, by name; raises Mismatch where they
    are not those that were registered."""
    cells = [_cells(row, registration) for row in rows]
    numbers: dict[str, Array] = {}
    texts: dict[str, tuple[str | None, ...]] = {}
    for at, column in enumerate(registration.columns):
        values = [row[at] for row in cells]
        if column.kind == "number":
            numbers[column.name] = np.array([value if isinstance(value, float) else np.nan for value in values])
        else:
            texts[column.name] = tuple(value if isinstance(value, str) else None for value in values)
    return numbers, texts


def _cells(row: OpenedRow, registration: Registration) -> list[Cell]:
    wrong = Mismatch(f"the row at place {row.place} does not have the columns that were registered")
    try:
        plain = json.loads(row.row)
    except (ValueError, RecursionError):
        raise wrong from None
    if not isinstance(plain, list) or len(plain) != len(registration.columns):
        raise wrong
    cells: list[Cell] = []
    for cell, column in zip(plain, registration.columns, strict=True):
        if cell is None and column.gaps:
            cells.append(None)
        elif column.kind == "number" and isinstance(cell, str) and len(cell) == 16:
            try:
                cells.append(float(struct.unpack(">d", bytes.fromhex(cell))[0]))
            except ValueError:
                raise wrong from None
        elif column.kind == "text" and isinstance(cell, list) and len(cell) == 2 and isinstance(cell[1], str):
            cells.append(cell[1])
        else:
            raise wrong
    return cells
