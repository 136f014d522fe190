"""Free text as numbers: hashed words and pairs of words. Pure numpy; no vocabulary is fitted, so nobody's rows decide
how another's are read.

Lower-cased words (letters and digits of any script), alone and in neighbouring pairs, are hashed with a sign into
``WIDTH`` columns (Weinberger et al. 2009), each counted once a row; the row is then brought to length 1, so a long text
weighs no more than a short one. The same text is the same numbers everywhere, whatever else is in the job.
"""

import itertools
import re
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WIDTH = 1024
FEWEST_WORDS = 4
MOST_WORDS = 20_000
_WORD = re.compile(r"[^\W_]+")
_SPACE = re.compile(r"\s+")


def is_prose(values: Sequence[str]) -> bool:
    """Whether a column of texts is read as prose and not as categories: four words or more a row, on average."""
    return bool(values) and sum(len(_SPACE.split(v.strip())) for v in values) >= FEWEST_WORDS * len(values)


def hashed(text: str) -> NDArray[np.float32]:
    """float32[WIDTH] of one text, of length 1; zeros where it has no word. Words after the 20,000th are not read."""
    words = [match.group().encode() for match in _WORD.finditer(text.lower()[: 16 * MOST_WORDS])][:MOST_WORDS]
    grams = {*words, *(first + b" " + second for first, second in itertools.pairwise(words))}
    row = np.zeros(WIDTH, dtype=np.float64)
    for gram in grams:
        code = zlib.crc32(gram)
        row[code % WIDTH] += 1.0 if code >> 31 else -1.0
    length = float(np.sqrt(np.square(row).sum()))
    return (row / length if length else row).astype(np.float32)
