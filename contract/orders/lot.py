"""Test rows by lot: a part of each provider's own rows is left out of training and measures worths.

Which rows it is follows from a seed that the service alone knows until the job has ended, and from their content, so
neither the buyer nor a provider picks them.
"""

import hashlib

from contract.document import Document
from contract.rows.files import InputFile

# of so few payees each would be measured on one other's rows only
LEAST_PAYEES = 3
LEAST_PART, MOST_PART = 0.05, 0.5


class LotDraw(Document):
    """``part`` of each payee's rows, drawn by ``seed`` (hex bytes); ``beside``: beside the order's own test set, whose
    rows measure nothing otherwise."""

    part: float
    beside: bool
    seed: str


class LotFitted(Document):
    """What was drawn: the payees' files with all other rows left out, how many rows, and how many there would be if
    all rows that are offered counted (``expected``, which tells nothing of copies). ``drop``: the rows of the order's
    own test set that measure nothing, as ``InputFile.drop``: none, or all."""

    files: tuple[InputFile, ...]
    rows: int
    expected: int
    drop: str


class LotSeal(Document):
    """What both sides are told of a lot: ``commitment``, SHA-256 of the bytes of ``seed``, which is shown once the job
    has ended."""

    part: float
    beside: bool
    rows: int
    commitment: str
    seed: str


def sealed(draw: LotDraw, rows: int) -> LotSeal:
    """The seal of a lot of so many rows."""
    return LotSeal(part=draw.part, beside=draw.beside, rows=rows, commitment=seed_commitment(draw.seed), seed=draw.seed)


def seed_commitment(seed: str) -> str:
    """The commitment to a seed (hex)."""
    return hashlib.sha256(bytes.fromhex(seed)).hexdigest()


def ticket(seed: bytes, key: bytes) -> bytes:
    """The number that a row of this content draws; of each payee's rows the lowest are test rows."""
    return hashlib.sha256(seed + key).digest()
